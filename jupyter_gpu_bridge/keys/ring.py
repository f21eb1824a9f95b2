"""The system's keyring. It may be missing, locked, or silent for ever: every call comes back in time."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

READ_WITHIN = 3.0
CHANGE_WITHIN = 20.0
"""Somebody sits there, who may have to unlock it first."""
SPARED_FOR = 60.0
"""So long one that was silent is not asked again by this process."""

_SERVICE = "jupyter-gpu-bridge"

_silent_until = 0.0

Result = TypeVar("Result")


class NoRing(Exception):
    """There is none here, or one that keeps nothing."""


class RingFailed(Exception):
    """There is one, and it cannot be used now: the rest of a sentence about it."""


def read(provider: str) -> tuple[str, str] | None:
    """The key and the name of the keyring. Raises `NoRing`, `RingFailed`."""

    def work(ring: KeyringBackend) -> tuple[str, str] | None:
        found = ring.get_password(_SERVICE, provider)
        return None if found is None else (found, ring.name)

    return _asked(work, READ_WITHIN)


def write(provider: str, text: str) -> str:
    """The name of the keyring that has it now. Raises `NoRing`, `RingFailed`."""

    def work(ring: KeyringBackend) -> str:
        ring.set_password(_SERVICE, provider, text)
        if ring.get_password(_SERVICE, provider) != text:
            raise NoRing
        return ring.name

    return _asked(work, CHANGE_WITHIN, spares=False)


def remove(provider: str) -> str | None:
    """The name of the keyring that had it. Raises `NoRing`, `RingFailed`."""

    def work(ring: KeyringBackend) -> str | None:
        if ring.get_password(_SERVICE, provider) is None:
            return None
        ring.delete_password(_SERVICE, provider)
        return ring.name

    return _asked(work, CHANGE_WITHIN, spares=False)


def _asked(work: Callable[[KeyringBackend], Result], seconds: float, *, spares: bool = True) -> Result:
    """In a thread that nobody waits for in the end. What a keyring says of its failure may hold the key: only its kind
    is told."""
    global _silent_until
    if spares and time.monotonic() < _silent_until:
        raise RingFailed("does not answer")
    answers: queue.SimpleQueue[tuple[Result] | BaseException] = queue.SimpleQueue()

    def run() -> None:
        try:
            answers.put((work(_ring()),))
        except BaseException as error:  # code of others
            answers.put(error)

    threading.Thread(target=run, daemon=True, name="keyring").start()
    try:
        answer = answers.get(timeout=seconds)
    except queue.Empty:
        _silent_until = time.monotonic() + SPARED_FOR
        raise RingFailed("does not answer") from None
    if isinstance(answer, BaseException):
        raise _failure(answer) from None
    return answer[0]


def _ring() -> KeyringBackend:
    try:
        import keyring
    except ImportError:
        raise NoRing from None
    return keyring.get_keyring()


def _failure(error: BaseException) -> NoRing | RingFailed:
    if isinstance(error, NoRing):
        return NoRing()
    from keyring.errors import InitError, KeyringLocked, NoKeyringError

    if isinstance(error, NoKeyringError):
        return NoRing()
    if isinstance(error, KeyringLocked | InitError):
        return RingFailed("is locked")
    return RingFailed(f"fails ({type(error).__name__})")
