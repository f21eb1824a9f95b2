"""One request and its answer, read whole; nothing is followed, and nothing is repeated here."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from jupyter_gpu_bridge.in_time import in_time

if TYPE_CHECKING:
    import httpx

_CONNECT_WITHIN = 10.0
_LARGEST_ANSWER = 64 << 20


class NotAnswered(Exception):
    """Nothing came, or not all of it, in words of its own."""


class TooLarge(Exception):
    """There would be more of it."""


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

    async def send(self, request: Request, within: float) -> Received:
        """`within`: seconds for all of it. Raises `NotAnswered` or `TooLarge`."""
        import httpx

        client = self._ready()  # which takes a moment the first time
        try:
            return await in_time(_sent(client, request, within), within)
        except asyncio.TimeoutError:
            raise NotAnswered(f"no whole answer within {within:g} s") from None
        except httpx.TimeoutException as error:
            raise NotAnswered(f"no answer within {within:g} s ({type(error).__name__})") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise NotAnswered(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__) from None

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


async def _sent(client: httpx.AsyncClient, request: Request, within: float) -> Received:
    import httpx

    content = request.content
    sending = client.stream(
        request.method,
        request.path,
        params=request.parameters,
        content=None if content is None else json.dumps(content).encode(),
        headers={} if content is None else {"Content-Type": "application/json"},
        timeout=httpx.Timeout(within, connect=min(_CONNECT_WITHIN, within)),
    )
    body = bytearray()
    async with sending as response:
        async for piece in response.aiter_bytes():
            body += piece
            if len(body) > _LARGEST_ANSWER:
                raise TooLarge(f"more than {_LARGEST_ANSWER >> 20} MiB")
        return Received(response.status_code, response.headers, bytes(body))
