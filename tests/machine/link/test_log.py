"""What a link writes down: enough to see afterwards what happened, nothing secret, and never too much."""

from __future__ import annotations

import asyncio
import logging
import re
from pathlib import Path

import pytest

from jupyter_gpu_bridge.errors import HostKeyUnknown
from jupyter_gpu_bridge.machine.link import links
from jupyter_gpu_bridge.machine.link.log import MOST, BoundedHandler, one_line
from jupyter_gpu_bridge.model import CarrierChoice
from tests.faults.processes import until
from tests.rentals.two_machines import two_machines


@pytest.mark.timeout(60)
@pytest.mark.parametrize("carrier", ["openssh", "paramiko"])
def test_the_log_tells_what_happened(carrier: CarrierChoice) -> None:
    asyncio.run(_read_after_a_cut(carrier))


async def _read_after_a_cut(carrier: CarrierChoice) -> None:
    async with two_machines(carrier) as world:
        world.add(world.first)
        with pytest.raises(HostKeyUnknown):
            await world.check()
        await world.check(world.first)
        kernel = await world.start()
        await asyncio.to_thread(world.first.cut_sessions)
        await asyncio.to_thread(until, "it is connected again", lambda: " reconnected" in world.log)
        assert await world.bridge.release_kernel(kernel)
        await links().close()  # or the link would wait for us, who listen to it
        await world.bridge.remove_host("box")
        await asyncio.to_thread(until, "the link has ended", lambda: "the link ends" in world.log)
        lines = [line.split(" ", 4)[4] for line in world.log.splitlines()]
        expected = (
            r"the link starts: process \d+, version \S+",
            rf"no connection \(host-key-unknown\): .* {re.escape(world.first.fingerprint)}.",
            rf"dialled: {carrier}, \d\.\d\d s, then \d\.\d\d s to our program",
            "connected",
            f"kernel {kernel.kernel_id}: taken up",
            r"carrier lost after \d+ s: .*",
            rf"dialled: {carrier}, .*",
            "reconnected",
            rf"kernel {kernel.kernel_id}: let go.*",
            "the carrier is ended from here",
            "the link ends",
        )
        left = iter(lines)
        for pattern in expected:  # in this order, perhaps with others in between
            assert any(re.fullmatch(pattern, line) for line in left), (pattern, lines)
        assert kernel.key not in world.log
        assert "Traceback" not in world.log


def test_the_log_stays_small_and_keeps_what_came_last(tmp_path: Path) -> None:
    path = tmp_path / "link.log"
    with path.open("a") as stream:
        handler = BoundedHandler(stream, path)
        for number in range(12_000):
            handler.handle(logging.LogRecord("link", logging.INFO, "", 0, f"{number:06} {'x' * 1000}", (), None))
            assert path.stat().st_size <= MOST
    lines = path.read_text().splitlines()
    numbers = [int(line.split()[4]) for line in lines]
    assert numbers == list(range(numbers[0], 12_000))
    assert len(numbers) > 1500


def test_what_a_peer_says_makes_no_lines_of_its_own() -> None:
    assert one_line("a\nb\x1b[31m\r" + "c" * 9999) == ("a b [31m " + "c" * 9999)[:500]
