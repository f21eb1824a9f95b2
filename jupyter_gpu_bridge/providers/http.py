"""The one HTTP client of all adapters: repeats what may be repeated, sends the rest once, and tells no secret.

An outcome becomes an answer or an error: `KeyBad` (401), `KeyUnfunded` (402), `KeyForbidden` (403), what the adapter
makes of another 4xx, and `Unclear` for everything that does not tell whether it was done.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from decimal import Decimal
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from jupyter_gpu_bridge.errors import (
    BridgeError,
    CloudError,
    KeyBad,
    KeyForbidden,
    KeyRefused,
    KeyUnfunded,
    Refused,
    Unclear,
)
from jupyter_gpu_bridge.providers.answers import Fields

if TYPE_CHECKING:
    import httpx

CONNECT_WITHIN = 10.0
ANSWER_WITHIN = 30.0
MOST_ATTEMPTS = 4
RETRY_WITHIN = 40.0
"""Seconds, with all attempts; what a cloud asks to wait beyond it is left to the caller (`details`: `retry_after`)."""

_LARGEST_ANSWER = 64 << 20
_MOST_WORDS = 200
_HIDDEN = "[hidden]"
_KEY_ERRORS: Mapping[int, tuple[type[KeyRefused], str, str]] = {
    401: (
        KeyBad,
        "does not take the key",
        "Make a new key of the same account, and give it: jupyter gpu keys set PROVIDER",
    ),
    402: (
        KeyUnfunded,
        "takes the key, and its account has no money",
        "Pay money into that account, or set up how it pays.",
    ),
    403: (
        KeyForbidden,
        "takes the key, and does not allow it to do this",
        "Make a key of the same account with more rights, and give it: jupyter gpu keys set PROVIDER",
    ),
}


class Kind(Enum):
    """What sort of call it is: a limit or a breaker is kept for each, and none of them stops a destroy."""

    READ = "read"
    ONCE = "once"
    DESTROY = "destroy"


class Gate(Protocol):
    """Around each call, with all its attempts: the place for rate limits and breakers."""

    def __call__(self, kind: Kind) -> AbstractAsyncContextManager[None]:
        """Raises `Unclear` when the call must not be made now."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, and what its JSON says; numbers with a point are `Decimal`."""

    title: str
    status: int
    content: object

    @property
    def fields(self) -> Fields:
        return Fields(self.title, self.content)


Refusal = Callable[[Answer], CloudError]
"""What a clear no (a 4xx) means; told by the adapter, which knows the cloud's words."""


