"""A warden that hangs is replaced, and keeps nobody from ending or looking after anything."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

from jupyter_gpu_bridge.machine.link import client
from jupyter_gpu_bridge.rentals.ledger import Ledger
from tests.rentals.renting.command import Command
from tests.rentals.renting.world import Renting, until

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]


@contextmanager
def _hanging(process: psutil.Process) -> Iterator[None]:
    with Ledger.open() as ledger, ledger._database.writing():  # else it might be stopped in the midst of that
        process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        if process.is_running():
            process.kill()


async def test_all_wishes_are_closed_at_once_although_a_warden_hangs(world: Renting) -> None:
    first = await world.rent(key="name:first")
    second = await world.rent(key="name:second")
    with _hanging(world.home.processes("rentals.warden", second.wish.wish_id)[0]):
        command = await Command.start("stop", "--all", "--yes")
        with Ledger.open() as ledger:
            await until(lambda: not ledger.wishes(), within=client.HELLO_WITHIN)
        ran = await command.ended()
    assert (ran.status, world.billed()) == (0, [])
    assert f"The warden of {second.wish.wish_id[:8]}" in ran.err
    assert "hung, and was replaced" in ran.err
    assert all(f"Ended {each.wish.wish_id[:8]}" in ran.out for each in (first, second))


async def test_the_guard_replaces_a_warden_that_hangs_and_says_so(
    world: Renting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "HELLO_WITHIN", 2.0)
    standing = await world.rent()
    (warden,) = world.wardens()
    with _hanging(warden):
        round_ = await world.bridge.guard()
        assert [each.wish.wish_id for each in round_.watched] == [standing.wish.wish_id]
        assert round_.troubles == [
            f"The warden of {standing.wish.wish_id[:8]} (process {warden.pid}) hung, and was replaced."
        ]
        assert not warden.is_running()
    await until(lambda: len(world.wardens()) == 1)
    await world.bridge.end_rental(standing.wish.wish_id, "It was a test.")
    await world.until_over(standing.wish.wish_id)
    assert world.billed() == []
