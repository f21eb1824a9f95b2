"""A cloud that answers what the test says, over a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from jupyter_gpu_bridge.sandbox.http import Answer, Request, Server

Reply = Answer | Callable[[Request], Answer]


@dataclass
class Scripted:
    """Gives its answers one after another, and the last one for ever."""

    replies: list[Reply]
    address: str = ""
    heard: list[Request] = field(default_factory=list)
    hold: asyncio.Event | None = None
    """No answer comes before it is set."""

    async def handle(self, request: Request) -> Answer:
        self.heard.append(request)
        if self.hold is not None:
            await self.hold.wait()
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        return reply if isinstance(reply, Answer) else reply(request)


@asynccontextmanager
async def scripted(*replies: Reply) -> AsyncIterator[Scripted]:
    script = Scripted(list(replies))
    server = Server(script.handle)
    script.address = f"http://127.0.0.1:{await server.listen(0)}"
    try:
        yield script
    finally:
        if script.hold is not None:
            script.hold.set()
        await server.close()
