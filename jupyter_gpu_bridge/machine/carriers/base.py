"""What a carrier is: a duplex byte pipe to a command on a machine, however it is made."""

from __future__ import annotations

from typing import Protocol


class Carrier(Protocol):
    """One live pipe. The descriptors are non-blocking and belong to the carrier, which closes them in `close`."""

    reader: int
    """Read what the command wrote to its standard output; end of file means that the carrier is gone."""
    writer: int
    """Write to the command's standard input; may be the same descriptor as `reader`."""

    async def why_ended(self) -> str:
        """After end of file: one sentence on why (what ssh or the command said last); empty when unknown."""
        ...

    async def close(self) -> None:
        """End it and everything it started here (processes by id, threads); idempotent, quick, never raises.

        It closes the descriptors: whoever watches them with an event loop stops that first.
        """
        ...


class Dialer(Protocol):
    """Knows how to reach one machine; each `dial` is one fresh connection that runs one command there."""

    name: str
    """`openssh`, `paramiko` or `pipe`: shown to the user."""

    async def dial(self, command: str) -> Carrier:
        """Run a POSIX shell command line on the machine, its standard input and output on the pipe.

        Returns as soon as the machine accepted the command; the first byte to read is the command's own, whatever a
        login shell prints before. Raises `BridgeError` (`Unreachable`, `LoginRefused`,
        `HostKeyUnknown`, `HostKeyChanged`, `PassphraseNeeded`); cancelling leaves nothing behind.
        """
        ...

    async def knock(self) -> bool:
        """Whether dialling is worth it now; cheap enough to ask often, and true when only dialling can tell."""
        ...
