"""A key goes into the keyring where that works, else into the file; and is gone from both when it is removed."""

from __future__ import annotations

import traceback

import keyring
import pytest
from keyring.backend import KeyringBackend

from jupyter_gpu_bridge import keys
from jupyter_gpu_bridge.errors import BadRequest
from jupyter_gpu_bridge.keys import RUNPOD, VAST, SourceKind
from jupyter_gpu_bridge.keys.file import KeyFile
from tests.keys import rings
from tests.keys.conftest import UseRing

CANARY = "canary-0123456789"


def _in_ring(provider: str) -> str | None:
    return keyring.get_password("jupyter-gpu-bridge", provider)


def test_a_keyring_that_works_has_it_and_no_file_does(use_ring: UseRing) -> None:
    use_ring(rings.Working)
    stored = keys.put(VAST, f" {CANARY}\n")
    assert (stored.key.source.kind, stored.notes) == (SourceKind.KEYRING, ())
    assert _in_ring("vast") == CANARY
    assert not KeyFile().path.exists()
    assert keys.needed(VAST).reveal() == CANARY
    assert keys.held(RUNPOD).key is None


@pytest.mark.parametrize("kind", [None, rings.Forgetful, rings.Locked, rings.Broken, rings.Hanging])
def test_without_a_keyring_that_works_the_file_has_it(kind: type[KeyringBackend] | None, use_ring: UseRing) -> None:
    if kind is not None:
        use_ring(kind)
    stored = keys.put(VAST, CANARY)
    assert stored.key.source.kind is SourceKind.FILE
    assert str(KeyFile().path) in str(stored.key.source)
    assert keys.needed(VAST).reveal() == CANARY
    warned = [note for note in stored.notes if "older key" in note]
    assert bool(warned) == (kind in (rings.Locked, rings.Broken, rings.Hanging))
    assert CANARY not in repr(stored)


def test_a_key_in_the_keyring_takes_the_place_of_an_older_one_in_the_file(use_ring: UseRing) -> None:
    keys.put(VAST, "older")
    keys.put(RUNPOD, "of-another")
    use_ring(rings.Working)
    keys.put(VAST, CANARY)
    assert KeyFile().get("vast") is None
    assert KeyFile().get("runpod") == "of-another"


def test_a_variable_that_counts_more_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VASTAI_API_KEY", "of-the-environment")
    (note,) = keys.put(VAST, CANARY).notes
    assert "VASTAI_API_KEY" in note


def test_a_key_is_removed_from_keyring_and_file_and_from_no_other_provider(
    use_ring: UseRing, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_ring(rings.Working)
    keys.put(VAST, CANARY)
    keys.put(RUNPOD, "of-another")
    KeyFile().put("vast", CANARY)
    monkeypatch.setenv("VAST_API_KEY", "of-the-environment")
    removed = keys.remove(VAST)
    assert [source.kind for source in removed.sources] == [SourceKind.KEYRING, SourceKind.FILE]
    assert removed.left is not None
    assert removed.left.name == "VAST_API_KEY"
    assert (_in_ring("vast"), KeyFile().get("vast"), _in_ring("runpod")) == (None, None, "of-another")
    again = keys.remove(VAST)
    assert (again.sources, again.troubles) == ((), ())


@pytest.mark.parametrize("kind", [rings.Locked, rings.Broken, rings.Hanging])
def test_what_may_be_left_in_a_keyring_is_said_and_the_file_is_rid_of_it(
    kind: type[KeyringBackend], use_ring: UseRing
) -> None:
    KeyFile().put("vast", CANARY)
    use_ring(kind)
    removed = keys.remove(VAST)
    assert [source.kind for source in removed.sources] == [SourceKind.FILE]
    assert "may still have one" in removed.troubles[0]


def test_what_is_no_key_is_stored_nowhere(use_ring: UseRing) -> None:
    use_ring(rings.Working)
    with pytest.raises(BadRequest):
        keys.put(VAST, f"{CANARY} x")
    assert _in_ring("vast") is None
    assert not KeyFile().path.exists()


def test_an_error_of_the_keyring_that_repeats_the_key_is_not_passed_on(use_ring: UseRing) -> None:
    use_ring(rings.Broken)
    KeyFile().put("vast", "x")
    KeyFile().path.chmod(0o644)
    with pytest.raises(Exception, match="others can read") as caught:
        keys.put(VAST, CANARY)
    assert CANARY not in "".join(traceback.format_exception(caught.value))
