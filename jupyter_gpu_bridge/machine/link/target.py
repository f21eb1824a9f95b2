"""What a link has to know to reach its machine; written by whoever starts it, read at each attempt."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_gpu_bridge import settings
from jupyter_gpu_bridge.model import CarrierChoice

if TYPE_CHECKING:
    from jupyter_gpu_bridge.machine.carriers.base import Dialer


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

    @classmethod
    def from_json(cls, data: dict[str, object]) -> Target:
        return cls(**data)  # type: ignore[arg-type]

    def save(self, folder: Path) -> None:
        text = json.dumps(asdict(self))
        path = folder / "target.json"
        if path.exists() and path.read_text() == text:
            return
        fresh = folder / f"target.{os.getpid()}"
        fresh.write_text(text)
        fresh.replace(path)

    def dialer(self, passphrase: str | None) -> Dialer:
        from jupyter_gpu_bridge.machine import carriers

        if not self.address:
            return carriers.PipeDialer()
        return carriers.dialer_for(
            carriers.SshTarget(
                name=self.name,
                address=self.address,
                known_hosts=settings.data_folder() / "known_hosts",
                user=self.user,
                port=self.port,
                identity_file=self.identity_file,
                carrier=self.carrier,
            ),
            passphrase=passphrase,
        )
