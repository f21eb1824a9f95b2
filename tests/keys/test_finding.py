"""The environment, then the keyring, then the file; and whatever the keyring does, the answer comes."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend

from jupyter_gpu_bridge import keys
from jupyter_gpu_bridge.errors import KeyMissing, KeyRefused, KeyUnreadable
from jupyter_gpu_bridge.keys import VAST, SourceKind, ring
from jupyter_gpu_bridge.keys.file import KeyFile
from tests.keys import rings
from tests.keys.conftest import UseRing


def test_the_environment_comes_first_then_the_keyring_then_the_file(
    use_ring: UseRing, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_ring(rings.Working)
    KeyFile().put("vast", "of-the-file")
    keyring.set_password("jupyter-gpu-bridge", "vast", "of-the-ring")
    for number, name in enumerate(VAST.variables):
        monkeypatch.setenv(name, f"of-variable-{number}")
    found = []
    for name in VAST.variables:
        found.append(keys.needed(VAST))
        monkeypatch.delenv(name)
    found.append(keys.needed(VAST))
    keys.remove(VAST)
    KeyFile().put("vast", "of-the-file")
    found.append(keys.needed(VAST))
    assert [each.reveal() for each in found] == [
        "of-variable-0", "of-variable-1", "of-variable-2", "of-the-ring", "of-the-file",
    ]  # fmt: skip
    assert [each.source.kind for each in found[2:]] == [SourceKind.VARIABLE, SourceKind.KEYRING, SourceKind.FILE]
    assert [each.source.name for each in found[:3]] == list(VAST.variables)


def test_an_empty_variable_is_as_none_and_a_stray_line_break_is_taken_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAST_API_KEY", " \n")
    monkeypatch.setenv("VASTAI_API_KEY", "good-key\n")
    assert keys.needed(VAST).reveal() == "good-key"


def test_a_variable_that_holds_no_key_is_named_and_no_other_key_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAST_API_KEY", "canary canary")
    KeyFile().put("vast", "of-the-file")
    with pytest.raises(KeyUnreadable, match="VAST_API_KEY is no key: it holds spaces") as caught:
        keys.needed(VAST)
    assert "canary" not in repr(caught.value.as_problem())
    assert "Set VAST_API_KEY anew" in caught.value.advice


def test_where_there_is_no_key_it_is_said_where_to_make_one_and_how_to_give_it() -> None:
    with pytest.raises(KeyMissing) as caught:
        keys.needed(VAST)
    assert isinstance(caught.value, KeyRefused)
    assert all(name in caught.value.what for name in VAST.variables)
    assert VAST.advice in caught.value.advice
    assert "jupyter gpu keys set vast" in caught.value.advice
    assert keys.held(VAST).troubles == ()


@pytest.mark.parametrize(
    ("kind", "said"),
    [(rings.Locked, "is locked"), (rings.Broken, "fails (RuntimeError)"), (rings.Hanging, "does not answer")],
)
def test_a_keyring_in_trouble_is_told_of_and_the_file_is_read(
    kind: type[KeyringBackend], said: str, use_ring: UseRing
) -> None:
    use_ring(kind)
    began = time.monotonic()
    with pytest.raises(KeyUnreadable, match="keyring") as caught:
        keys.needed(VAST)
    assert said in caught.value.what
    assert not keys.held(VAST).is_certain
    KeyFile().put("vast", "of-the-file")
    assert keys.needed(VAST).reveal() == "of-the-file"
    assert time.monotonic() - began < 2


def test_a_keyring_that_was_silent_is_spared_for_a_while(use_ring: UseRing, monkeypatch: pytest.MonkeyPatch) -> None:
    use_ring(rings.Hanging)
    keys.held(VAST)
    use_ring(rings.Working)
    keyring.set_password("jupyter-gpu-bridge", "vast", "of-the-ring")
    monkeypatch.setattr(ring, "READ_WITHIN", 0.0)  # whoever asks it now is not answered in time
    assert keys.held(VAST).key is None
    monkeypatch.setattr(ring, "_silent_until", time.monotonic() - 1)
    monkeypatch.setattr(ring, "READ_WITHIN", 5.0)
    assert keys.needed(VAST).reveal() == "of-the-ring"


@pytest.mark.parametrize("kind", [rings.Forgetful, None])
def test_no_keyring_or_one_that_is_switched_off_is_no_trouble(
    kind: type[KeyringBackend] | None, use_ring: UseRing
) -> None:
    if kind is not None:
        use_ring(kind)
    assert keys.held(VAST).troubles == ()


def test_without_the_library_keys_are_found_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    KeyFile().put("vast", "of-the-file")
    assert keys.needed(VAST).reveal() == "of-the-file"
    assert keys.held(keys.RUNPOD).troubles == ()


def test_a_key_that_is_stored_is_told_from_one_in_the_environment_only(
    use_ring: UseRing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAST_API_KEY", "of-the-environment")
    assert not keys.is_stored(VAST)
    KeyFile().put("vast", "of-the-file")
    assert keys.is_stored(VAST)
    KeyFile().remove("vast")
    use_ring(rings.Working)
    keys.put(VAST, "of-the-ring")
    assert keys.is_stored(VAST)


def test_nothing_is_looked_for_before_a_key_is_needed(home: Path) -> None:
    code = (
        "import sys, jupyter_gpu_bridge.bridge, jupyter_gpu_bridge.keys, jupyter_gpu_bridge.providers.clouds\n"
        "print('keyring' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout == "False\n"


def test_a_process_ends_although_its_keyring_hangs() -> None:
    code = (
        "import keyring\n"
        "from jupyter_gpu_bridge import keys\n"
        "from jupyter_gpu_bridge.keys import ring\n"
        "from tests.keys.rings import Hanging\n"
        "keyring.set_keyring(Hanging())\n"
        "ring.READ_WITHIN = 0.1\n"
        "print(keys.held(keys.VAST).troubles[0].what)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20, check=True)
    assert (done.stdout, done.stderr) == ("The system's keyring does not answer.\n", "")
