"""A machine far away for a lab: a real SSH server on this computer, with a home of its own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.browser.lab import Lab
from tests.sshd import Sshd


@contextmanager
def far_machine(lab: Lab, name: str) -> Iterator[Sshd]:
    """Runs until the end; what is started there lives in the lab's folder, and ends with the lab."""
    home = lab.folder / f"far-{name}"
    home.mkdir(mode=0o700)
    places = {"HOME": home, "JUPYTER_GPU_BRIDGE_HOME": home / "gb", "IPYTHONDIR": home / "ipython"}
    with Sshd(lab.folder / f"sshd-{name}", environment={key: str(path) for key, path in places.items()}) as sshd:
        yield sshd


def add_host(lab: Lab, name: str, sshd: Sshd, *wishes: str) -> None:
    """As its user does it in a terminal."""
    lab.gpu(
        "hosts",
        "add",
        name,
        f"{sshd.user}@127.0.0.1:{sshd.port}",
        f"--identity-file={sshd.identity}",
        f"--python={sys.executable}",
        *wishes,
    )
