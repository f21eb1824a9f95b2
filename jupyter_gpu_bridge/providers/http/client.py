"""What an adapter calls. A call is one request, or one and its repetitions, and passes the gate once.

An outcome becomes an answer or an error: `KeyBad` (401), `KeyUnfunded` (402), `KeyForbidden` (403), what the adapter
makes of another 4xx, and `Unclear` for everything that does not tell whether it was done.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NoReturn

from jupyter_gpu_bridge.errors import BadRequest, BridgeError
from jupyter_gpu_bridge.providers import dates, settings
from jupyter_gpu_bridge.providers.calls import Kind, Outcome
from jupyter_gpu_bridge.providers.gate import Call, Failure, Gate, gates, not_sent
from jupyter_gpu_bridge.providers.http.answer import Answer, Refusal
from jupyter_gpu_bridge.providers.http.retry import NEVER, RetryRules, retry_after
from jupyter_gpu_bridge.providers.http.wire import NotAnswered, Received, Request, TooLarge, Wire
from jupyter_gpu_bridge.providers.http.wording import Wording
from jupyter_gpu_bridge.providers.setting import is_of_this_computer

ANSWER_WITHIN = 30.0
USUAL_RATE = "10/s"


class HttpClient:
    """For one account of one cloud. Belongs to the event loop of its first call."""

    def __init__(
        self,
        title: str,
        address: str,
        *,
        headers: Mapping[str, str],
        secrets: Sequence[str],
        name: str = "",
        part: str = "",
        rate: str = USUAL_RATE,
        paces: Mapping[str, str] | None = None,
        trust_env: bool = True,
        answer_within: float = ANSWER_WITHIN,
        gate: Gate | None = None,
        key_refusal: Refusal | None = None,
    ) -> None:
        """`secrets`: whatever must not be seen in an error; `trust_env`: use the user's proxies, but to this computer.

        `name`: as in settings, and otherwise the first word of the title; `part`: for a cloud with several addresses.
        `paces`: what the adapter calls a `verb` has a rate of its own besides: `{"create": "1/12s"}`.
        `address`, `rate` and `answer_within` are what is usual there, and settings may say otherwise.
        `key_refusal`: what a 401, 402 or 403 means, where the cloud's own words tell it better than its status.
        """
        self._key_refusal = key_refusal
        self.name = name or title.split()[0].split(".")[0].lower()
        self._wording = Wording(title, secrets)
        self._timeout = settings.timeout(self.name, answer_within)
        self._gate = gate or gates().of(self.name, title, "\0".join(secrets), rate, paces)
        self._address_trouble = ""
        try:
            address = settings.base_url(self.name, address, part)
        except BadRequest as error:  # said with each call, as what is in the way of it
            self._address_trouble = str(error)
        self._is_here = is_of_this_computer(address)
        self._wire = Wire(address, headers, trust_env=trust_env and not self._is_here)

    def __repr__(self) -> str:
        return f"<HttpClient of {self._wording.title}>"

    async def read(
        self,
        path: str,
        parameters: Mapping[str, str] | None = None,
        *,
        content: object = None,
        also: Sequence[int] = (),
        verb: str = "",
    ) -> Answer:
        """What changes nothing, repeated: GET, or POST with a content. `also`: other statuses that are answers."""
        request = Request("GET" if content is None else "POST", path, parameters, content)
        return await self._called(_Asked(Kind.READ, request, also=also, verb=verb))

    async def once(
        self,
        method: str,
        path: str,
        content: object = None,
        *,
        refusal: Refusal | None = None,
        also: Sequence[int] = (),
        within: float = 0.0,
        verb: str = "",
    ) -> Answer:
        """Sent exactly once, for what must not be done twice. `within`: seconds to wait for the answer."""
        request, refusal = Request(method, path, None, content), refusal or self._wording.refused
        return await self._called(_Asked(Kind.ONCE, request, also=also, refusal=refusal, within=within, verb=verb))

    async def destroy(
        self,
        path: str,
        content: object = None,
        *,
        method: str = "DELETE",
        also: Sequence[int] = (404,),
        verb: str = "",
    ) -> Answer:
        """Repeated; nothing of ours holds it up."""
        return await self._called(_Asked(Kind.DESTROY, Request(method, path, None, content), also=also, verb=verb))

    def masked(self, error: BridgeError) -> BridgeError:
        """The same without any secret, for what an adapter makes of an answer by itself."""
        return self._wording.masked(error)

    async def close(self) -> None:
        await self._wire.close()

    # one call, and its attempts ------------------------------------------------------------------------------------

    async def _called(self, asked: _Asked) -> Answer:
        try:
            if self._address_trouble:
                raise not_sent(asked.kind, self._address_trouble)
            with self._gate.call(asked.kind, asked.verb) as call:
                return await self._attempts(call, asked)
        except Failure as failure:
            raise failure.error from None

    async def _attempts(self, call: Call, asked: _Asked) -> Answer:
        seconds = asked.within or self._timeout.in_any_case()
        rules = NEVER if asked.kind is Kind.ONCE else _retry_rules()
        give_up = self._gate.clock() + seconds + rules.patience
        for repeated in range(rules.most + 1):
            await call.turn(give_up - self._gate.clock() if repeated else seconds)
            left = give_up - self._gate.clock()
            try:
                return await self._attempt(call, asked, min(seconds, left) if repeated else seconds)
            except Failure as failure:
                left = give_up - self._gate.clock()
                pause = rules.pause(repeated, left, failure.seconds) if failure.may_be_repeated else None
                if pause is None:
                    raise
            call.is_repeated()
            await asyncio.sleep(pause)
        raise AssertionError("the last attempt either returns or raises")

    async def _attempt(self, call: Call, asked: _Asked, within: float) -> Answer:
        try:
            received = await self._wire.send(asked.request, within)
        except NotAnswered as error:
            raise Failure(self._wording.unclear("could not be asked", str(error)), may_be_repeated=True) from None
        except TooLarge as error:
            raise Failure(self._wording.unclear("has answered too much", str(error))) from None
        call.is_answered()
        dates.note(received.headers, self.name, is_here=self._is_here)
        return self._judged(call, received, asked)

    # what an answer means ------------------------------------------------------------------------------------------

    def _judged(self, call: Call, received: Received, asked: _Asked) -> Answer:
        status, seconds = received.status, retry_after(received.headers)
        if status in (429, 503) and seconds is not None:
            call.has_to_wait(seconds)
        if status in asked.also or 200 <= status < 300:
            return Answer(self._wording.title, status, self._content(received))
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

    def _is_too_much(self, received: Received, asked: _Asked, seconds: float | None) -> NoReturn:
        """One that says when to come again does its work."""
        error = self._wording.unclear("is in trouble or too busy", self._wording.words(received))
        raise Failure(
            error if asked.refusal is None else self._no(received, asked),
            Outcome.FAILED if seconds is None else Outcome.BUSY,
            seconds=seconds,
            may_be_repeated=True,
        )

    def _no(self, received: Received, asked: _Asked) -> BridgeError:
        return self._unexpected(received) if asked.refusal is None else self._told(received, asked.refusal)

    def _of_the_key(self, received: Received) -> BridgeError:
        if self._key_refusal is None:
            return self._wording.key_refused(received)
        return self._told(received, self._key_refusal)

    def _told(self, received: Received, refusal: Refusal) -> BridgeError:
        """What the adapter makes of it."""
        try:
            content = self._content(received)
        except Failure:
            content = None
        try:
            return self._wording.masked(refusal(Answer(self._wording.title, received.status, content)))
        except BridgeError as error:
            return self._wording.masked(error)

    def _unexpected(self, received: Received) -> BridgeError:
        return self._wording.unclear("has answered what was not expected", self._wording.words(received))

    def _content(self, received: Received) -> object:
        """What its JSON says; without a body, nothing."""
        if not received.body.strip():
            return None
        try:
            return json.loads(received.body, parse_float=Decimal, parse_constant=_is_no_number)
        except (ValueError, RecursionError):
            words = self._wording.words(received)
            raise Failure(self._wording.unclear("has answered what is no JSON", words)) from None


@dataclass(frozen=True, slots=True)
class _Asked:
    """One call of an adapter."""

    kind: Kind
    request: Request
    also: Sequence[int] = ()
    refusal: Refusal | None = None
    within: float = 0.0
    verb: str = ""


def _retry_rules() -> RetryRules:
    return RetryRules(
        settings.MAX_RETRIES.in_any_case(),
        settings.BASE_DELAY.in_any_case(),
        settings.MAX_DELAY.in_any_case(),
        settings.JITTER.in_any_case(),
    )


def _is_no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON")
