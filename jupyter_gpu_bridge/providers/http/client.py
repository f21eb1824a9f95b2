"""What an adapter calls. A call is one request, or one and its repetitions, and passes the gate once.

An outcome becomes an answer or an error: `KeyBad` (401), `KeyUnfunded` (402), `KeyForbidden` (403), what the adapter
makes of another 4xx, and `Unclear` for everything that does not tell whether it was done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from jupyter_gpu_bridge.errors import BadRequest, BridgeError
from jupyter_gpu_bridge.providers import dates, settings
from jupyter_gpu_bridge.providers.calls import Kind
from jupyter_gpu_bridge.providers.gate import Call, Failure, Gate, gates, not_sent
from jupyter_gpu_bridge.providers.http.answer import Answer, LongPause, Refusal
from jupyter_gpu_bridge.providers.http.bodies import FirstLines, TooLarge
from jupyter_gpu_bridge.providers.http.elsewhere import SOON, Elsewhere
from jupyter_gpu_bridge.providers.http.judge import Asked, Judge
from jupyter_gpu_bridge.providers.http.retry import NEVER, RetryRules
from jupyter_gpu_bridge.providers.http.wire import NotAnswered, Request, Wire
from jupyter_gpu_bridge.providers.http.wording import Wording
from jupyter_gpu_bridge.providers.setting import is_of_this_computer

ANSWER_WITHIN = 30.0
USUAL_RATE = "10/s"
MOST_OF_A_STREAM = 256 << 10
"""Bytes."""


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
        self.name = name or title.split()[0].split(".")[0].lower()
        self._wording = Wording(title, secrets)
        self._judge = Judge(self._wording, key_refusal)
        self._timeout = settings.timeout(self.name, answer_within)
        self._gate = gate or gates().of(self.name, title, "\0".join(secrets), rate, paces)
        self._address_trouble = ""
        try:
            address = settings.base_url(self.name, address)
            if part:  # is where all the rest is, unless it is set by itself
                address = settings.without_api(self.name, settings.base_url(self.name, address, part))
        except BadRequest as error:  # said with each call, as what is in the way of it
            self._address_trouble = str(error)
        self._trusts_env = trust_env
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
        method: str = "",
        also: Sequence[int] = (),
        long_pause: LongPause | None = None,
        verb: str = "",
    ) -> Answer:
        """What changes nothing, repeated: GET, or POST with a content. `also`: other statuses that are answers.

        `long_pause`: tells a 429 that is not repeated.
        """
        request = Request(method or ("GET" if content is None else "POST"), path, parameters, content)
        return await self._called(Asked(Kind.READ, request, also=also, long_pause=long_pause, verb=verb))

    async def first_lines(
        self,
        path: str,
        parameters: Mapping[str, str] | None = None,
        *,
        beginning: str,
        lines: int,
        within: float,
        also: Sequence[int] = (),
        verb: str = "",
    ) -> Sequence[str]:
        """Of a stream that may never end: so many that begin with that, or those that have come in so many seconds.

        Others are not counted, and of all together `MOST_OF_A_STREAM` is read. Asked once. `also`: no lines.
        """

        def body() -> FirstLines:
            return FirstLines(lines, MOST_OF_A_STREAM, beginning.encode())

        request = Request("GET", path, parameters)
        answer = await self._called(Asked(Kind.READ, request, also, within=within, verb=verb, body=body, rules=NEVER))
        return answer.content.split("\n") if isinstance(answer.content, str) and answer.content else []

    async def text_elsewhere(self, address: str, *, within: float, verb: str = "") -> str:
        """What the cloud has put at this address, which it has told: the end of a text, repeated until it is there.

        Without the key, and without any header of the account: see `Elsewhere`. `within`: seconds for all of it.
        """
        asked = Asked(Kind.READ, Request("GET", ""), within=within, verb=verb, rules=SOON)
        elsewhere: Elsewhere | None = None

        async def attempt(call: Call, asked: Asked, within: float) -> Answer:
            nonlocal elsewhere
            elsewhere = elsewhere or Elsewhere(
                address, self._wording, trust_env=self._trusts_env, may_be_here=self._is_here
            )
            answer = await elsewhere.attempt(within)
            call.is_answered()
            return answer

        try:
            return str((await self._called(asked, attempt)).content)
        finally:
            if elsewhere is not None:
                await elsewhere.close()

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
        return await self._called(Asked(Kind.ONCE, request, also=also, refusal=refusal, within=within, verb=verb))

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
        return await self._called(Asked(Kind.DESTROY, Request(method, path, None, content), also=also, verb=verb))

    def masked(self, error: BridgeError) -> BridgeError:
        """The same without any secret, for what an adapter makes of an answer by itself."""
        return self._wording.masked(error)

    async def close(self) -> None:
        await self._wire.close()

    # one call, and its attempts ------------------------------------------------------------------------------------

    async def _called(self, asked: Asked, attempt: _Attempt | None = None) -> Answer:
        try:
            if self._address_trouble:
                raise not_sent(asked.kind, self._address_trouble)
            with self._gate.call(asked.kind, asked.verb) as call:
                return await self._attempts(call, asked, attempt or self._attempt)
        except Failure as failure:
            raise failure.error from None

    async def _attempts(self, call: Call, asked: Asked, attempt: _Attempt) -> Answer:
        seconds = asked.within or self._timeout.in_any_case()
        rules = asked.rules or (NEVER if asked.kind is Kind.ONCE else _retry_rules())
        give_up = self._gate.clock() + seconds + (0.0 if asked.rules else rules.patience)
        for repeated in range(rules.most + 1):
            await call.turn(give_up - self._gate.clock() if repeated else seconds)
            left = give_up - self._gate.clock()
            try:
                return await attempt(call, asked, min(seconds, left) if repeated or asked.rules else seconds)
            except Failure as failure:
                left = give_up - self._gate.clock()
                pause = rules.pause(repeated, left, failure.seconds) if failure.may_be_repeated else None
                if pause is None:
                    raise
            call.is_repeated()
            await asyncio.sleep(pause)
        raise AssertionError("the last attempt either returns or raises")

    async def _attempt(self, call: Call, asked: Asked, within: float) -> Answer:
        try:
            received = await self._wire.send(asked.request, within, asked.body() if asked.body else None)
        except NotAnswered as error:
            raise Failure(self._wording.unclear("could not be asked", str(error)), may_be_repeated=True) from None
        except TooLarge as error:
            raise Failure(self._wording.unclear("has answered too much", str(error))) from None
        call.is_answered()
        dates.note(received.headers, self.name, is_here=self._is_here)
        return self._judge.judged(call, received, asked)


_Attempt = Callable[[Call, Asked, float], Awaitable[Answer]]


def _retry_rules() -> RetryRules:
    return RetryRules(
        settings.MAX_RETRIES.in_any_case(),
        settings.BASE_DELAY.in_any_case(),
        settings.MAX_DELAY.in_any_case(),
        settings.JITTER.in_any_case(),
    )
