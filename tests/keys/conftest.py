from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend

from jupyter_gpu_bridge.keys import ring
from tests.keys import rings
from tests.own_home import own_home

__all__ = ["own_home"]

UseRing = Callable[[type[KeyringBackend]], None]


@pytest.fixture(autouse=True)
def home(own_home: Path) -> Path:
    return own_home / "bridge"


@pytest.fixture
def use_ring(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[UseRing]:
    """Without it there is none."""
    before = keyring.get_keyring()
    monkeypatch.setenv(rings.FOLDER, str(own_home))
    monkeypatch.setattr(ring, "_silent_until", 0.0)
    monkeypatch.setattr(ring, "READ_WITHIN", 0.2)
    monkeypatch.setattr(ring, "CHANGE_WITHIN", 0.2)
    yield lambda kind: keyring.set_keyring(kind())
    keyring.set_keyring(before)
