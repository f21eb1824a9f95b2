"""From a profile to the first reply of a rented kernel, in the sandbox whose machines boot at once, stage by stage."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise

from jupyter_client.manager import AsyncKernelManager

from benchmarks.report import line, median
from jupyter_gpu_bridge.bridge import Bridge
from jupyter_gpu_bridge.model import RENTED, Need, Order, Profile
from tests.rentals.renting.world import Renting, renting

BAR = "order to first execute reply on a machine that boots at once: <= 3 s, of it outside boot and Python start <= 1 s"
_WHOLE, _OWN = 3.0, 1.0
_STAGES = ("searching", "renting", "booting", "connecting")


async def _once(world: Renting, name: str) -> dict[str, float]:
    """Seconds: the whole, and each stage of it."""
    bridge = Bridge()
    bridge.add_profile(Profile(name, RENTED, order=Order(need=Need(providers=("sandbox",)))))
    began = time.time()
    manager = AsyncKernelManager(kernel_name=f"gpu-bridge-{name}")
    await manager.start_kernel()
    started = time.time()
    client = manager.client()
    client.start_channels()
    await client.wait_for_ready(timeout=30)
    await client.execute_interactive("1", timeout=30, output_hook=lambda message: None)
    whole = time.time() - began
    (standing,) = await bridge.rentals()
    events = await bridge.rental_events(standing.wish.wish_id)
    stages = _stages([(event.at, event.kind, event.text) for event in events], began, started)
    client.stop_channels()
    await manager.shutdown_kernel(now=True)
    await bridge.end_rental(standing.wish.wish_id, "It was measured.")
    await bridge.rental_gone(standing.wish.wish_id)
    return {"whole": whole, "replying": whole - (started - began), **stages}


def _stages(events: Sequence[tuple[datetime, str, str]], began: float, started: float) -> dict[str, float]:
    known = [(at.timestamp(), kind) for at, kind, _ in events if kind in _STAGES]
    reachable = next(at.timestamp() for at, kind, text in events if kind == "state" and "can be reached" in text)
    marks = [(began, "asking"), *known, (reachable, "starting"), (started, "")]
    return {kind: later - at for (at, kind), (later, _) in pairwise(marks)}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rent", description=BAR)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with renting(rate=1) as world:
        found = [asyncio.run(_once(world, f"round{number}")) for number in range(options.rounds + 1)][1:]
    figures = {f"{name}_s": round(median([each[name] for each in found]), 3) for name in found[0]}
    own = sum(figures[f"{name}_s"] for name in ("asking", "searching", "renting", "connecting"))
    figures["own_s"] = round(own, 3)
    holds = figures["whole_s"] <= _WHOLE and own <= _OWN
    print(json.dumps(line("rent", BAR, {"sandbox": figures}, {"sandbox": holds})), flush=True)
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
