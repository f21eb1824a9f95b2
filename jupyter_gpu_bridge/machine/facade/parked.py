"""Replies that wait for a client which is away, on disk; and which records a returning client was given early.

One append-only file of small entries: a reply is parked, later marked as handed on. It is emptied whenever nothing in
it counts any more, and rewritten when most of it does not.
"""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from jupyter_gpu_bridge.machine.facade.zmtp import Wire
from jupyter_gpu_bridge.model import Lane

_ENTRY = struct.Struct("<BBHQQ")
_REWRITE_AT = 4 << 20
_LANES = list(Lane)


class _Kind(IntEnum):
    PARKED = 1
    HANDED_ON = 2
    GIVEN_EARLY = 3
    FORGOTTEN = 4


@dataclass(frozen=True, slots=True)
class Held:
    """Where one parked reply lies in the file."""

    number: int
    at: int
    size: int


class Parked:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._held: dict[tuple[bytes, Lane], dict[int, Held]] = {}
        self._given: dict[bytes, set[int]] = {}
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._end = 0
        self._load()

    @property
    def size(self) -> int:
        return sum(held.size for waiting in self._held.values() for held in waiting.values())

    def park(self, identity: bytes, lane: Lane, number: int, wire: Wire) -> None:
        """Durable when this returns, as far as a kill goes; parking the same reply again changes nothing."""
        waiting = self._held.setdefault((identity, lane), {})
        if number in waiting:
            return
        body = b"".join(wire)
        at = self._append(_Kind.PARKED, lane, identity, number, body)
        waiting[number] = Held(number, at, len(body))

    def waiting(self, identity: bytes, lane: Lane) -> list[Held]:
        """In the order of their numbers, which need not be that of parking."""
        return sorted(self._held.get((identity, lane), {}).values(), key=lambda held: held.number)

    def wire(self, identity: bytes, lane: Lane, number: int) -> Wire:
        """By its number: where it lies changes whenever the file is rewritten."""
        held = self._held[identity, lane][number]
        return (os.pread(self._descriptor, held.size, held.at),)

    def handed_on(self, identity: bytes, lane: Lane, number: int) -> None:
        waiting = self._held.get((identity, lane), {})
        if waiting.pop(number, None) is None:
            return
        if not waiting:
            del self._held[identity, lane]
        self._append(_Kind.HANDED_ON, lane, identity, number)
        self._tidy()

    def was_handed_on(self, lane: Lane, number: int) -> None:
        """A kill may have come between handing on and marking it."""
        for identity, _ in [key for key, waiting in self._held.items() if key[1] is lane and number in waiting]:
            self.handed_on(identity, lane, number)

    def give_early(self, identity: bytes, number: int) -> None:
        self._append(_Kind.GIVEN_EARLY, Lane.IOPUB, identity, number)
        self._given.setdefault(identity, set()).add(number)

    def given_early(self, identity: bytes) -> set[int]:
        return self._given.get(identity, set())

    def forget(self, identities: Iterable[bytes]) -> None:
        for identity in identities:
            held = [key for key in self._held if key[0] == identity]
            if held or identity in self._given:
                self._append(_Kind.FORGOTTEN, Lane.IOPUB, identity, 0)
            for key in held:
                del self._held[key]
            self._given.pop(identity, None)
        self._tidy()

    def clear(self) -> None:
        self._held.clear()
        self._given.clear()
        self._tidy()

    def close(self) -> None:
        os.close(self._descriptor)

    def _append(self, kind: _Kind, lane: Lane, identity: bytes, number: int, body: bytes = b"") -> int:
        head = _ENTRY.pack(kind, _LANES.index(lane), len(identity), number, len(body)) + identity
        entry = head + body
        try:
            if os.write(self._descriptor, entry) != len(entry):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            os.ftruncate(self._descriptor, self._end)
            raise
        at = self._end + len(head)
        self._end += len(entry)
        return at

    def _tidy(self) -> None:
        if not self._end:
            return
        if not self._held and not self._given:
            os.ftruncate(self._descriptor, 0)
            self._end = 0
        elif self._end > _REWRITE_AT and self._end > 4 * self.size:
            self._rewrite()

    def _rewrite(self) -> None:
        fresh_path = self._path.with_suffix(".fresh")
        fresh_path.unlink(missing_ok=True)
        fresh = Parked(fresh_path)
        for (identity, lane), waiting in self._held.items():
            for held in waiting.values():
                fresh.park(identity, lane, held.number, self.wire(identity, lane, held.number))
        for identity, numbers in self._given.items():
            for number in numbers:
                fresh.give_early(identity, number)
        fresh_path.rename(self._path)
        os.close(self._descriptor)
        self._descriptor, self._held, self._end = fresh._descriptor, fresh._held, fresh._end

    def _load(self) -> None:
        whole = os.fstat(self._descriptor).st_size
        while len(head := os.pread(self._descriptor, _ENTRY.size, self._end)) == _ENTRY.size:
            kind, lane_index, name_size, number, size = _ENTRY.unpack(head)
            at = self._end + _ENTRY.size + name_size
            if at + size > whole:
                break
            identity = os.pread(self._descriptor, name_size, self._end + _ENTRY.size)
            self._apply(_Kind(kind), identity, _LANES[lane_index], Held(number, at, size))
            self._end = at + size
        os.ftruncate(self._descriptor, self._end)

    def _apply(self, kind: _Kind, identity: bytes, lane: Lane, held: Held) -> None:
        if kind is _Kind.PARKED:
            self._held.setdefault((identity, lane), {})[held.number] = held
        elif kind is _Kind.HANDED_ON:
            waiting = self._held.get((identity, lane), {})
            waiting.pop(held.number, None)
            if not waiting:
                self._held.pop((identity, lane), None)
        elif kind is _Kind.GIVEN_EARLY:
            self._given.setdefault(identity, set()).add(held.number)
        else:
            self._held = {key: value for key, value in self._held.items() if key[0] != identity}
            self._given.pop(identity, None)
