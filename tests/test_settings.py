from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest

from jupyter_gpu_bridge import settings
from tests.own_home import own_home

__all__ = ["own_home"]


def test_local_sockets_go_elsewhere_when_the_folder_of_a_login_has_gone_with_it(
    own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTER_GPU_BRIDGE_HOME", str(own_home / ("long" * 20)))
    with tempfile.TemporaryDirectory(prefix="s-", dir="/tmp") as folder:
        monkeypatch.setenv("XDG_RUNTIME_DIR", f"{folder}/login")
        monkeypatch.setattr(tempfile, "tempdir", folder)
        there = settings.run_folder()
        assert there.parent == Path(folder)
        Path(folder, "login").mkdir()
        assert settings.run_folder() == Path(folder, "login", there.name)
        shutil.rmtree(Path(folder, "login"))
        assert settings.run_folder() == there
