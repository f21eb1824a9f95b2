"""A Jupyter server that starts sees to it that somebody looks after what is rented."""

from __future__ import annotations

import signal

import pytest

from jupyter_gpu_bridge.rentals.ledger import Ledger
from tests.kernels.jupyter import JupyterServer
from tests.rentals.renting.world import Renting, until

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]


async def test_wardens_that_died_with_everything_are_back_when_a_server_starts(world: Renting) -> None:
    rented = await world.rent()
    unwanted = await world.rent(key="name:unwanted")
    world.kill_wardens()
    with Ledger.open() as ledger:
        ledger.close_wish(unwanted.wish.wish_id, "It was a test.", unwanted.wish.asked)
    server = JupyterServer(world.home.folder)
    server.start()
    try:
        await world.until_over(unwanted.wish.wish_id)
        assert rented.rental is not None
        assert [each["name"] for each in world.billed()] == [rented.rental.name]
        await until(lambda: "Rentals that are looked after: 2." in server.log)
    finally:
        await server.end(signal.SIGTERM)
    await until(lambda: len(world.wardens()) == 1)
    await world.bridge.end_rental(rented.wish.wish_id, "It was a test.")
    await world.until_over(rented.wish.wish_id)
