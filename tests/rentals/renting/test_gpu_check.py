"""GPUs that are measured on request. Machines are real and have none: torch and the GPU are stood in for."""

from __future__ import annotations

import asyncio
import json
import shlex
import sys
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from jupyter_gpu_bridge.bridge import Standing
from jupyter_gpu_bridge.errors import BadRequest, BridgeError, RentalUnknown
from jupyter_gpu_bridge.model import GpusChecked, Place, Reputation
from jupyter_gpu_bridge.rentals.clock import clock_of_environment
from jupyter_gpu_bridge.rentals.ledger import Ledger
from tests.market.hardware import A100, environment
from tests.rentals.renting.command import Command, ran
from tests.rentals.renting.world import PRETEND, Renting, time_passes, until

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(180)]

DOES_NOTHING = "exec sleep 1000"


def python(world: Renting, *, gpu: dict[str, Any] | None = None, instead: str = "") -> str:
    """A Python of the machine that finds this GPU, or that does something else when it is to measure one."""
    path = world.home.folder / "python-with-torch"
    variables = " ".join(f"{name}={shlex.quote(value)}" for name, value in environment(gpu or A100).items())
    lines = [f'case "$*" in *gpu_check.py*) {instead};; esac'] if instead else []
    path.write_text("\n".join(["#!/bin/sh", *lines, f'exec env {variables} {shlex.quote(sys.executable)} "$@"']))
    path.chmod(0o755)
    return str(path)


async def rented(world: Renting, python: str | None = None, **more: Any) -> Standing:
    return await world.rent(replace(PRETEND, python=python, **more))


async def checked(world: Renting, name: str) -> GpusChecked:
    return await world.bridge.check_gpu(name, world.report)


def reputation(standing: Standing) -> Reputation:
    assert standing.rental is not None
    with Ledger.open() as ledger:
        found = ledger.experience.reputations(["sandbox"], clock_of_environment().now())
    return found[Place.of(standing.rental.offer)]


async def test_a_machine_without_a_gpu_says_so_and_nothing_is_remembered(world: Renting) -> None:
    standing = await rented(world)
    short = standing.wish.wish_id[:8]
    told = await ran("check", short)
    assert told.status == 1
    assert "There is no driver of a GPU, and no torch in " in told.out
    answer = json.loads((await ran("check", short, "--json")).out)
    assert (answer["problem"]["code"], answer["gpus"], answer["remembered"]) == ("no-gpu", [], False)
    assert reputation(standing).checked is None


async def test_what_was_measured_is_told_beside_what_should_be_and_remembered(world: Renting) -> None:
    standing = await rented(world, python(world))
    short = standing.wish.wish_id[:8]
    told = await ran("check", short)
    assert told.status == 0, told
    assert (
        "NVIDIA A100-SXM4-80GB, 80.0 GiB: measured 1,830 of 2,039 GB/s (90 %), 260 of 312 TFLOPS (83 %)\n" in told.out
    )
    assert "measuring the memory" in told.err
    found = reputation(standing)
    assert (found.sinks, found.phrase) == (False, "")
    assert found.bandwidth_share == pytest.approx(0.8975, abs=0.001)
    assert not world.home.processes("gpu_check.py")


async def test_a_host_whose_gpu_is_far_too_slow_sinks(world: Renting) -> None:
    standing = await rented(world, python(world, gpu={**A100, "bandwidth": 900.0}))
    told = await ran("check", standing.wish.wish_id[:8])
    assert told.status == 1
    assert "WRONG: that is far less than A100 80GB SXM should do." in told.out
    assert reputation(standing).sinks
    assert reputation(standing).phrase.startswith("measured 44 % of its bandwidth")


@pytest.mark.parametrize(
    "instead",
    [
        'echo \'{"gpus": [{"name": "A100", "bandwidth": NaN, "tflops": 1}], "problem": null}\'; exit',
        'echo \'{"gpus": [{"name": "A100", "bandwidth": -5, "tflops": 1}], "problem": null}\'; exit',
        "echo '{not JSON at all'; exit",
        "head -c 10000000 /dev/zero | tr '\\0' '{'; exit",
        "yes | head -c 10000000; exit",
        "exit 0",
        "kill -SEGV $$",
    ],
)
async def test_an_answer_that_makes_no_sense_is_refused_and_nothing_is_lost(world: Renting, instead: str) -> None:
    standing = await rented(world, python(world, instead=instead))
    with pytest.raises(BridgeError, match=r"makes no sense|came to no answer|far too much"):
        await checked(world, standing.wish.wish_id)
    assert reputation(standing).checked is None
    python(world)
    assert (await checked(world, standing.wish.wish_id)).is_remembered, "the connection has not suffered"


async def test_a_check_that_is_interrupted_ends_on_the_machine_too_which_was_used_until_then(world: Renting) -> None:
    standing = await rented(world, python(world, instead=DOES_NOTHING), idle=timedelta(minutes=15))
    command = await Command.start("check", standing.wish.wish_id[:8])
    await until(lambda: _sleepers(world))
    await time_passes(minutes=18)  # more than it may be idle
    assert (await world.bridge.rental(standing.wish.wish_id)).wish.is_open
    command.interrupt()
    ended = await command.ended()
    assert ended.status == 130
    assert "what it took of the GPU is free again" in ended.err
    await until(lambda: not _sleepers(world))
    over = await world.until_over(standing.wish.wish_id)
    assert over.wish.closed_because == "Nobody has used it for 15 min."


async def test_what_a_machine_says_meanwhile_does_nothing_to_the_terminal(world: Renting) -> None:
    stage = r'{"stage": "\u001b[2J\u001b]0;mine\u0007loading"}'
    python_path = python(world, instead=f"printf '%s\n' '{stage}'; exit")
    standing = await rented(world, python_path)
    told = await ran("check", standing.wish.wish_id[:8])
    assert "measuring  [2J ]0;mine loading\n" in told.err
    assert "\x1b" not in told.err + told.out


async def test_two_checks_at_once_take_turns(world: Renting) -> None:
    standing = await rented(world, python(world))
    both = await asyncio.gather(*(checked(world, standing.wish.wish_id) for _ in range(2)))
    assert [each.check.problem for each in both] == ["", ""]


async def test_an_own_machine_can_be_measured_and_is_not_ranked(world: Renting) -> None:
    found = await checked(world, "local")
    assert (found.check.problem_code, found.is_remembered, found.offered) == ("no-gpu", False, "")
    assert not (world.home.bridge / "ledger.db").exists(), "nobody has rented anything"


async def test_what_is_not_there_is_not_rented_to_be_measured(world: Renting) -> None:
    with pytest.raises(RentalUnknown, match="no one rental and no host 'deadbeef'"):
        await checked(world, "deadbeef")
    wanted = await world.want()
    with pytest.raises(BadRequest, match="is not there yet"):
        await checked(world, wanted.wish.wish_id)
    assert world.created() == 0
    standing = await rented(world)
    await world.bridge.end_rental(standing.wish.wish_id, "It was a test.")
    with pytest.raises(BadRequest, match="being ended, or gone"):
        await checked(world, standing.wish.wish_id)


def _sleepers(world: Renting) -> list[Any]:
    """What runs on machines in place of the check."""
    import psutil

    found = []
    for process in psutil.process_iter():
        try:
            if process.cmdline() == ["sleep", "1000"] and str(world.home.folder) in str(process.environ()):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found
