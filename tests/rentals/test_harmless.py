"""Words of a machine, which may be anybody's, before they are kept and shown."""

from __future__ import annotations

import time

import pytest

from jupyter_gpu_bridge.rentals.harmless import MOST_BYTES, MOST_LINES, harmless
from jupyter_gpu_bridge.rentals.installation import new_attempt_id
from jupyter_gpu_bridge.rentals.key_pairs import make, private

KEY = "GRu7zvKYh3q0bX9TtWw1"


def test_what_is_said_stays_as_it_is() -> None:
    said = (
        "Traceback (most recent call last):\n"
        '  File "/usr/local/lib/python3.10/site-packages/torch/nn/modules/module.py", line 1518\n'
        "KeyError: 'weights'\n"
        "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 412 (apt-get) – ü"
    )
    assert harmless(said) == said


def test_only_the_last_lines_are_kept() -> None:
    said = harmless("\n".join(f"line {number}" for number in range(1000)) + "\n\n")
    assert said.splitlines() == [f"line {number}" for number in range(1000 - MOST_LINES, 1000)]


@pytest.mark.parametrize("letter", ["x ", "ü "])
def test_and_no_more_of_them_than_fit(letter: str) -> None:
    lines = harmless("\n".join(f"{number} {letter * 300}" for number in range(40)))
    assert 1 < len(lines.splitlines()) < MOST_LINES
    assert lines.splitlines()[0].split()[0].isdigit(), "no half a line"
    assert len(lines.encode()) <= MOST_BYTES
    assert MOST_BYTES - 8 < len(harmless(letter * MOST_BYTES).encode()) <= MOST_BYTES


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]0;a title\x07after \x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "after link"),
        ("10 %\r50 %\r100 %\r\n", "100 %"),
        ("a\x00b\x08c\x7fd\x9be", "abcde"),
        ("right \u202eto left\u2069", "right to left"),
        ("half a letter \ud83d", "half a letter"),
    ],
)
def test_nothing_moves_a_screen(said: str, shown: str) -> None:
    assert harmless(said) == shown


@pytest.mark.parametrize(
    "said",
    [
        f"export RUNPOD_API_KEY={KEY}",
        f"password: {KEY}",
        f'{{"token": "{KEY}"}}',
        f"JUPYTER_TOKEN='{KEY}'",
        f"GET /lab?token={KEY}&x=1",
        f"Authorization: Bearer {KEY}",
        f"postgresql://team:{KEY}@db.example/ledger",
        f"see {KEY}{KEY}",
        f"sk-sandbox-{KEY}",
        f"see {KEY[:10]}/{KEY[10:]}/{KEY}+{KEY}==",
        f"-----BEGIN OPENSSH PRIVATE KEY-----\n{KEY}\n-----END OPENSSH PRIVATE KEY-----",
        f"-----BEGIN RSA PRIVATE KEY-----\n{KEY}\nand no end",
        f"token={KEY[:5]}\x1b[0m{KEY[5:]}",
    ],
)
def test_what_looks_like_a_secret_is_hidden(said: str) -> None:
    shown = harmless(f"before\n{said}")
    assert KEY[:10] not in shown
    assert KEY[-10:] not in shown
    assert "[hidden]" in shown
    assert shown.startswith("before\n")


@pytest.mark.usefixtures("own_home")
def test_what_is_known_to_be_a_secret_is_hidden_whatever_it_looks_like() -> None:
    attempt_id = new_attempt_id()
    make(attempt_id)
    keys = private(attempt_id)
    assert len(keys) == 2
    for key in keys:
        for line in key.splitlines()[1:-1]:
            assert line not in harmless(f"a {line} b", keys)
    assert harmless("the word is sesame-open.", ["sesame-open"]) == "the word is [hidden]."
    assert harmless("nothing was known", ["", "no"]) == "nothing was known"


@pytest.mark.parametrize("piece", ["a-", "key ", "key", "-----BEGIN ", "\x1b]", "\x1b[0", "//", "bearer ", "A1/", "\r"])
def test_no_words_take_long(piece: str) -> None:
    began = time.monotonic()
    harmless(piece * 100_000, ["known-secret"])
    assert time.monotonic() - began < 2.0
