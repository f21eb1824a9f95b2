"""What is known of a machine before it is reached over SSH."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from jupyter_gpu_bridge.errors import BadRequest
from jupyter_gpu_bridge.model import CarrierChoice

CONNECT_TIMEOUT = 20.0
"""Seconds until a machine that does not answer is given up."""


@dataclass(frozen=True, slots=True)
class SshTarget:
    """An address to reach over SSH; what is `None` is left to the user's ssh_config."""

    name: str
    """What the user calls it; every message says this."""
    address: str
    """As the user wrote it: a name, an address, or an alias of ssh_config."""
    known_hosts: Path
    """Our own file of confirmed host keys."""
    user: str | None = None
    port: int | None = None
    identity_file: str | None = None
    carrier: CarrierChoice = "auto"
    config_file: Path | None = None
    """Read this instead of the user's and the system's ssh_config."""

    def __post_init__(self) -> None:
        for what, word in (("address", self.address), ("user name", self.user)):
            if word is not None and (not word or word.startswith("-") or any(c.isspace() or c < " " for c in word)):
                raise BadRequest(
                    f"“{word}” cannot be the {what} of a machine.",
                    advice="Give a host name, an IP address, or the name of a Host section of your ssh_config.",
                )
        if self.port is not None and not 0 < self.port < 65536:
            raise BadRequest(f"{self.port} is not a port.", advice="Give a number from 1 to 65535.")
