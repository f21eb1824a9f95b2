"""What must be known after a kill -9, at the precision of one instruction: a small file mapped into memory.

Words of 64 bits are stored with one machine store each, so a kill leaves the old value or the new one. The file holds
the cursor of each lane, the parent of the running execution, and one slot for each client that somebody must remember.
"""

from __future__ import annotations

import ctypes
import mmap
import os
from collections.abc import Iterator
from enum import IntEnum
from pathlib import Path

from jupyter_gpu_bridge.errors import BridgeError
from jupyter_gpu_bridge.machine.facade.processes import Process
from jupyter_gpu_bridge.model import Lane

_MAGIC = 0x6A67622D66616331
_SLOTS = 512
_TEXT_WORDS = 33
"""A length and up to 256 bytes."""
_HEAD_WORDS = 16
_EXECUTION = _HEAD_WORDS
_FIRST_SLOT = _EXECUTION + _TEXT_WORDS
_SLOT_WORDS = 6 + _TEXT_WORDS
_WORDS = _FIRST_SLOT + _SLOTS * _SLOT_WORDS
_LANES = {lane: index for index, lane in enumerate(Lane)}
_CURSORS, _PARKED, _BUSY, _TAKEN = 1, 5, 9, 10


def cursor_word(lane: Lane) -> int:
    return _CURSORS + _LANES[lane]


def taken_word(lane: Lane) -> int:
    """Up to here the far side may forget; the cursor may be ahead of it, while receipts are awaited."""
    return _TAKEN + _LANES[lane]


def parked_word(lane: Lane) -> int:
    """The last parked reply that was handed on: it may not have been marked as such before a kill."""
    return _PARKED + _LANES[lane]


class SlotKind(IntEnum):
    FREE = 0
    SUBSCRIBER = 1
    SESSION = 2
    NAMELESS = 3


class Slot:
    """One remembered client; each field is a word (or a text) of the file."""

    def __init__(self, durable: Durable, base: int) -> None:
        self._durable = durable
        self._base = base

    @property
    def kind(self) -> SlotKind:
        return SlotKind(self._durable.words[self._base])

    @property
    def process(self) -> Process:
        return Process(self._durable.words[self._base + 1], self._durable.words[self._base + 2])

    @process.setter
    def process(self, process: Process) -> None:
        self._durable.words[self._base + 1] = process.pid
        self._durable.words[self._base + 2] = process.started

    @property
    def position(self) -> int:
        return self._durable.words[self._base + 3]

    @position.setter
    def position(self, number: int) -> None:
        self._durable.words[self._base + 3] = number

    @property
    def position_word(self) -> int:
        return self._base + 3

    @property
    def state(self) -> int:
        return self._durable.words[self._base + 4]

    @state.setter
    def state(self, state: int) -> None:
        self._durable.words[self._base + 4] = state

    @property
    def since(self) -> int:
        """Seconds of the wall clock: it has to mean something to the next process."""
        return self._durable.words[self._base + 5]

    @since.setter
    def since(self, since: int) -> None:
        self._durable.words[self._base + 5] = since

    @property
    def name(self) -> bytes:
        return self._durable.text(self._base + 6)

    def free(self) -> None:
        self._durable.words[self._base] = SlotKind.FREE


class Durable:
    def __init__(self, path: Path) -> None:
        size = _WORDS * 8
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if os.fstat(descriptor).st_size != size:
                # Written out, not left sparse: a full disk must show now and not as a fault at some later store.
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, bytes(size), 0)
                if os.fstat(descriptor).st_size != size:
                    raise BridgeError(f"There is no room for {path}.", advice="Free some space on this disk.")
            self._map = mmap.mmap(descriptor, size)
        finally:
            os.close(descriptor)
        self.words = memoryview(self._map).cast("Q")
        self._address = _address_of(self._map)
        if self.words[0] != _MAGIC:
            self._map[:] = bytes(size)
            self.words[0] = _MAGIC

    def cursor(self, lane: Lane) -> int:
        return self.words[cursor_word(lane)]

    def taken(self, lane: Lane) -> int:
        """Up to here the far side may have forgotten. On iopub that is the cursor: its subscribers have their own."""
        return self.words[cursor_word(lane) if lane is Lane.IOPUB else taken_word(lane)]

    def address(self, word: int) -> int:
        """Where a word lies in memory, as long as this is open."""
        return self._address + 8 * word

    def advance(self, lane: Lane, number: int) -> None:
        self.words[cursor_word(lane)] = number

    @property
    def execution(self) -> bytes:
        return self.text(_EXECUTION)

    @execution.setter
    def execution(self, parent: bytes) -> None:
        self._set_text(_EXECUTION, parent[:256])

    @property
    def busy(self) -> bool | None:
        return (None, False, True)[self.words[_BUSY] % 3]

    @busy.setter
    def busy(self, busy: bool | None) -> None:
        self.words[_BUSY] = 0 if busy is None else 1 + busy

    def slots(self, kind: SlotKind) -> Iterator[Slot]:
        for base in range(_FIRST_SLOT, _WORDS, _SLOT_WORDS):
            if self.words[base] == kind:
                yield Slot(self, base)

    def take(self, kind: SlotKind, process: Process, *, name: bytes = b"", position: int = 0, state: int = 0) -> Slot:
        """A slot that counts from the moment its kind is stored, which is last; raises when all are in use."""
        for base in range(_FIRST_SLOT, _WORDS, _SLOT_WORDS):
            if self.words[base] == SlotKind.FREE:
                slot = Slot(self, base)
                slot.process = process
                slot.position, slot.state, slot.since = position, state, 0
                self._set_text(base + 6, name)
                self.words[base] = kind
                return slot
        raise BridgeError("Too many clients use this kernel.", advice="Close some notebooks or consoles on it.")

    def text(self, base: int) -> bytes:
        at = (base + 1) * 8
        return self._map[at : at + min(self.words[base], 256)]

    def _set_text(self, base: int, text: bytes) -> None:
        at = (base + 1) * 8
        self.words[base] = 0
        self._map[at : at + len(text)] = text
        self.words[base] = len(text)

    def close(self) -> None:
        self.words.release()
        self._map.close()


def _address_of(mapped: mmap.mmap) -> int:
    # The array is let go at once, or the map could not be closed; the mapping itself stays where it is.
    return ctypes.addressof(ctypes.c_char.from_buffer(mapped))
