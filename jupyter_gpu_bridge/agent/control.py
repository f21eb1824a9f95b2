"""Questions and answers between link and agent: JSON messages, each behind its length."""

from __future__ import annotations

import asyncio
import json
import struct
import traceback
from typing import Any, Awaitable, Callable

from jupyter_gpu_bridge.agent.frames import Buffer, WireError
from jupyter_gpu_bridge.agent.mux import MuxChannel, Refusal

_LENGTH = struct.Struct("<I")
MOST_MESSAGE = 8 * 1024 * 1024
MOST_QUESTIONS = 256


class JsonStream:
    """One direction each way of JSON messages on a mux channel; used by both ends."""

    def __init__(self, received: Callable[[dict[str, Any]], None], ended: Callable[[dict[str, str]], None]) -> None:
        self._received = received
        self._ended = ended
        self._transport: MuxChannel | None = None
        self._out = bytearray()
        self._in = bytearray()

    def say(self, message: dict[str, Any]) -> None:
        data = json.dumps(message).encode()
        self._out += _LENGTH.pack(len(data)) + data
        if self._transport is not None:
            self._transport.wake()

    def connect(self, transport: MuxChannel) -> None:
        self._transport = transport

    def pull(self, limit: int) -> list[Buffer]:
        piece = bytes(self._out[:limit])
        del self._out[:limit]
        return [piece] if piece else []

    def push(self, data: memoryview) -> None:
        self._in += data
        if self._transport is not None:
            self._transport.consumed(len(data))
        while len(self._in) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._in)
            if length > MOST_MESSAGE:
                raise WireError(f"a message of {length} bytes")
            end = _LENGTH.size + length
            if len(self._in) < end:
                return
            message = _parse(bytes(self._in[_LENGTH.size : end]))
            del self._in[:end]
            self._received(message)

    def ended(self, reason: dict[str, str]) -> None:
        self._transport = None
        self._ended(reason)


def _parse(data: bytes) -> dict[str, Any]:
    try:
        message = json.loads(data)
    except (ValueError, RecursionError):
        message = None
    if not isinstance(message, dict):
        raise WireError("a message that is no object")
    return message


class Control(JsonStream):
    """The agent's end: each question is answered by a task of its own, which ends with the carrier."""

    def __init__(self, answer: Callable[[dict[str, Any], Callable[[str], None]], Awaitable[Any]]) -> None:
        """`answer` gets the question, and a way to tell what it is doing meanwhile."""
        super().__init__(self._question, self._gone)
        self._answer = answer
        self._tasks: dict[Any, asyncio.Task[None]] = {}

    def _question(self, message: dict[str, Any]) -> None:
        number = message.get("id")
        if not isinstance(number, int):
            raise WireError("a question without a number")
        if message.get("do") == "cancel":
            if number in self._tasks:
                self._tasks[number].cancel()
            return
        if number in self._tasks or len(self._tasks) >= MOST_QUESTIONS:
            raise WireError("a question too many")
        task = asyncio.get_running_loop().create_task(self._reply(message))
        self._tasks[number] = task
        task.add_done_callback(lambda done: self._tasks.pop(number, None))

    async def _reply(self, message: dict[str, Any]) -> None:
        try:
            answer = {
                "ok": await self._answer(message, lambda text: self.say({"id": message.get("id"), "stage": text}))
            }
        except Refusal as refusal:
            answer = {"error": refusal.reason}
        except OSError as error:
            answer = {"error": {"code": "failed", "what": f"The machine could not do that: {error.strerror or error}."}}
        except Exception as error:
            # A question without an answer would be waited for for ever.
            traceback.print_exc()
            answer = {"error": {"code": "failed", "what": f"The machine could not do that: {error!r}."}}
        self.say({"id": message.get("id"), **answer})

    def _gone(self, reason: dict[str, str]) -> None:
        for task in list(self._tasks.values()):
            task.cancel()
