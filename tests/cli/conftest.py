from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_gpu_bridge import bridge as face
from tests.bridges import ScriptedBridge
from tests.cli.calls import Call
from tests.own_home import own_home

__all__ = ["own_home"]


@pytest.fixture
def bridge(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> ScriptedBridge:
    scripted = ScriptedBridge()
    monkeypatch.setattr(face, "Bridge", lambda: scripted)
    return scripted


@pytest.fixture
def call(bridge: ScriptedBridge, capsys: pytest.CaptureFixture[str]) -> Call:
    return Call(capsys)
