"""How much of a body is read: all of it, the end of a text, or the first lines of what may never end."""

from __future__ import annotations

from typing import Protocol

_LARGEST_ANSWER = 64 << 20


class TooLarge(Exception):
    """There would be more of it."""


class Body(Protocol):
    """Of one answer; belongs to one request."""

    may_be_cut: bool
    """What has come until the time is up, or until it breaks off, is good as well."""

    def add(self, piece: bytes) -> bool:
        """Whether more is wanted. Raises `TooLarge`."""

    def read(self) -> bytes:
        """What is kept."""


class Whole:
    may_be_cut = False

    def __init__(self) -> None:
        self._kept = bytearray()

    def add(self, piece: bytes) -> bool:
        self._kept += piece
        if len(self._kept) > _LARGEST_ANSWER:
            raise TooLarge(f"more than {_LARGEST_ANSWER >> 20} MiB")
        return True

    def read(self) -> bytes:
        return bytes(self._kept)


class Ending:
    """The last `most` bytes; of a text that is longer than `longest`, those before that."""

    may_be_cut = False

    def __init__(self, most: int, longest: int) -> None:
        self._most = most
        self._left = longest
        self._kept = bytearray()

    def add(self, piece: bytes) -> bool:
        piece = piece[: self._left]
        self._left -= len(piece)
        self._kept += piece
        del self._kept[: -self._most]
        return self._left > 0

    def read(self) -> bytes:
        return bytes(self._kept)


class FirstLines:
    """So many whole lines that begin with `beginning`, within so many bytes of all that comes."""

    may_be_cut = True

    def __init__(self, lines: int, most: int, beginning: bytes) -> None:
        self._lines = lines
        self._left = most
        self._beginning = beginning
        self._kept: list[bytes] = []
        self._rest = b""

    def add(self, piece: bytes) -> bool:
        piece = piece[: self._left]
        self._left -= len(piece)
        *whole, self._rest = (self._rest + piece).split(b"\n")
        self._kept += [each.rstrip(b"\r") for each in whole if each.startswith(self._beginning)]
        del self._kept[self._lines :]
        return self._left > 0 and len(self._kept) < self._lines

    def read(self) -> bytes:
        return b"\n".join(self._kept)