class HttpClient:
    """For one account of one cloud. Belongs to the event loop of its first call."""

    def __init__(
        self,
        title: str,
        address: str,
        *,
        headers: Mapping[str, str],
        secrets: Sequence[str],
        gate: Gate | None = None,
        trust_env: bool = True,
        answer_within: float = ANSWER_WITHIN,
    ) -> None:
        """`secrets`: whatever must not be seen in an error; `trust_env`: use the user's proxies."""
        self._title = title
        self._address = address
        self._headers = dict(headers)
        self._secrets = tuple(each for each in secrets if each)
        self._gate = gate or _open_gate
        self._trust_env = trust_env
        self._answer_within = answer_within
        self._client: httpx.AsyncClient | None = None

    def __repr__(self) -> str:
        return f"<HttpClient of {self._title}>"

    async def read(
        self,
        path: str,
        parameters: Mapping[str, str] | None = None,
        *,
        content: object = None,
        also: Sequence[int] = (),
    ) -> Answer:
        """What changes nothing, repeated: GET, or POST with a content. `also`: other statuses that are answers."""
        async with self._gate(Kind.READ):
            return await self._repeated("GET" if content is None else "POST", path, parameters, also, content)

    async def once(
        self,
        method: str,
        path: str,
        content: object = None,
        *,
        refusal: Refusal | None = None,
        also: Sequence[int] = (),
        within: float = 0.0,
    ) -> Answer:
        """Sent exactly once, for what must not be done twice. `within`: seconds to wait for the answer."""
        async with self._gate(Kind.ONCE):
            try:
                return await self._sent(
                    method, path, content=content, also=also, refusal=refusal or self._refused, within=within
                )
            except _Again as again:
                raise again.error from None

    async def destroy(self, path: str, *, also: Sequence[int] = (404,)) -> Answer:
        """DELETE, repeated."""
        async with self._gate(Kind.DESTROY):
            return await self._repeated("DELETE", path, None, also)

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    # one call, and its attempts ------------------------------------------------------------------------------------

    async def _repeated(
        self,
        method: str,
        path: str,
        parameters: Mapping[str, str] | None,
        also: Sequence[int],
        content: object = None,
    ) -> Answer:
        import stamina

        attempts = stamina.retry_context(
            on=_how_soon, attempts=MOST_ATTEMPTS, timeout=RETRY_WITHIN, wait_initial=0.2, wait_max=5.0, wait_jitter=0.5
        )
        try:
            async for attempt in attempts:
                with attempt:
                    return await self._sent(method, path, parameters=parameters, content=content, also=also)
        except _Again as again:
            raise again.error from None
        raise AssertionError("an attempt either returns or raises")

    async def _sent(
        self,
        method: str,
        path: str,
        *,
        parameters: Mapping[str, str] | None = None,
        content: object = None,
        also: Sequence[int] = (),
        refusal: Refusal | None = None,
        within: float = 0.0,
    ) -> Answer:
        """One attempt; raises `_Again` where another one may help."""
        import httpx

        seconds = within or self._answer_within
        try:
            response = await self._ready().request(
                method,
                path,
                params=parameters,
                content=None if content is None else json.dumps(content).encode(),
                headers={} if content is None else {"Content-Type": "application/json"},
                timeout=httpx.Timeout(seconds, connect=min(CONNECT_WITHIN, seconds)),
            )
        except httpx.HTTPError as error:
            words = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            raise _Again(self._unclear(f"{self._title} could not be asked", words)) from None
        return self._judged(response, also, refusal)

    def _judged(self, response: httpx.Response, also: Sequence[int], refusal: Refusal | None) -> Answer:
        status = response.status_code
        if status in also or 200 <= status < 300:
            return Answer(self._title, status, self._content(response))
        if status in _KEY_ERRORS:
            raise self._key_refused(response)
        if status >= 500 or (status == 429 and refusal is None):
            error = self._unclear(f"{self._title} is in trouble or too busy", self._words(response))
            raise _Again(error, _retry_after(response))
        if 400 <= status < 500 and status != 408 and refusal is not None:
            raise self.masked(refusal(Answer(self._title, status, self._content(response, must=False))))
        raise self._unclear(f"{self._title} has answered what was not expected", self._words(response))

    def _content(self, response: httpx.Response, *, must: bool = True) -> object:
        """What its JSON says; without a body, nothing."""
        if len(response.content) > _LARGEST_ANSWER:
            raise self._unclear(f"{self._title} has answered too much", f"{len(response.content)} bytes")
        if not response.content.strip():
            return None
        try:
            return json.loads(response.content, parse_float=Decimal)
        except (ValueError, RecursionError):
            if must:
                raise self._unclear(f"{self._title} has answered what is no JSON", self._words(response)) from None
            return None

    def _ready(self) -> httpx.AsyncClient:
        import httpx

        if self._client is None:
            transport = None if self._trust_env else httpx.AsyncHTTPTransport(retries=0)
            self._client = httpx.AsyncClient(
                base_url=self._address,
                headers=self._headers,
                follow_redirects=False,
                trust_env=self._trust_env,
                transport=transport,  # httpx's own default tries each connection once as well
            )
        return self._client

    # what is said of it --------------------------------------------------------------------------------------------

    def _key_refused(self, response: httpx.Response) -> KeyRefused:
        kind, what, advice = _KEY_ERRORS[response.status_code]
        return kind(f"{self._title} {what} ({self._words(response)}).", advice=advice)

    def _refused(self, answer: Answer) -> CloudError:
        return Refused(f"{self._title} refuses (status {answer.status}: {self._shown(answer.content)}).")

    def _words(self, response: httpx.Response) -> str:
        """Status and message, for a sentence."""
        try:
            said = json.loads(response.content[:_LARGEST_ANSWER])
        except (ValueError, RecursionError):
            said = response.content[: 4 * _MOST_WORDS].decode("utf-8", "replace")
        shown = self._shown(said)
        return f"status {response.status_code}: {shown}" if shown else f"status {response.status_code}"

    def _shown(self, said: object) -> str:
        for name in ("error", "message", "detail", "errors"):
            if isinstance(said, dict) and said.get(name):
                return self._shown(said[name])
        text = said if isinstance(said, str) else "" if said is None else json.dumps(said, default=str)
        return self._mask(" ".join(text.split()))[:_MOST_WORDS].rstrip(".")

    def _unclear(self, what: str, words: str) -> Unclear:
        return Unclear(f"{what} ({self._mask(words).rstrip('.')}).", advice="It is not known whether it was done.")

    def masked(self, error: CloudError) -> CloudError:
        """The same, without any secret; for what an adapter makes of an answer by itself."""
        return type(error)(
            self._mask(error.what),
            advice=self._mask(error.advice),
            billing=self._mask(error.billing),
            details={name: self._mask(value) for name, value in error.details.items()},
        )

    def _mask(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, _HIDDEN)
        return text


class _Again(Exception):
    """Another attempt may help, and not before so many seconds, if the cloud has said so."""

    def __init__(self, error: BridgeError, seconds: float | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.seconds = seconds
        if seconds is not None:
            error.details["retry_after"] = str(int(seconds) + 1)


def _how_soon(error: Exception) -> bool | float:
    """For stamina: whether to try again, or in how many seconds."""
    if not isinstance(error, _Again):
        return False
    if error.seconds is None:
        return True
    return error.seconds if error.seconds <= RETRY_WITHIN else False


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds; the header is a number of them, or a date."""
    said = response.headers.get("Retry-After", "").strip()
    if not said:
        return None
    if said.isdigit():
        return float(said)
    try:
        when = parsedate_to_datetime(said)
    except ValueError:
        return None
    when = when if when.tzinfo else when.replace(tzinfo=timezone.utc)
    return max(0.0, (when - datetime.now(timezone.utc)).total_seconds())


@asynccontextmanager
async def _open_gate(kind: Kind) -> AsyncIterator[None]:
    yield
