"""One session: a client's name, and what is remembered of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from jupyter_gpu_bridge.machine.facade.connection import Connection
from jupyter_gpu_bridge.machine.facade.durable import Slot
from jupyter_gpu_bridge.machine.facade.processes import Process
from jupyter_gpu_bridge.machine.facade.receipts import Receipts
from jupyter_gpu_bridge.machine.facade.subscriber import Subscriber
from jupyter_gpu_bridge.model import Lane


class Presence(IntEnum):
    PRESENT = 1
    LOSING = 2
    """Its sockets are closing, and it is not known yet whether its process died."""
    AWAY = 3
    RETURNING = 4
    EXPECTED = 5
    """This process is new; the client's lives on and will reconnect."""
    GIVEN_UP = 6
    """It was away too long, or too much came for it."""


class Session:
    """The durable part lies in its slot."""

    def __init__(self, slot: Slot) -> None:
        self._slot = slot
        self.identity = slot.name
        self.peers: dict[Lane, Connection] = {}
        self.subscriber: Subscriber | None = None
        self.receipts: Receipts | None = None
        self.is_inherited = False
        """Its client's process is not the one that the process before this one of ours knew."""
        self.missed_too_much = False
        """It was given up, or not all of what it lacks was kept; it should be told when it is back."""

    @property
    def presence(self) -> Presence:
        return Presence(self._slot.state)

    @presence.setter
    def presence(self, presence: Presence) -> None:
        self._slot.state = presence

    @property
    def process(self) -> Process:
        return self._slot.process

    @process.setter
    def process(self, process: Process) -> None:
        self._slot.process = process

    @property
    def away_since(self) -> int:
        return self._slot.since

    @property
    def needs_after(self) -> int | None:
        """iopub records after this number must be kept for it; None while a subscriber of its own stands for it."""
        position = self._slot.position
        return position - 1 if position else None

    @needs_after.setter
    def needs_after(self, number: int | None) -> None:
        self._slot.position = 0 if number is None else number + 1

    def receive_from(self, receipts: Receipts | None) -> None:
        if self.receipts is not None:
            self.receipts.close()
        self.receipts = receipts

    def went_away(self, since: int) -> None:
        self._slot.since = since
        self.presence = Presence.AWAY

    def free(self) -> None:
        if self.receipts is not None:
            self.receipts.delete()
        self._slot.free()


@dataclass(frozen=True, slots=True)
class LeftBehind:
    """A subscriber that was there when the process before this one ended."""

    process: Process
    session: bytes
    position: int
    slot: Slot
