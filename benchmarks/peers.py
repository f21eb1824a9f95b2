"""Installs what we compare ourselves with, each in an environment of its own under `.peers/`."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version

from tests.compatibility.world import SSHPYK_PYTHON

_SAME_AS_OURS = ("jupyter_client", "pyzmq", "tornado")
"""The same versions on both sides, so that the provisioners are compared and nothing else."""


def install() -> None:
    """sshpyk 1.25 or newer; its kernels run in our environment, as all others do."""
    if not SSHPYK_PYTHON.exists():
        subprocess.run([sys.executable, "-m", "venv", str(SSHPYK_PYTHON.parents[1])], check=True)
    pins = [f"{package}=={version(package)}" for package in _SAME_AS_OURS]
    command = [str(SSHPYK_PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*command, "sshpyk>=1.25", *pins], check=True)


if __name__ == "__main__":
    install()
