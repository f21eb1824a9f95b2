"""Replies that wait for a client which is away, on disk; and which records a returning client was given early.

One append-only file of small entries: a reply is parked, later marked as handed on. To a server that gives receipts it
is lent until there is one, and taken back if that server dies first. The file is emptied whenever nothing in it counts
any more, and rewritten when most of it does not.
"""

from __future__ import annotations

import errno
import itertools
import os
import struct
from collections.abc import Iterable, Iterator
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
    LENT = 5
    TAKEN_BACK = 6


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
        self._lent: dict[tuple[bytes, Lane], dict[int, Held]] = {}
        self._given: dict[bytes, set[int]] = {}
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._end = 0
        self._load()

    @property
    def size(self) -> int:
        kept = (*self._held.values(), *self._lent.values())
        return sum(held.size for replies in kept for held in replies.values())

    def park(self, identity: bytes, lane: Lane, number: int, wire: Wire) -> None:
        """Durable when this returns, as far as a kill goes; parking the same reply again changes nothing."""
        if self.holds(identity, lane, number):
            return
        body = b"".join(wire)
        at = self._append(_Kind.PARKED, lane, identity, number, body)
        self._held.setdefault((identity, lane), {})[number] = Held(number, at, len(body))

    def holds(self, identity: bytes, lane: Lane, number: int) -> bool:
        """Whether it waits or is lent."""
        return any(number in kept.get((identity, lane), {}) for kept in (self._held, self._lent))

    def waiting(self, identity: bytes, lane: Lane) -> list[Held]:
        """In the order of their numbers, which need not be that of parking."""
        return sorted(self._held.get((identity, lane), {}).values(), key=lambda held: held.number)

    def wire(self, identity: bytes, lane: Lane, number: int) -> Wire:
        """By its number: where it lies changes whenever the file is rewritten."""
        key = (identity, lane)
        held = self._held.get(key, {}).get(number) or self._lent[key][number]
        return (os.pread(self._descriptor, held.size, held.at),)

    def handed_on(self, identity: bytes, lane: Lane, number: int) -> None:
        if _take(self._held, (identity, lane), number) is not None:
            self._append(_Kind.HANDED_ON, lane, identity, number)
            self._tidy()

    def was_handed_on(self, lane: Lane, number: int) -> None:
        """A kill may have come between handing on and marking it; perhaps to a server that owes a receipt."""
        for identity, _ in [key for key, waiting in self._held.items() if key[1] is lane and number in waiting]:
            self.lend(identity, lane, number)

    def lend(self, identity: bytes, lane: Lane, number: int) -> None:
        """It was handed on to a server that owes a receipt."""
        held = _take(self._held, (identity, lane), number)
        if held is not None:
            self._lent.setdefault((identity, lane), {})[number] = held
            self._append(_Kind.LENT, lane, identity, number)

    def borrowers(self, lane: Lane) -> list[bytes]:
        return [identity for identity, of in self._lent if of is lane]

    def received(self, identity: bytes, lane: Lane, through: int) -> None:
        """A receipt: what was lent up to that number is with the client."""
        lent = self._lent.get((identity, lane), {})
        for number in list(itertools.takewhile(lambda number: number <= through, lent)):
            _take(self._lent, (identity, lane), number)
            self._append(_Kind.HANDED_ON, lane, identity, number)
        self._tidy()

    def take_back(self, identity: bytes, lane: Lane) -> None:
        """The server is dead: what it was lent waits for the next."""
        for number, held in self._lent.pop((identity, lane), {}).items():
            self._held.setdefault((identity, lane), {})[number] = held
            self._append(_Kind.TAKEN_BACK, lane, identity, number)

    def give_early(self, identity: bytes, number: int) -> None:
        self._append(_Kind.GIVEN_EARLY, Lane.IOPUB, identity, number)
        self._given.setdefault(identity, set()).add(number)

    def given_early(self, identity: bytes) -> set[int]:
        return self._given.get(identity, set())

    def forget(self, identities: Iterable[bytes]) -> None:
        for identity in identities:
            if identity in self._given or any(key[0] == identity for key in (*self._held, *self._lent)):
                self._append(_Kind.FORGOTTEN, Lane.IOPUB, identity, 0)
            self._drop(identity)
        self._tidy()

    def clear(self) -> None:
        self._held.clear()
        self._lent.clear()
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
        if not self._held and not self._lent and not self._given:
            os.ftruncate(self._descriptor, 0)
            self._end = 0
        elif self._end > _REWRITE_AT and self._end > 4 * self.size:
            self._rewrite()

    def _rewrite(self) -> None:
        fresh_path = self._path.with_suffix(".fresh")
        fresh_path.unlink(missing_ok=True)
        fresh = Parked(fresh_path)
        for (identity, lane), number in self._numbers():
            fresh.park(identity, lane, number, self.wire(identity, lane, number))
            if number in self._lent.get((identity, lane), {}):
                fresh.lend(identity, lane, number)
        for identity, numbers in self._given.items():
            for number in numbers:
                fresh.give_early(identity, number)
        fresh_path.rename(self._path)
        os.close(self._descriptor)
        self._descriptor, self._end = fresh._descriptor, fresh._end
        self._held, self._lent = fresh._held, fresh._lent

    def _numbers(self) -> Iterator[tuple[tuple[bytes, Lane], int]]:
        for kept in (self._held, self._lent):
            for key, replies in kept.items():
                for number in replies:
                    yield key, number

    def _drop(self, identity: bytes) -> None:
        self._held = {key: value for key, value in self._held.items() if key[0] != identity}
        self._lent = {key: value for key, value in self._lent.items() if key[0] != identity}
        self._given.pop(identity, None)

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
        key, number = (identity, lane), held.number
        if kind is _Kind.PARKED:
            self._held.setdefault(key, {})[number] = held
        elif kind is _Kind.HANDED_ON:
            _take(self._held, key, number)
            _take(self._lent, key, number)
        elif kind is _Kind.LENT and (lent := _take(self._held, key, number)) is not None:
            self._lent.setdefault(key, {})[number] = lent
        elif kind is _Kind.TAKEN_BACK and (back := _take(self._lent, key, number)) is not None:
            self._held.setdefault(key, {})[number] = back
        elif kind is _Kind.GIVEN_EARLY:
            self._given.setdefault(identity, set()).add(number)
        elif kind is _Kind.FORGOTTEN:
            self._drop(identity)


def _take(kept: dict[tuple[bytes, Lane], dict[int, Held]], key: tuple[bytes, Lane], number: int) -> Held | None:
    replies = kept.get(key, {})
    held = replies.pop(number, None)
    if key in kept and not replies:
        del kept[key]
    return held
