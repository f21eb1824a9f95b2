"""What an answer means: something to be had, or an error, and whether to try again."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import NoReturn

from jupyter_gpu_bridge.errors import BridgeError
from jupyter_gpu_bridge.providers.calls import Kind, Outcome
from jupyter_gpu_bridge.providers.gate import Call, Failure
from jupyter_gpu_bridge.providers.http.answer import Answer, LongPause, Refusal
from jupyter_gpu_bridge.providers.http.bodies import Body
from jupyter_gpu_bridge.providers.http.retry import RetryRules, retry_after
from jupyter_gpu_bridge.providers.http.wire import Received, Request
from jupyter_gpu_bridge.providers.http.wording import Wording

_MOST_DIGITS = 40


@dataclass(frozen=True, slots=True)
class Asked:
    """One call of an adapter."""

    kind: Kind
    request: Request
    also: Sequence[int] = ()
    refusal: Refusal | None = None
    long_pause: LongPause | None = None
    within: float = 0.0
    verb: str = ""
    body: Callable[[], Body] | None = None
    """What is read of it, as a text; without that, all of it, as JSON."""
    rules: RetryRules | None = None
    """Other than the user's; `within` is then for all attempts."""


class Judge:
    """Of the answers of one cloud."""

    def __init__(self, wording: Wording, key_refusal: Refusal | None) -> None:
        self._wording = wording
        self._key_refusal = key_refusal

    def judged(self, call: Call, received: Received, asked: Asked) -> Answer:
        status, seconds = received.status, retry_after(received.headers)
        if status in (429, 503) and seconds is not None:
            call.has_to_wait(seconds)
        if status in asked.also or 200 <= status < 300:
            is_text = asked.body is not None and status not in asked.also
            content = received.body.decode("utf-8", "replace") if is_text else self._content(received)
            return Answer(self._wording.title, status, content)
        if status in (401, 402, 403):
            raise Failure(self._of_the_key(received), Outcome.REFUSED)
        if status == 429:
            self._is_too_much(received, asked, seconds)
        if 400 <= status < 500 and status != 408:
            raise Failure(self._no(received, asked), Outcome.REFUSED)
        if status >= 500 or status == 408:
            error = self._wording.unclear("is in trouble or too busy", self._wording.words(received))
            raise Failure(error, seconds=seconds, may_be_repeated=True)
        raise Failure(self._unexpected(received))

    def _is_too_much(self, received: Received, asked: Asked, seconds: float | None) -> NoReturn:
        """One that says when to come again does its work. Raises `Failure`."""
        if asked.long_pause is not None and (said := asked.long_pause(self._answer(received))) is not None:
            raise Failure(self._wording.masked(said), Outcome.BUSY, seconds=seconds)
        error = self._wording.unclear("is in trouble or too busy", self._wording.words(received))
        raise Failure(
            error if asked.refusal is None else self._no(received, asked),
            Outcome.FAILED if seconds is None else Outcome.BUSY,
            seconds=seconds,
            may_be_repeated=True,
        )

    def _no(self, received: Received, asked: Asked) -> BridgeError:
        return self._unexpected(received) if asked.refusal is None else self._told(received, asked.refusal)

    def _of_the_key(self, received: Received) -> BridgeError:
        if self._key_refusal is None:
            return self._wording.key_refused(received)
        return self._told(received, self._key_refusal)

    def _told(self, received: Received, refusal: Refusal) -> BridgeError:
        """What the adapter makes of it."""
        try:
            return self._wording.masked(refusal(self._answer(received)))
        except BridgeError as error:
            return self._wording.masked(error)

    def _answer(self, received: Received) -> Answer:
        """Without a content where it is no JSON."""
        try:
            content = self._content(received)
        except Failure:
            content = None
        return Answer(self._wording.title, received.status, content)

    def _unexpected(self, received: Received) -> BridgeError:
        return self._wording.unclear("has answered what was not expected", self._wording.words(received))

    def _content(self, received: Received) -> object:
        """What its JSON says; without a body, nothing. A number beyond all reason is left as a text."""
        if not received.body.strip():
            return None
        try:
            try:
                return _read(received.body, Decimal)
            except InvalidOperation:
                return _read(received.body, _number)
        except (ValueError, RecursionError):
            words = self._wording.words(received)
            raise Failure(self._wording.unclear("has answered what is no JSON", words)) from None


def _read(body: bytes, number: Callable[[str], object]) -> object:
    return json.loads(body, parse_int=_whole, parse_float=number, parse_constant=_is_no_number)


def _whole(digits: str) -> int | str:
    return int(digits) if len(digits) <= _MOST_DIGITS else digits


def _number(digits: str) -> Decimal | str:
    try:
        return Decimal(digits)
    except InvalidOperation:  # whose exponent alone is more than can be counted
        return digits


def _is_no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON")
