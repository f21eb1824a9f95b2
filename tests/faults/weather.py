"""The proxy of bad weather, driven from tests that do not live on a loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, TypeVar

from tests.cutting import CutProxy

T = TypeVar("T")


class Weather:
    """`with Weather(port) as weather:` — then connect to `weather.proxy.port` instead of `port`."""

    def __init__(self, port: int) -> None:
        self.proxy = CutProxy(port)
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)

    def __enter__(self) -> Weather:
        self._thread.start()
        self.run(self.proxy.__aenter__())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.run(self.proxy.__aexit__(None, None, None))
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    def run(self, work: Coroutine[Any, Any, T], deadline: float = 60.0) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(deadline)

    def resume(self) -> None:
        async def resume() -> None:
            self.proxy.resume()

        self.run(resume())

    def stall(self) -> None:
        async def stall() -> None:
            self.proxy.stall()

        self.run(stall())
