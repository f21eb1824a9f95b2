"""The link's end of the agent's control channel."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

from jupyter_gpu_bridge.agent.control import JsonStream
from jupyter_gpu_bridge.machine.link.boot import problem


class CarrierLost(Exception):
    """The carrier went away between question and answer; whether it was done is not known."""


class Questions:
    """Asks the agent at the other end of one carrier."""

    def __init__(self) -> None:
        self.stream = JsonStream(self._received, self._ended)
        self._numbers = itertools.count(1)
        self._open: dict[int, tuple[asyncio.Future[Any], Callable[[str], None]]] = {}
        self._has_ended = False

    async def ask(self, question: dict[str, Any], report: Callable[[str], None] = lambda text: None) -> Any:
        """The answer; raises `BridgeError` when the agent refuses, `CarrierLost` when nobody will ever know."""
        if self._has_ended:
            raise CarrierLost
        number = next(self._numbers)
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._open[number] = (answer, report)
        self.stream.say({"id": number, **question})
        try:
            return await answer
        except asyncio.CancelledError:
            self.stream.say({"id": number, "do": "cancel"})
            raise
        finally:
            self._open.pop(number, None)

    def _received(self, message: dict[str, Any]) -> None:
        answer, report = self._open.get(message.get("id") or 0, (None, None))
        if answer is None or answer.done():
            return
        if report is not None and "stage" in message:
            report(str(message["stage"]))
        elif "error" in message:
            answer.set_exception(problem(message["error"]))
        else:
            answer.set_result(message.get("ok"))

    def _ended(self, reason: dict[str, str]) -> None:
        self._has_ended = True
        for answer, _ in self._open.values():
            if not answer.done():
                answer.set_exception(CarrierLost())
