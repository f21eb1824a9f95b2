"""A machine behind a real sshd, with a home of its own."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from jupyter_gpu_bridge.bridge import Bridge
from jupyter_gpu_bridge.model import Host, MachineRef, Profile
from tests.kernels.home import Home
from tests.own_home import variables
from tests.sshd import Sshd


class Far:
    """`profile` runs kernels there, through `port`."""

    def __init__(self, home: Home, sshd: Sshd, name: str, port: int) -> None:
        self.sshd = sshd
        self.profile = f"gpu-bridge-{name}"
        self.machine = MachineRef("ssh", name)
        with (home.bridge / "known_hosts").open("a") as file:
            file.write(sshd.known_hosts_line(port) + "\n")
        Bridge().add_host(
            Host(
                name,
                "127.0.0.1",
                user=sshd.user,
                port=port,
                identity_file=str(sshd.identity),
                python=sys.executable,
                carrier="paramiko",
            )
        )
        Bridge().add_profile(Profile(name, self.machine, python=sys.executable))

    async def cut(self) -> None:
        """Sessions are gone, and the port refuses."""
        await asyncio.to_thread(self.sshd.stop)

    async def mend(self) -> None:
        await asyncio.to_thread(self.sshd.start)


@contextmanager
def sshd_in(home: Home) -> Iterator[Sshd]:
    """Where the far side writes is below the same home, so that what remains is found."""
    with Sshd(home.folder / "sshd", environment=variables(home.folder / "far")) as sshd:
        yield sshd
