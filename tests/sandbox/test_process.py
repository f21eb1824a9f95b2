"""The cloud's own process: killed, started again, started by many at once, and ended for want of work."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import subprocess
import sys
import time

import psutil
import pytest

from jupyter_gpu_bridge.errors import Unclear
from jupyter_gpu_bridge.model import Need, SeenState
from jupyter_gpu_bridge.providers.sandbox import Sandbox
from tests.machine.carriers.talk import dialled, output_of, read, write
from tests.sandbox.cloud import DEADLINE, REPOSITORY, SandboxCloud, account, is_open, order, rent, running, until

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(90), pytest.mark.needs("ssh", "ssh-keygen")]


async def test_the_machines_do_not_notice_that_the_cloud_is_killed_and_started_again() -> None:
    with SandboxCloud() as cloud:
        async with account(cloud) as provider:
            box = await rent(cloud, provider)
            before, key = cloud.clock(), cloud.api["account_key"]
            async with dialled(box.dialer(), "exec cat") as pipe:
                cloud.kill()
                await write(pipe, b"still there")
                assert await read(pipe, 11) == b"still there"
                assert await output_of(box.dialer(), "echo new") == "new\n"
                cloud.start()
                await write(pipe, b"and now")
                assert await read(pipe, 7) == b"and now"
            assert cloud.api["account_key"] == key
            assert cloud.clock() == before
            seen = await provider.get(box.ref)
            assert seen == box.seen
            assert cloud.ask("GET", f"/v1/machines/{box.ref}", key=box.own_key)[0] == 200
            await provider.destroy(box.ref)
            assert not is_open(box.seen)
            assert not box.folder.exists()


async def test_what_became_due_while_the_cloud_was_dead_is_done_when_it_is_back() -> None:
    with SandboxCloud(rate=1.0) as cloud:
        async with account(cloud) as provider:
            box = await rent(cloud, provider)
            cloud.control("POST", f"machines/{box.ref}/reclaim", {"notice": 0.3})
            cloud.fault("never-boots", calls=1)
            cloud.kill()
            await asyncio.to_thread(_wait, 0.4)
            assert is_open(box.seen)
            cloud.start()
            await until(lambda: cloud.truth(box.ref)["status"] == "deleted")
            assert not is_open(box.seen)
            assert len(cloud.control("GET", "faults")["faults"]) == 1


async def test_a_machine_that_was_being_destroyed_when_the_cloud_was_killed_is_destroyed() -> None:
    with SandboxCloud() as cloud:
        async with account(cloud) as provider:
            box = await rent(cloud, provider)
            cloud.fault("slow-destroy", calls=1, value=60)
            await provider.destroy(box.ref)
            cloud.kill()
            cloud.start()
            seen = await provider.get(box.ref)
            assert seen is not None
            assert seen.state is SeenState.ENDING
            cloud.advance(60)
            assert await provider.get(box.ref) is None
            assert not is_open(box.seen)


async def test_killing_the_cloud_at_any_moment_of_a_create_leaves_a_machine_that_is_listed_or_none() -> None:
    with SandboxCloud() as cloud:
        async with account(cloud) as provider:
            for number in range(5):
                name = f"gpu-bridge-{number}"
                ordering = asyncio.ensure_future(order(cloud, provider, name))
                await asyncio.sleep(0.006 * number)  # another instant each time
                cloud.kill()
                await asyncio.wait([ordering])
                ordering.exception()
                await _until_it_answers(provider)
                for seen in await provider.list():
                    assert (await running(provider, seen.ref)).name == name
                    await provider.destroy(seen.ref)
            assert await provider.list() == []
            assert all(not each["pids"] for each in cloud.machines())


async def _until_it_answers(provider: Sandbox) -> None:
    """Whoever asks starts it; one that dies just then is started by the next."""
    give_up = time.monotonic() + DEADLINE
    while True:
        try:
            await provider.check()
            return
        except Unclear:
            assert time.monotonic() < give_up, "the cloud does not come back"


async def test_ten_who_need_a_cloud_start_one() -> None:
    cloud = SandboxCloud()
    providers = [cloud.provider() for _ in range(10)]
    try:
        accounts = await asyncio.gather(*(each.check() for each in providers))
        assert len(set(accounts)) == 1
        assert len(_processes(cloud)) == 1
    finally:
        for each in providers:
            await each.close()
        await asyncio.to_thread(cloud.end)


async def test_it_never_runs_twice_for_a_folder() -> None:
    with SandboxCloud() as cloud:
        second = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "jupyter_gpu_bridge.sandbox", str(cloud.cloud)],
            cwd=REPOSITORY,
            capture_output=True,
            timeout=20,
            check=False,
        )
        assert (second.returncode, second.stdout) == (3, b"another one runs\n")
        assert cloud.clock() > 0


async def test_a_cloud_that_was_killed_is_started_by_whoever_asks_next() -> None:
    with SandboxCloud() as cloud:
        provider = cloud.provider()
        before = await provider.check()
        cloud.kill()
        assert await provider.check() == before
        await provider.close()


async def test_it_ends_by_itself_without_machines_and_not_with_one() -> None:
    cloud = SandboxCloud(idle_seconds=0.3)
    cloud.start()
    process = cloud.process
    assert process is not None
    provider = cloud.provider()
    ref = (await provider.create(cloud.plan((await provider.offers(Need()))[0], "gpu-bridge-one"))).ref
    with pytest.raises(subprocess.TimeoutExpired):
        await asyncio.to_thread(process.wait, 1.0)
    await provider.destroy(ref)
    assert await asyncio.to_thread(process.wait, 10.0) == 0
    await provider.close()
    await asyncio.to_thread(cloud.end)


async def test_it_may_be_asked_to_end_and_its_machines_run_on() -> None:
    with SandboxCloud() as cloud:
        async with account(cloud) as provider:
            box = await rent(cloud, provider)
            assert cloud.process is not None
            cloud.process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(cloud.process.wait, 10.0) == 0
            assert await output_of(box.dialer(), "echo here") == "here\n"
            assert (await provider.get(box.ref)) == box.seen


def test_nobody_else_can_read_what_the_cloud_keeps() -> None:
    with SandboxCloud() as cloud:
        for path in cloud.cloud.rglob("*"):
            assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0 or path.parent != cloud.cloud, path
        assert stat.S_IMODE(cloud.cloud.stat().st_mode) == 0o700
        assert stat.S_IMODE((cloud.cloud / "api.json").stat().st_mode) == 0o600


def _processes(cloud: SandboxCloud) -> list[psutil.Process]:
    """Those of the cloud itself."""
    wanted = ["jupyter_gpu_bridge.sandbox", str(cloud.cloud)]
    found = []
    for process in psutil.process_iter():
        try:
            line = process.cmdline()
        except psutil.Error:
            continue
        if process.pid != os.getpid() and all(word in line for word in wanted):
            found.append(process)
    return found


def _wait(seconds: float) -> None:
    """Real time, which is what passes while a cloud is dead."""
    import time

    time.sleep(seconds)
