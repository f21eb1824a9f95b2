"""A home of its own for a test: nothing of the user's is read or written."""

from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_gpu_bridge import keys


def variables(folder: Path) -> dict[str, str]:
    """What sends all that is written to places below this folder, which are made."""
    places = {
        "HOME": folder,
        "JUPYTER_GPU_BRIDGE_HOME": folder / "bridge",
        "JUPYTER_DATA_DIR": folder / "data",
        "JUPYTER_CONFIG_DIR": folder / "config",
        "JUPYTER_RUNTIME_DIR": folder / "run",
        "IPYTHONDIR": folder / "ipython",
    }
    for place in places.values():
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
    return {
        **{name: str(place) for name, place in places.items()},
        "JUPYTER_PLATFORM_DIRS": "1",
        "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
    }


@pytest.fixture
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    for name, value in variables(home).items():
        monkeypatch.setenv(name, value)
    for name in ("JUPYTER_PATH", *keys.variables()):
        monkeypatch.delenv(name, raising=False)
    return home
