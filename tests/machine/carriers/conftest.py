"""A machine to reach over SSH, and every way that we have to reach it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from jupyter_gpu_bridge.machine.carriers import Dialer, PipeDialer, SshTarget
from jupyter_gpu_bridge.machine.carriers.openssh import OpenSshDialer
from jupyter_gpu_bridge.machine.carriers.paramiko_ssh import ParamikoDialer
from tests.on_asyncio import anyio_backend, on_asyncio
from tests.sshd import Sshd

__all__ = ["anyio_backend", "on_asyncio"]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """A server that stays up; tests that stop theirs make one of their own."""
    with Sshd(tmp_path_factory.mktemp("server")) as sshd:
        yield sshd


@dataclass(frozen=True)
class Reach:
    """One way to reach machines, with an ssh_config of the test's own."""

    kind: str
    folder: Path

    @property
    def config(self) -> Path:
        return self.folder / "ssh_config"

    @property
    def users_known_hosts(self) -> Path:
        return self.folder / "ssh_config.known_hosts"

    def target(self, address: str, **given: Any) -> SshTarget:
        target = SshTarget("box", address, self.folder / "confirmed", config_file=self.config)
        return replace(target, **given)

    def dialer(self, target: SshTarget, *, connect_timeout: float = 10.0) -> Dialer:
        if self.kind == "openssh":
            return OpenSshDialer(target, connect_timeout=connect_timeout)
        return ParamikoDialer(target, connect_timeout=connect_timeout)

    def to(self, server: Sshd, alias: str = "box", *, also: tuple[str, ...] = (), port: int | None = None) -> Dialer:
        """To a server that is in the test's ssh_config from now on."""
        server.ssh_config(self.config, alias, port=port, also=also)
        return self.dialer(self.target(alias))


@pytest.fixture(params=["openssh", "paramiko", "paramiko-without-ssh"])
def reach(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Reach:
    """What one must do over SSH, all must; paramiko also where there is no `ssh` to ask about ssh_config."""
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    if request.param == "paramiko-without-ssh":
        empty = tmp_path / "empty"
        empty.mkdir()
        monkeypatch.setenv("PATH", str(empty))
    (tmp_path / "ssh_config").touch()
    return Reach(request.param, tmp_path)


@pytest.fixture(params=["pipe", "openssh", "paramiko"])
def dialer(request: pytest.FixtureRequest, tmp_path: Path, server: Sshd) -> Dialer:
    """Every carrier, to a machine where everything is fine."""
    if request.param == "pipe":
        return PipeDialer()
    return Reach(request.param, tmp_path).to(server)
