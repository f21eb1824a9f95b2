"""Nothing secret gets to where it does not belong: every file, argument and variable is looked through."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from jupyter_client.manager import AsyncKernelManager

from jupyter_gpu_bridge import plain
from jupyter_gpu_bridge.errors import BadRequest, RentFailed
from jupyter_gpu_bridge.model import RENTED, Profile
from tests.postgres import Postgres
from tests.rentals.renting.command import ran
from tests.rentals.renting.world import PRETEND, Renting, until

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]


async def test_a_rented_kernel_gives_nothing_away(world: Renting) -> None:
    folder = world.bridge.add_profile(Profile("rented", RENTED, order=PRETEND))
    manager = AsyncKernelManager(kernel_name="gpu-bridge-rented")
    await manager.start_kernel()
    client = manager.client()
    client.start_channels()
    await client.wait_for_ready(timeout=30)
    (standing,) = await world.bridge.rentals()
    events = await world.bridge.rental_events(standing.wish.wish_id)
    (machine,) = world.cloud.machines()
    try:
        account_key = str(world.cloud.api["account_key"])
        (attempt,) = (world.home.bridge / "keys").iterdir()
        ours, its = (_body(attempt / name) for name in ("identity", "host"))
        its_own = Path(machine["folder"])
        shown = repr([plain.event(event) for event in events]) + repr(standing.plain())
        for secret in (account_key, ours, its):
            assert secret not in shown
            assert [line for line in _arguments(world) if secret in line] == []
        # The cloud's own files are not ours: what it keeps of a start script is its affair, as with any cloud.
        for file in _files(world.home.folder, without=world.cloud.cloud):
            found = file.read_bytes()
            assert account_key.encode() not in found, file
            if file.parent != attempt:
                assert ours.encode() not in found, file
                assert its.encode() not in found, file
        for file in _files(its_own):
            found = file.read_bytes()
            assert account_key.encode() not in found, file
            assert ours.encode() not in found, file
        for variables in _environments(machine["pids"]):
            assert account_key not in variables
            assert ours not in variables
        log = world.folder(standing.machine) / "link.log"
        assert "the link starts" in log.read_text()
        assert "://" not in log.read_text(), "some clouds want to see the key in the address"
        assert (folder / "kernel.json").read_text().count("order") == 1
        for file in attempt.iterdir():
            assert file.name.endswith(".pub") or file.stat().st_mode & 0o077 == 0, file
    finally:
        client.stop_channels()
        await manager.shutdown_kernel(now=True)
        await world.bridge.end_rental(standing.wish.wish_id, "It was a test.")
        await world.until_over(standing.wish.wish_id)


async def test_the_key_of_an_account_is_had_by_wardens_and_goes_no_further(
    world: Renting, monkeypatch: pytest.MonkeyPatch
) -> None:
    canary = "canary-of-an-account"
    monkeypatch.setenv("RUNPOD_API_KEY", canary)
    world.bridge.add_profile(Profile("rented", RENTED, order=PRETEND))
    manager = AsyncKernelManager(kernel_name="gpu-bridge-rented")
    await manager.start_kernel()
    client = manager.client()
    client.start_channels()
    await client.wait_for_ready(timeout=30)
    (standing,) = await world.bridge.rentals()
    (machine,) = world.cloud.machines()
    try:
        (warden,) = world.wardens()
        assert warden.environ()["RUNPOD_API_KEY"] == canary
        kernel = world.home.kernel(str(manager.kernel_id))
        pids = [kernel.pid, *machine["pids"], *(child.pid for child in warden.children(recursive=True))]
        environments = list(_environments(pids))
        assert len(environments) == len(pids)
        assert [found for found in environments if canary in found] == []
        assert [line for line in _arguments(world) if canary in line] == []
        for file in _files(world.home.folder):
            assert canary.encode() not in file.read_bytes(), file
    finally:
        client.stop_channels()
        await manager.shutdown_kernel(now=True)
        await world.bridge.end_rental(standing.wish.wish_id, "It was a test.")
        await world.until_over(standing.wish.wish_id)


async def test_what_a_machine_that_failed_says_gives_nothing_away(world: Renting) -> None:
    world.cloud.fault("no-ssh")
    standing = await world.want()
    arriving = asyncio.ensure_future(world.bridge.arrive(standing, world.report))
    await until(lambda: any(Path(each["folder"], "console.log").exists() for each in world.billed()))
    (machine,) = world.billed()
    console = Path(machine["folder"], "console.log")
    (attempt,) = (world.home.bridge / "keys").iterdir()
    account_key = str(world.cloud.api["account_key"])
    keys = [(attempt / name).read_text() for name in ("identity", "host")]
    variables = psutil.Process(machine["pids"][0]).environ()
    its_own = json.loads(Path(machine["folder"], "disk", "sandbox.json").read_text())["key"]
    in_one_line = "".join(keys).replace("\n", "\\n")
    words = ["it begins", str(variables), account_key, f"key {its_own}", *keys, in_one_line, "it ends"]
    console.write_text(console.read_text() + "\n".join(words))
    world.cloud.fault("no-capacity")
    with pytest.raises(RentFailed) as failed:
        await arriving
    over = await world.until_over(standing.wish.wish_id)
    events = await world.bridge.rental_events(standing.wish.wish_id)
    (said,) = [event.text for event in events if event.is_console]
    assert "it begins" in said
    assert said.endswith("it ends")
    shown = (
        repr([plain.event(event) for event in events])
        + repr(over.plain())
        + repr(plain.problem(failed.value.as_problem()))
    )
    for how in ((), ("--json",)):
        shown += (await ran("show", standing.wish.wish_id, *how)).out
    assert said.splitlines()[-1] in shown
    left = b"".join(file.read_bytes() for file in _files(world.home.folder, without=world.cloud.cloud))
    for secret in (account_key, its_own, *(line for key in keys for line in key.splitlines()[1:-1])):
        assert secret not in shown
        assert secret.encode() not in left
    log = (world.folder(standing.machine) / "link.log").read_text()
    assert "it begins" not in log


async def test_the_key_of_an_account_is_not_put_on_a_rented_machine_by_a_profile(world: Renting) -> None:
    for environment in ((("VAST_API_KEY", None),), (("RUNPOD_API_KEY", None), ("GREETING", "hello"))):
        with pytest.raises(BadRequest, match="API_KEY is the key of an account"):
            world.bridge.add_profile(Profile("rented", RENTED, order=PRETEND, environment=environment))


async def test_a_team_s_ledger_is_used_with_its_password_which_goes_nowhere_else(
    world: Renting, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    password = "a-word-of-the-team"
    address = postgres.new_database().replace("@", f":{password}@", 1)
    monkeypatch.setenv("JUPYTER_GPU_BRIDGE_LEDGER", address)
    standing = await world.rent()
    try:
        (machine,) = world.cloud.machines()
        assert not (world.home.bridge / "ledger.db").exists(), "somebody has looked into another ledger"
        for variables in _environments(machine["pids"]):
            assert password not in variables
        assert [line for line in _arguments(world) if password in line] == []
        for file in _files(world.home.folder):
            assert password.encode() not in file.read_bytes(), file
    finally:
        await world.bridge.end_rental(standing.wish.wish_id, "It was a test.")
        await world.until_over(standing.wish.wish_id)


def _body(key: Path) -> str:
    """The line of a private key that no other key has."""
    return key.read_text().splitlines()[3]


def _arguments(world: Renting) -> Iterator[str]:
    for process in psutil.process_iter():
        try:
            yield " ".join(process.cmdline())
        except psutil.Error:
            continue


def _environments(pids: list[int]) -> Iterator[str]:
    for pid in pids:
        try:
            yield repr(psutil.Process(pid).environ())
        except psutil.Error:
            continue


def _files(folder: Path, without: Path | None = None) -> Iterator[Path]:
    for place, _, names in os.walk(folder):
        for name in names:
            file = Path(place) / name
            if file.is_file() and (without is None or without not in file.parents):
                yield file
