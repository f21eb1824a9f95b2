"""One request and its answer; nothing is followed, and nothing is repeated here."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from jupyter_gpu_bridge.in_time import in_time
from jupyter_gpu_bridge.providers.http.bodies import Body, Whole

if TYPE_CHECKING:
    import httpx

_CONNECT_WITHIN = 10.0


class NotAnswered(Exception):
    """Nothing came, or not all of it, in words of its own."""


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    parameters: Mapping[str, str] | None = None
    content: object = None
    """Sent as JSON."""


@dataclass(frozen=True, slots=True)
class Received:
    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


class Wire:
    """Connections to one address. Belongs to the event loop of its first request."""

    def __init__(self, address: str, headers: Mapping[str, str], *, trust_env: bool) -> None:
        """`trust_env`: use the user's proxies."""
        self._address = address
        self._headers = dict(headers)
        self._trust_env = trust_env
        self._client: httpx.AsyncClient | None = None

    async def send(self, request: Request, within: float, body: Body | None = None) -> Received:
        """`within`: seconds for all of it; `body`: what is read of the answer, usually all.

        Raises `NotAnswered` or `TooLarge`.
        """
        import httpx

        client = self._ready()  # which takes a moment the first time
        exchange = _Exchange(request, within, body or Whole())
        try:
            await in_time(exchange.run(client), within)
        except asyncio.TimeoutError:
            if not exchange.has_enough:
                raise NotAnswered(f"no whole answer within {within:g} s") from None
        except httpx.TimeoutException as error:
            if not exchange.has_enough:
                raise NotAnswered(f"no answer within {within:g} s ({type(error).__name__})") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            if not exchange.has_enough:
                raise NotAnswered(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__) from None
        return exchange.received

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

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


class _Exchange:
    """One request, and what has come of its answer."""

    def __init__(self, request: Request, within: float, body: Body) -> None:
        self._request = request
        self._within = within
        self._body = body
        self._status = 0
        self._headers: Mapping[str, str] = {}

    async def run(self, client: httpx.AsyncClient) -> None:
        import httpx

        request, within = self._request, self._within
        content = request.content
        sending = client.stream(
            request.method,
            request.path,
            params=request.parameters,
            content=None if content is None else json.dumps(content).encode(),
            headers={} if content is None else {"Content-Type": "application/json"},
            timeout=httpx.Timeout(within, connect=min(_CONNECT_WITHIN, within)),
        )
        async with sending as response:
            self._status, self._headers = response.status_code, response.headers
            async for piece in response.aiter_bytes():
                if not self._body.add(piece):
                    break

    @property
    def has_enough(self) -> bool:
        """Though it is not at its end."""
        return self._status > 0 and self._body.may_be_cut

    @property
    def received(self) -> Received:
        return Received(self._status, self._headers, self._body.read())
