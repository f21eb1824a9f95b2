"""Replies that a server has taken and not yet given a receipt for: they are kept, should it die before it does."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from jupyter_gpu_bridge.machine.facade.zmtp import Wire

_COST = 400
"""What a small reply costs in memory beside its bytes."""


@dataclass(frozen=True, slots=True)
class Given:
    number: int
    wire: Wire
    size: int


class Unreceipted:
    """Of one lane; for each session in the order in which they were given."""

    def __init__(self) -> None:
        self._given: dict[bytes, deque[Given]] = {}
        self._cost = 0

    def __bool__(self) -> bool:
        return bool(self._given)

    def __iter__(self) -> Iterator[bytes]:
        """The sessions that owe a receipt."""
        return iter(list(self._given))

    @property
    def cost(self) -> int:
        """About what it takes in memory."""
        return self._cost

    def add(self, session: bytes, given: Given) -> None:
        self._given.setdefault(session, deque()).append(given)
        self._cost += given.size + _COST

    def holds(self, session: bytes, number: int) -> bool:
        return any(each.number == number for each in self._given.get(session, ()))

    def received(self, session: bytes, through: int) -> None:
        """A receipt: everything up to that number."""
        while session in self._given and self._given[session][0].number <= through:
            self._drop_first(session)

    def take(self, session: bytes) -> list[Given]:
        """All that a session has given no receipt for; it owes nothing then."""
        given = self._given.pop(session, deque())
        self._cost -= sum(each.size + _COST for each in given)
        return list(given)

    def lowest(self, after: int) -> int | None:
        """The first number after that one which is still awaited."""
        firsts = (next((each.number for each in given if each.number > after), None) for given in self._given.values())
        return min((number for number in firsts if number is not None), default=None)

    def drop_oldest(self) -> None:
        self._drop_first(min(self._given, key=lambda session: self._given[session][0].number))

    def _drop_first(self, session: bytes) -> None:
        given = self._given[session]
        self._cost -= given.popleft().size + _COST
        if not given:
            del self._given[session]
