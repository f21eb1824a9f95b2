"""One setting: its name, what is usual, and how what somebody has written is understood or refused."""

from __future__ import annotations

import ipaddress
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Generic, TypeVar
from urllib.parse import urlsplit

from jupyter_gpu_bridge import settings
from jupyter_gpu_bridge.errors import BadRequest

T = TypeVar("T")
Reader = Callable[[str], T]
"""Raises `ValueError` for what makes no sense."""

YES_OR_NO = "true or false"

log = logging.getLogger(__name__)

_NUMBER = re.compile(r"[0-9]{1,9}(\.[0-9]{1,6})?")
_RATE = re.compile(r"([0-9]{1,6})/([0-9]{1,4}(?:\.[0-9]{1,3})?)?(s|min|h)")
_SECONDS_OF = {"s": 1, "min": 60, "h": 3600}
_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


@dataclass(frozen=True, slots=True)
class Rate:
    """So many requests in so many seconds; what was not used is kept for a second's worth, and for one request."""

    count: float
    seconds: float = 1.0

    @property
    def per_second(self) -> float:
        return self.count / self.seconds

    @property
    def capacity(self) -> float:
        return max(1.0, self.per_second)

    @staticmethod
    def parse(text: str) -> Rate:
        """`COUNT/s`, `COUNT/min` or `COUNT/h`; also in so many of them: `1/4.5s`. Raises `ValueError`."""
        found = _RATE.fullmatch(text)
        if found is None or int(found[1]) == 0 or float(found[2] or 1) == 0:
            raise ValueError(text)
        return Rate(int(found[1]), float(found[2] or 1) * _SECONDS_OF[found[3]])


def variable_of(provider: str, what: str = "") -> str:
    """As people write it: `VAST_RATE_LIMIT`, `PRIME_INTELLECT_TIMEOUT`."""
    words = re.sub(r"[^A-Z0-9]+", "_", provider.upper()).strip("_")
    return f"{words}_{what}" if what else words


@dataclass(frozen=True, slots=True)
class Setting(Generic[T]):
    name: str
    usual: str
    may_be: str
    reader: Reader[T]

    def read(self) -> T:
        """Raises `BadRequest`."""
        return self.understood(settings.variable(self.name) or self.usual)

    def in_any_case(self) -> T:
        """What is usual, where it makes no sense."""
        try:
            return self.read()
        except BadRequest as error:
            _warn(f"{error.what} {self.usual} is used.")
            return self.understood(self.usual)

    def understood(self, text: str) -> T:
        try:
            return self.reader(text.strip())
        except ValueError:
            raise BadRequest(
                f"The setting {self.name} cannot be {_shown(text)!r}.", advice=f"It may be {self.may_be}."
            ) from None


@lru_cache(maxsize=64)
def _warn(words: str) -> None:
    """Once."""
    log.warning("%s", words)


def _shown(text: str) -> str:
    """An address may hold a password."""
    return re.sub(r"//[^/@\s]*@", "//[hidden]@", text)[:80]


def whole(least: int, most: int) -> Reader[int]:
    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) < 10 and least <= int(text) <= most):
            raise ValueError(text)
        return int(text)

    return read


def seconds(least: float, most: float) -> Reader[float]:
    def read(text: str) -> float:
        if not (_NUMBER.fullmatch(text) and least <= float(text) <= most):
            raise ValueError(text)
        return float(text)

    return read


def truth(text: str) -> bool:
    if text.lower() not in (*_TRUE, *_FALSE):
        raise ValueError(text)
    return text.lower() in _TRUE


def address(text: str) -> str:
    """A key goes along with each request: over the net it must be hidden, and an address is no place for it."""
    parts = urlsplit(text)
    host = parts.hostname or ""
    if parts.port == 0 or "@" in parts.netloc or parts.query or parts.fragment or re.search(r"\s", text) or not host:
        raise ValueError(text)
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(host)):
        raise ValueError(text)
    return text.rstrip("/")


def is_of_this_computer(text: str) -> bool:
    """Whether an address is one that no request leaves this computer for."""
    return _is_loopback(urlsplit(text).hostname or "")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
