"""A key shows itself to nobody who did not ask for exactly that."""

from __future__ import annotations

import copy
import logging
import pickle
import traceback

import pytest

from jupyter_gpu_bridge.errors import BadRequest
from jupyter_gpu_bridge.keys import MOST_CHARACTERS, Held, Key, KeyPlace, Source, SourceKind, Stored
from jupyter_gpu_bridge.keys.key import cleaned

CANARY = "canary-0123456789-wxyz"
SOURCE = Source(SourceKind.VARIABLE, "ACME_API_KEY")
KEY = Key(CANARY, SOURCE)


def test_whatever_shows_values_does_not_show_a_key(caplog: pytest.LogCaptureFixture) -> None:
    place = KeyPlace("acme", ("ACME_API_KEY",), "Make one.")
    logging.getLogger("test").warning("%s %r %s", KEY, KEY, Held(place, KEY))
    shown = f"{KEY} {KEY!r} {[KEY]} {Held(place, KEY)} {Stored(KEY)} {caplog.text}"
    assert CANARY not in shown
    assert CANARY[:4] not in shown
    assert "ACME_API_KEY" in shown
    assert KEY.reveal() == CANARY


@pytest.mark.parametrize("copied", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_key_is_not_copied_to_anywhere(copied: object) -> None:
    with pytest.raises(TypeError) as caught:
        copied(KEY)  # type: ignore[operator]
    assert CANARY not in str(caught.value)
    assert not hasattr(KEY, "__dict__")


@pytest.mark.parametrize(("text", "last"), [(CANARY, "wxyz"), ("a" * 12, "aaaa"), ("a" * 11, ""), ("a", "")])
def test_of_a_long_key_the_last_four_characters_may_be_seen_and_of_a_short_one_none(text: str, last: str) -> None:
    assert Key(text, SOURCE).last == last


def test_keys_are_the_same_when_their_texts_are() -> None:
    assert Key(CANARY, Source(SourceKind.KEYRING, "a ring")) == KEY
    assert len({KEY, Key(CANARY, SOURCE), Key(CANARY + "x", SOURCE)}) == 2
    assert KEY != CANARY


@pytest.mark.parametrize("around", ["{}", "  {}\t", "{}\n", "\r\n{}\r\n"])
def test_what_is_pasted_with_a_key_is_taken_away(around: str) -> None:
    assert cleaned(around.format(CANARY)) == CANARY


@pytest.mark.parametrize(
    "text",
    ["", " \n", f"{CANARY}\n{CANARY}", f"{CANARY} {CANARY}", f"{CANARY}\0", f"{CANARY}\x1b[A", f"{CANARY}é",
     f"\ufeff{CANARY}", f"{CANARY}\u200b", f"{CANARY}\x7f", CANARY * MOST_CHARACTERS],
)  # fmt: skip
def test_what_can_be_no_key_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(BadRequest) as caught:
        cleaned(text)
    assert "canary" not in "".join(traceback.format_exception(caught.value))
    assert "canary" not in repr(caught.value.as_problem())


@pytest.mark.parametrize(("provider", "variable"), [("Ac me", "ACME_KEY"), ("", "A"), ("acme", "A=B"), ("acme", "")])
def test_a_place_with_impossible_names_cannot_be_made(provider: str, variable: str) -> None:
    with pytest.raises(ValueError, match="cannot be the name"):
        KeyPlace(provider, (variable,), "Make one.")
