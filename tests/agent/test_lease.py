"""The verbs of the lease, asked of a real agent beside a real daemon, whose clock stands until it is moved."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from jupyter_gpu_bridge.agent.identity import is_same, start_of
from jupyter_gpu_bridge.agent.lease_folder import LeaseFolder
from jupyter_gpu_bridge.errors import BridgeError
from jupyter_gpu_bridge.machine.lease import Renewal
from tests.machine.lease.rented import FIRST_LEASE, HARD, Rented, rented
from tests.machine.link.near import DEADLINE, Near, client_of, near
from tests.on_asyncio import anyio_backend, on_asyncio

__all__ = ["anyio_backend", "on_asyncio"]

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(90), pytest.mark.needs("dash")]


@asynccontextmanager
async def leased() -> AsyncIterator[tuple[Near, Rented]]:
    """A link to a machine whose lease has begun; its agent finds the lease where agents look."""
    with rented() as machine:
        async with near() as world:
            machine.lease = world.home / "lease"
            machine.environment["GPU_BRIDGE_LEASE_DIR"] = str(machine.lease)
            world.home.mkdir()
            assert await asyncio.to_thread(machine.boot) == 0
            await world.link.connection.up()
            yield world, machine


async def ask(world: Near, do: str, **more: Any) -> Any:
    return await world.link._ask({"do": do, **more})


async def until(what: str, is_so: Callable[[], bool]) -> None:
    give_up = asyncio.get_running_loop().time() + DEADLINE
    while not is_so():
        assert asyncio.get_running_loop().time() < give_up, f"it never came to be that {what}"
        await asyncio.sleep(0.02)


async def test_a_grant_is_passed_on_and_what_is_left_is_said() -> None:
    async with leased() as (world, machine):
        said = await ask(world, "lease", seconds=600, serial=1)
        assert said == {
            "left": 600.0,
            "deadline_left": float(HARD),
            "daemon_alive": True,
            "version": 1,
            "phase": "living",
            "serial": "1",
            "name": "gpb-test-1",
        }
        machine.advance(599)
        assert (await ask(world, "lease-status"))["left"] == 1.0
        assert not machine.is_ended()
        machine.advance(1)
        await until("it ends", machine.is_ended)
        assert (await ask(world, "lease-status"))["phase"] == "ending"


async def test_no_more_is_left_than_until_the_deadline() -> None:
    async with leased() as (world, machine):
        machine.advance(300)
        said = await ask(world, "lease", seconds=10 * HARD, serial="long")
        assert said["left"] == said["deadline_left"] == HARD - 300


async def test_a_machine_that_is_told_to_die_dies() -> None:
    async with leased() as (world, machine):
        said = await ask(world, "die")
        assert (said["phase"], said["left"]) == ("ending", 0.0)
        await until("it ends", machine.is_ended)


async def test_nothing_holds_what_ends_and_nothing_starts_on_it() -> None:
    async with leased() as (world, machine):
        machine.api.status = 503
        await ask(world, "die")
        said = await ask(world, "lease", seconds=600, serial=2)
        assert (said["phase"], said["left"]) == ("ending", 0.0)
        with pytest.raises(BridgeError, match="This machine is ending itself, since its lease has run out"):
            await world.start()


async def test_a_daemon_that_somebody_has_killed_for_good_is_started_by_the_agent() -> None:
    async with leased() as (world, machine):
        machine.kill(machine.holder("supervisor"), machine.holder("daemon"))
        said = await ask(world, "lease", seconds=600, serial=1)
        assert (said["daemon_alive"], said["left"], said["serial"]) == (True, 600.0, "1")


async def test_a_busy_kernel_is_told_of_and_stopped_in_the_end() -> None:
    async with leased() as (world, machine):
        kernel = await world.start()
        async with client_of(kernel) as client:
            client.execute("import time\nwhile True: time.sleep(0.05)")
            await until("the daemon hears that it is busy", lambda: " busy" in (machine.lease / "busy").read_text())
            machine.advance(FIRST_LEASE)
            await until("it goes on for the kernel's sake", lambda: machine.phase == "overtime")
            await asyncio.sleep(1.0)
            assert machine.phase == "overtime"
            keepers = world.keepers()
            assert len(keepers) == 1
            machine.advance(HARD - FIRST_LEASE)
            await until("it ends", machine.is_ended)
            await until("the kernel is stopped", lambda: not world.keepers())
            assert machine.log.count("a kernel is busy") == 1


async def test_an_idle_kernel_holds_nothing() -> None:
    async with leased() as (world, machine):
        kernel = await world.start()
        async with client_of(kernel):
            pass
        await until("the daemon hears that it is idle", lambda: " idle" in (machine.lease / "busy").read_text())
        machine.advance(FIRST_LEASE)
        await until("it ends", machine.is_ended)


async def test_an_agent_that_is_dead_tells_of_nothing() -> None:
    async with leased() as (world, machine):
        kernel = await world.start()
        async with client_of(kernel) as client:
            client.execute("import time\nwhile True: time.sleep(0.05)")
            await until("the daemon hears that it is busy", lambda: " busy" in (machine.lease / "busy").read_text())
            await world.link.connection.down()
            for agent in world.agents():
                os.kill(agent, signal.SIGKILL)
            machine.advance(FIRST_LEASE)
            await until("it ends", machine.is_ended)


# saving --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hook", "outcome", "code", "said"),
    [
        ("echo one; echo two >&2", "done", 0, "one\ntwo\n"),
        ("echo no; exit 3", "failed", 3, "no\n"),
        ("echo slow; sleep 1000", "cut", None, "slow\n"),
        ("sleep 1000 & echo left something", "done", 0, "left something\n"),
    ],
)
async def test_how_the_save_hook_has_gone_is_said(hook: str, outcome: str, code: int | None, said: str) -> None:
    async with leased() as (world, machine):
        machine.save_hook(hook)
        answer = await ask(world, "save", seconds=1.0)
        assert (answer["outcome"], answer["code"], answer["said"]) == (outcome, code, said)


async def test_where_there_is_no_save_hook_that_is_said() -> None:
    async with leased() as (world, _):
        assert (await ask(world, "save"))["outcome"] == "none"


async def test_whoever_asks_again_after_a_cut_hears_how_the_same_save_ends() -> None:
    async with leased() as (world, machine):
        machine.save_hook(f"echo x >> {machine.home}/hook; until [ -e {machine.home}/go ]; do sleep 0.05; done")
        first = asyncio.ensure_future(ask(world, "save"))
        await until("it saves", (machine.home / "hook").exists)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        await world.link.connection.down()
        await world.link.connection.up()
        second = asyncio.ensure_future(ask(world, "save"))
        await asyncio.sleep(0.3)
        (machine.home / "go").touch()
        assert (await second)["outcome"] == "done"
        assert (machine.home / "hook").read_text() == "x\n"


# where it makes no sense ---------------------------------------------------------------------------------------------


async def test_a_machine_without_a_lease_says_so() -> None:
    async with near() as world:
        await world.link.connection.up()
        for verb in ("lease", "lease-status", "die", "save"):
            with pytest.raises(BridgeError, match="This machine has no lease: it does not end by itself"):
                await ask(world, verb, seconds=600, serial=1)


async def test_the_lease_of_another_machine_is_none_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    with rented() as other:
        monkeypatch.setenv("TMPDIR", str(other.home))
        other.lease = other.home / f"jupyter-gpu-bridge-{os.getuid()}" / "lease"
        other.environment["GPU_BRIDGE_LEASE_DIR"] = str(other.lease)
        assert await asyncio.to_thread(other.boot) == 0
        async with near(environment={"TMPDIR": str(other.home)}) as world:
            await world.link.connection.up()
            with pytest.raises(BridgeError, match="This machine has no lease"):
                await ask(world, "die")


async def test_an_agent_that_knows_no_lease_says_so_in_a_sentence() -> None:
    async with near() as world:
        await world.link.connection.up()
        with pytest.raises(BridgeError) as caught:
            await ask(world, "lease-of-the-future")
        assert str(caught.value) == (
            "Our program on the machine is of another version, and does not know what it is asked for. "
            "Connect to it again: that brings this version there."
        )


@pytest.mark.parametrize(
    ("seconds", "serial"), [(-1, "a"), ("x", "a"), (None, "a"), (True, "a"), (1e12, "a"), (600, "a b"), (600, "")]
)
async def test_nonsense_is_refused(seconds: object, serial: object) -> None:
    async with leased() as (world, machine):
        with pytest.raises(BridgeError, match="A lease "):
            await ask(world, "lease", seconds=seconds, serial=serial)
        assert not (machine.lease / "grant").exists()


async def test_a_renewal_keeps_a_real_machine_alive() -> None:
    async with leased() as (world, machine):
        renewal = Renewal(world.link._ask, 4.0)
        task = asyncio.ensure_future(renewal.run())
        try:
            for _ in range(6):
                before = renewal.news
                await until("it is renewed", lambda: renewal.news is not before)  # noqa: B023 - called at once
                assert renewal.news is not None
                assert (renewal.news.problem, renewal.news.left) == ("", 4.0)
                machine.advance(3)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        assert not machine.is_ended()
        machine.advance(4)
        await until("it ends", machine.is_ended)


# the folder ----------------------------------------------------------------------------------------------------------


def test_what_is_written_over_where_the_disk_is_full_can_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = LeaseFolder(tmp_path)
    folder.write("grant", "1 a 12345678")

    def full(source: object, target: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    folder.write("grant", "1 b 600")
    assert (tmp_path / "grant").read_text().splitlines()[0] == "1 b 600"
    assert [path.name for path in tmp_path.iterdir()] == ["grant"]
    with pytest.raises(OSError, match="No space"):
        folder.write("busy", "1 a busy")


def test_a_process_is_told_from_another_one_of_its_number() -> None:
    start = start_of(os.getpid())
    assert is_same(os.getpid(), start)
    assert not is_same(os.getpid(), start + "0")
    assert not is_same(2**22 + 1, "")
