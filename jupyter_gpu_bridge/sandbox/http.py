"""A very small HTTP server: JSON in, JSON out; and it can hang up in the middle, as clouds do."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

_MOST_HEAD = 64 * 1024
_MOST_BODY = 4 * 1024 * 1024

_WORDS = {200: "OK", 201: "Created", 401: "Unauthorized", 404: "Not Found", 409: "Conflict", 503: "Unavailable"}


@dataclass(frozen=True, slots=True)
class Request:
    """One of them, read whole."""

    method: str
    path: str
    query: dict[str, str]
    token: str
    body: Any
    """What its JSON says; `None` without one."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Their names in small letters."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    content: object = None
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    """Sent as it is."""
    hangs_up: bool = False
    """Nothing is sent, and the connection is closed."""
    goes_on: bool = False
    """More could follow, and does not: the connection stays open until whoever has asked closes it."""


Handler = Callable[[Request], Awaitable[Answer]]


class _Bad(Exception):
    """What came is no request."""


class Server:
    """Serves on 127.0.0.1 until it is closed."""

    def __init__(self, handler: Handler, now: Callable[[], float] = time.time) -> None:
        """`now`: what each answer is dated by, in seconds since 1970."""
        self._handler = handler
        self._now = now
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._busy: set[asyncio.Task[Answer]] = set()

    async def listen(self, port: int) -> int:
        """The port, which is another one when that one is taken."""
        try:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", port, limit=_MOST_HEAD)
        except OSError:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=_MOST_HEAD)
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        await asyncio.gather(*self._busy, return_exceptions=True)
        for writer in list(self._open):
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            while (request := await _read(reader)) is not None:
                answer = await self._answer(request)
                if answer.hangs_up:
                    writer.transport.abort()
                    return
                writer.write(_packed(answer, self._now()))
                await writer.drain()
                if answer.goes_on:
                    await reader.read(1)
                    return
        except _Bad:
            no = Answer(400, {"error": {"code": "bad_request", "message": "That is no request."}})
            writer.write(_packed(no, self._now()))
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            self._open.discard(writer)
            writer.close()

    async def _answer(self, request: Request) -> Answer:
        """It is done to its end, also when whoever asked has hung up: a machine that ends itself cannot wait."""
        task: asyncio.Task[Answer] = asyncio.ensure_future(self._handler(request))
        self._busy.add(task)
        task.add_done_callback(self._busy.discard)
        return await asyncio.shield(task)


async def _read(reader: asyncio.StreamReader) -> Request | None:
    """`None` at the end of the connection. Raises `_Bad`."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError:
        raise _Bad from None
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise _Bad from None
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split(" ")
    if len(words) != 3:
        raise _Bad
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    length = headers.get("content-length", "0")
    if not length.isdigit() or int(length) > _MOST_BODY or "transfer-encoding" in headers:
        raise _Bad
    body = await reader.readexactly(int(length))
    parts = urlsplit(words[1])
    try:
        content = json.loads(body) if body else None
    except ValueError:
        raise _Bad from None
    scheme, _, token = headers.get("authorization", "").partition(" ")
    token = token.strip() if scheme.lower() == "bearer" else ""
    path, query = unquote(parts.path.rstrip("/")), dict(parse_qsl(parts.query))
    return Request(words[0].upper(), path, query, token, content, headers)


def _packed(answer: Answer, now: float) -> bytes:
    content = answer.raw if answer.raw is not None else _json(answer)
    headers = {"Content-Type": "application/json", "Date": formatdate(now, usegmt=True), **answer.headers}
    lines = [f"HTTP/1.1 {answer.status} {_WORDS.get(answer.status, 'Other')}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if answer.goes_on:
        lines.append("Transfer-Encoding: chunked")
        content = f"{len(content):x}\r\n".encode() + content + b"\r\n" if content else b""
    else:
        lines.append(f"Content-Length: {len(content)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


def _json(answer: Answer) -> bytes:
    """A 204 has no content at all."""
    return b"" if answer.status == 204 else json.dumps(answer.content).encode()
