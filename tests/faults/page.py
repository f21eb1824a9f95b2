"""A page in front of a Jupyter server: one session id for its whole life, and a request whenever it is connected."""

from __future__ import annotations

import asyncio
import json
import os
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from tornado.httpclient import HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

from tests.jupyter_server import TOKEN, JupyterServer


class Page:
    def __init__(self, server: JupyterServer, kernel_id: str) -> None:
        self._server = server
        self._kernel_id = kernel_id
        self._session = os.urandom(8).hex()
        self._socket: WebSocketClientConnection | None = None
        self._heard = asyncio.Event()
        self._seen: dict[str, set[str]] = defaultdict(set)
        self.text: dict[str, str] = defaultdict(str)
        """What each request printed; a message that comes twice counts once, as in the Compute extension."""
        self.repeats = 0
        self.replies: dict[str, int] = defaultdict(int)
        self.idles: dict[str, int] = defaultdict(int)

    async def connect(self) -> None:
        self.close()
        url = f"ws://127.0.0.1:{self._server.port}/api/kernels/{self._kernel_id}/channels?session_id={self._session}"
        request = HTTPRequest(url, headers={"Authorization": f"token {TOKEN}"})
        self._socket = await websocket_connect(request, on_message_callback=self._message)
        await self._send("kernel_info_request", {})

    async def execute(self, code: str) -> str:
        """The id of the request."""
        content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False, "stop_on_error": True}
        return await self._send("execute_request", {**content, "user_expressions": {}})

    async def until(self, is_so: Callable[[], bool], within: float = 40.0) -> None:
        """Wait for something that messages bring about."""
        while not is_so():
            self._heard.clear()
            await asyncio.wait_for(self._heard.wait(), within)

    def close(self) -> None:
        """At once: to say good-bye first would mean to wait for a server that may be dead."""
        socket, self._socket = self._socket, None
        if socket is not None and socket.protocol is not None:
            socket.protocol._abort()
            socket.close()

    async def _send(self, kind: str, content: dict[str, Any]) -> str:
        assert self._socket is not None
        message = os.urandom(8).hex()
        header = {"msg_id": message, "msg_type": kind, "session": self._session, "username": "", "version": "5.3"}
        request = {"channel": "shell", "header": {**header, "date": "2026-11-20T00:00:00Z"}, "content": content}
        await self._socket.write_message(json.dumps({**request, "parent_header": {}, "metadata": {}, "buffers": []}))
        return message

    def _message(self, raw: str | bytes | None) -> None:
        if raw is not None:
            self._take(json.loads(raw))
        self._heard.set()

    def _take(self, message: dict[str, Any]) -> None:
        kind, asked = message["header"]["msg_type"], message["parent_header"].get("msg_id", "")
        if message["header"]["msg_id"] in self._seen[asked]:
            self.repeats += 1
            return
        self._seen[asked].add(message["header"]["msg_id"])
        if kind == "stream":
            self.text[asked] += message["content"]["text"]
        elif kind == "execute_reply":
            self.replies[asked] += 1
        elif kind == "status":
            self.idles[asked] += message["content"]["execution_state"] == "idle"
