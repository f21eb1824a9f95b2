"""What is made of all that an instance may look like."""

from __future__ import annotations

import pytest

from jupyter_gpu_bridge.errors import Unclear
from jupyter_gpu_bridge.model import Need, Offer, SeenState
from tests.machine.carriers.talk import output_of
from tests.providers.vast.there import There, in_account
from tests.sandbox.cloud import is_open, until

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60)]

STOPPED = {"intended_status": "stopped", "cur_state": "stopped", "next_state": "stopped"}


@pytest.mark.parametrize(
    ("shown", "state"),
    [
        ({"actual_status": None}, SeenState.BOOTING),
        ({"actual_status": "created"}, SeenState.BOOTING),
        ({"actual_status": "created", "status_msg": "Error: OCI runtime create failed: no GPU"}, SeenState.FAILED),
        ({"actual_status": "loading"}, SeenState.BOOTING),
        ({"actual_status": "running"}, SeenState.RUNNING),
        ({"actual_status": "exited"}, SeenState.STOPPED),
        ({"actual_status": "stopped"}, SeenState.STOPPED),
        ({"actual_status": "offline"}, SeenState.FAILED),
        ({"actual_status": "unknown"}, SeenState.BOOTING),
        ({"actual_status": "frozen"}, SeenState.BOOTING),
        ({"actual_status": "a word of tomorrow"}, SeenState.BOOTING),
        ({"actual_status": "loading", **STOPPED}, SeenState.STOPPED),
        ({"actual_status": None, **STOPPED}, SeenState.STOPPED),
        ({"actual_status": "running", **STOPPED}, SeenState.STOPPED),
        ({"actual_status": "loading", **dict.fromkeys(STOPPED)}, SeenState.BOOTING),
    ],
)  # fmt: skip
@in_account
async def test_each_status_means_something_and_all_of_them_cost(
    there: There, shown: dict[str, str | None], state: SeenState
) -> None:
    there.cloud.fault("never-boots", calls=1)
    ref = await there.order()
    there.show(ref, **shown)
    seen = await there.vast.get(ref)
    assert seen is not None
    assert (seen.state, seen.is_billed) == (state, True)
    (listed,) = await there.vast.list()
    assert listed == seen


@in_account
async def test_a_machine_that_never_leaves_loading_boots_and_has_no_address(there: There) -> None:
    there.cloud.fault("never-boots", calls=1)
    ref = await there.order()
    seen = await there.vast.get(ref)
    assert seen is not None
    assert (seen.state, seen.address) == (SeenState.BOOTING, "")
    assert there.row(ref)["actual_status"] == "loading"


@in_account
async def test_the_direct_pair_is_taken_and_stripped(there: There) -> None:
    ref = await there.order()
    seen = await there.running(ref)
    row = there.row(ref)
    assert row["public_ipaddr"] == "127.0.0.1\n"
    assert (seen.address, seen.port) == ("127.0.0.1", int(row["ports"]["22/tcp"][0]["HostPort"]))
    assert (row["ssh_host"], row["ssh_port"]) != (seen.address, seen.port)


@in_account
async def test_ports_that_come_late_are_waited_for(there: There) -> None:
    there.switch(ports_late=60)
    ref = await there.order()
    seen = await there.seen(ref, lambda seen: seen.state is SeenState.RUNNING)
    assert there.row(ref)["ports"] is None
    assert (seen.address, seen.port) == ("", 22)
    there.cloud.advance(61)
    seen = await there.running(ref)
    assert seen.address == "127.0.0.1"


@pytest.mark.parametrize(
    "shown", [{"ports": None}, {"ports": {}}, {"ports": {"22/tcp": None}}, {"public_ipaddr": None}]
)
@in_account
async def test_where_no_direct_way_comes_the_whole_pair_of_the_proxy_is_taken(
    there: There, shown: dict[str, object]
) -> None:
    ref = await there.order()
    there.show(ref, **shown)
    await there.seen(ref, lambda seen: seen.state is SeenState.RUNNING)
    there.cloud.advance(121)
    seen = await there.running(ref)
    row = there.row(ref)
    assert (seen.address, seen.port) == (row["ssh_host"], row["ssh_port"])
    await until(lambda: is_open(seen))
    assert await output_of(there.cloud.dialer(seen), "echo through") == "through\n"


@pytest.mark.parametrize("field", ["uptime_mins", "ports", "public_ipaddr", "status_msg", "dph_total", "machine_id"])
@in_account
async def test_a_field_that_is_missing_is_nothing_special(there: There, field: str) -> None:
    ref = await there.order()
    there.control("hide", machine=ref, fields=[field])
    await there.seen(ref, lambda seen: seen.state is SeenState.RUNNING)
    there.cloud.advance(121)
    assert (await there.running(ref)).address


@in_account
async def test_a_bid_that_is_beaten_is_seen_as_stopped_without_notice(there: There) -> None:
    spot = min(
        (each for each in await there.vast.offers(Need(allows_spot=True)) if each.is_spot), key=lambda o: o.price
    )
    ref = await there.order(offer=spot)
    await there.running(ref)
    await there.order("gpu-bridge-abcdefgh-000000000001", await _on_demand(there, spot.offer_id))
    seen = await there.seen(ref, lambda seen: seen.state is SeenState.STOPPED)
    assert (seen.is_billed, seen.reclaim_at, seen.address) == (True, None, "")
    await there.vast.destroy(ref)
    assert await there.vast.get(ref) is None


async def _on_demand(there: There, spot: str) -> Offer:
    number = spot.partition("@")[0]
    return next(each for each in await there.vast.offers(Need()) if each.offer_id == number)


@in_account
async def test_pages_are_read_to_the_end_and_a_page_that_fails_makes_the_listing_unclear(there: There) -> None:
    made = []
    for number in range(27):
        there.cloud.fault("never-boots", calls=1)
        offer = await there.offer(index=0)
        made.append(await there.order(f"gpu-bridge-abcdefgh-{number:012d}", offer))
    before = len(there.calls("list"))
    assert sorted(each.ref for each in await there.vast.list()) == sorted(made)
    assert len(there.calls("list")) - before == 2
    there.cloud.fault("error-before", verb="list", calls=5)
    with pytest.raises(Unclear):
        await there.vast.list()
