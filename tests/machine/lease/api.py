"""A cloud's API on loopback, as a machine sees it that ends itself: it answers, refuses, is slow, or is down."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from tests.ports import free_port

DEADLINE = 20.0


@dataclass(frozen=True)
class Call:
    method: str
    path: str
    authorization: str | None
    at: Any
    """What `clock` said."""
    body: str = ""


class Api:
    def __init__(self, clock: Callable[[], Any] = lambda: None) -> None:
        self.port = free_port()
        self.calls: list[Call] = []
        self.status = 204
        self.holding = threading.Event()
        """Somebody waits for an answer."""
        self.may_answer = threading.Event()
        self.may_answer.set()
        self._clock = clock
        self._server: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Api:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        self._server = _Server(("127.0.0.1", self.port), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def stop(self) -> None:
        """From now on its port refuses."""
        self.may_answer.set()
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()
        if self._thread is not None:
            self._thread.join(DEADLINE)

    def answer(self, method: str, path: str, authorization: str | None, body: str) -> int:
        self.calls.append(Call(method, path, authorization, self._clock(), body))
        status = self.status
        self.holding.set()
        self.may_answer.wait(DEADLINE)
        return status


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that has lost its patience is nothing to report."""


def _handler(api: Api) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_DELETE(self) -> None:
            self._answer("DELETE")

        def do_POST(self) -> None:
            self._answer("POST")

        def _answer(self, method: str) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            self.send_response(api.answer(method, self.path, self.headers.get("Authorization"), body))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler
