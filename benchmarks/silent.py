"""A silent link: packets are dropped for a minute and nobody is told; then they pass again."""

from __future__ import annotations

import argparse
import asyncio
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from benchmarks.kernels import owners
from benchmarks.options import count
from benchmarks.report import Benchmark, Figures, Measured, main
from benchmarks.weather import Watch, is_whole, judge
from tests.compatibility.world import Kind, World
from tests.cutting import CutProxy

_CELL = """
import time
for number in range({count}):
    print("line", number, flush=True)
    time.sleep(1)
"""
_BEFORE = 5
_AFTER = 10
_PATIENCE = 60.0
_NEEDLESS_BEFORE = 29.0
"""Seconds of silence before which nobody may take the connection for lost; one less than the bar, for the clocks."""


class _Silence:
    """The proxy, from a thread without a loop; notes when a new connection was tried."""

    def __init__(self, target: int) -> None:
        self._loop = asyncio.new_event_loop()
        self._proxy = CutProxy(target)
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        asyncio.run_coroutine_threadsafe(self._proxy.__aenter__(), self._loop).result(10)

    @property
    def port(self) -> int:
        return self._proxy.port

    @property
    def accepted(self) -> int:
        return self._proxy.accepted

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._proxy.__aexit__(None, None, None), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)

    @contextmanager
    def stalled(self) -> Iterator[None]:
        self._loop.call_soon_threadsafe(self._proxy.stall)
        try:
            yield
        finally:
            self._loop.call_soon_threadsafe(self._proxy.resume)


def measure(world: World, kinds: list[Kind], options: argparse.Namespace) -> dict[Kind, Figures]:
    """One kind after the other: the proxy cannot tell whose connection it takes."""
    silence = _Silence(world.sshd.port)
    world.port = silence.port
    try:
        return {kind: _measure_one(world, kind, silence, options.seconds) for kind in kinds if kind.uses_ssh}
    finally:
        silence.close()


def _measure_one(world: World, kind: Kind, silence: _Silence, seconds: int) -> Figures:
    lines = _BEFORE + seconds + _AFTER
    with ExitStack() as stack:
        (owner,) = stack.enter_context(owners(world, [kind]))
        watch = Watch(stack.enter_context(owner.start()), _CELL.format(count=lines))
        begun = time.monotonic()
        time.sleep(_BEFORE)
        connections = silence.accepted
        with silence.stalled():
            time.sleep(min(_NEEDLESS_BEFORE, seconds))
            needless = silence.accepted - connections
            time.sleep(max(0.0, seconds - _NEEDLESS_BEFORE))
        back = time.monotonic()
        watch.wait(begun + lines + _PATIENCE - time.monotonic())
        watch.close()
        figures = judge(watch, [f"line {number}" for number in range(lines)], back)
    world.disconnect(kind)
    return figures | {"reconnects_before_30_s": needless, "reconnects": silence.accepted - connections}


def holds(figures: Figures, _: Measured) -> bool:
    return is_whole(figures) and figures["reconnects_before_30_s"] == 0


BENCHMARK = Benchmark(
    name="silent",
    bar="silent link for 60 s: nothing lost, no needless reconnect before 30 s",
    measure=measure,
    holds=holds,
    options=count("seconds", 60, "how long nothing passes"),
)

if __name__ == "__main__":
    sys.exit(main(BENCHMARK))
