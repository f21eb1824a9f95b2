"""What a link has to know to reach its machine: told by whoever asks it, kept by the link for its successor."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_gpu_bridge import settings
from jupyter_gpu_bridge.files import replace_file
from jupyter_gpu_bridge.model import CarrierChoice

if TYPE_CHECKING:
    from jupyter_gpu_bridge.machine.carriers import Dialer, SshTarget

_FILE = "target.json"


@dataclass(frozen=True, slots=True)
class Target:
    """A machine behind SSH, or, without an address, this computer."""

    name: str
    address: str = ""
    user: str | None = None
    port: int | None = None
    identity_file: str | None = None
    carrier: CarrierChoice = "auto"
    python: str | None = None
    home: str | None = None
    """Where the agent keeps its things on the machine; `None` leaves it to the agent."""
    known_hosts: str | None = None
    """A file with this machine's host key alone; `None`: it is among those that the user has confirmed."""

    @classmethod
    def from_json(cls, data: dict[str, object]) -> Target:
        """Raises `TypeError` for what is no target."""
        return cls(**data)  # type: ignore[arg-type]

    def as_json(self) -> dict[str, object]:
        return asdict(self)

    @classmethod
    def load(cls, folder: Path) -> Target | None:
        """What the last link of this machine was told; nothing where there was none, or where it makes no sense."""
        try:
            return cls.from_json(json.loads((folder / _FILE).read_bytes()))
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def save(self, folder: Path) -> None:
        replace_file(folder / _FILE, json.dumps(self.as_json()).encode())

    @staticmethod
    def forget(folder: Path) -> None:
        (folder / _FILE).unlink(missing_ok=True)

    def leads_to(self, other: Target) -> bool:
        """Whether both lead to one machine, by one way; which Python is used there does not matter."""
        return replace(self, python=None) == replace(other, python=None)

    def dialer(self, passphrase: str | None) -> Dialer:
        from jupyter_gpu_bridge.machine import carriers

        if not self.address:
            return carriers.PipeDialer()
        return carriers.dialer_for(self.ssh_target(), passphrase=passphrase)

    def ssh_target(self) -> SshTarget:
        """Of a machine with an address."""
        from jupyter_gpu_bridge.machine import carriers

        return carriers.SshTarget(
            name=self.name,
            address=self.address,
            known_hosts=settings.data_folder() / "known_hosts" if self.known_hosts is None else Path(self.known_hosts),
            user=self.user,
            port=self.port,
            identity_file=self.identity_file,
            carrier=self.carrier,
        )
