"""A provider of somebody else's, in a package that can be installed and taken away: it sells the sandbox's machines."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

NAME = "acme"

_MODULE = f"""
from dataclasses import replace

from jupyter_gpu_bridge.providers.sandbox import Sandbox


class Acme(Sandbox):
    name = "{NAME}"

    async def offers(self, need):
        return [replace(offer, provider="{NAME}") for offer in await super().offers(need)]
"""
_ENTRY = f"[jupyter_gpu_bridge.providers]\n{NAME} = acme_gpu:Acme\n"


class PlugIn:
    """Where Python finds it, in this process and in all that it starts."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self._folder = folder
        folder.mkdir()
        patch.syspath_prepend(str(folder))
        patch.setenv("PYTHONPATH", str(folder), prepend=":")
        self.install()

    def install(self) -> None:
        information = self._folder / "acme_gpu-1.dist-info"
        information.mkdir(exist_ok=True)
        (information / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-gpu\nVersion: 1\n")
        (information / "entry_points.txt").write_text(_ENTRY)
        (self._folder / "acme_gpu.py").write_text(_MODULE)

    def uninstall(self) -> None:
        shutil.rmtree(self._folder / "acme_gpu-1.dist-info")
        (self._folder / "acme_gpu.py").unlink()

    def damage(self) -> None:
        """As when it needs a package that is not there any more."""
        (self._folder / "acme_gpu.py").write_text("import a_package_that_is_not_there\n")
