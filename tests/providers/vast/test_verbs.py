"""The plain life of an instance, over HTTP."""

from __future__ import annotations

import base64
import gzip
from decimal import Decimal
from pathlib import Path

import pytest

from jupyter_gpu_bridge.errors import Refused
from jupyter_gpu_bridge.model import Money, Need, Ref, SeenState, SelfRemovalCall
from jupyter_gpu_bridge.providers.clouds import clouds_set_up
from jupyter_gpu_bridge.providers.vast import IMAGE, Vast
from tests.machine.carriers.talk import output_of
from tests.providers.vast.there import NAME, There, in_account
from tests.sandbox.cloud import is_open, until

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60)]


@in_account
async def test_the_account_has_its_credit_and_gives_no_key_away(there: There) -> None:
    account = await there.vast.check()
    assert account.balance == Money.parse("25")
    assert account.title.endswith("@example.com")
    assert there.key not in repr(account)
    assert account.fingerprint == (await there.vast.check()).fingerprint


@in_account
async def test_an_offer_has_all_that_is_told_of_it(there: There) -> None:
    (offer,) = [each for each in await there.vast.offers(Need(disk_gib=50)) if each.offer_id == "20000002"]
    row = next(
        each
        for each in there.ask("POST", "/api/v0/bundles/", {"allocated_storage": 54})[1]["offers"]
        if each["id"] == 20000002
    )
    assert offer.price == Money.parse(Decimal(repr(row["dph_total"])))
    assert offer.price > Money.parse(Decimal(repr(row["dph_base"])))
    assert (offer.gpu, offer.sold_as, offer.gpu_count, offer.gpu_memory_mib) == ("RTX 4090", "RTX 4090", 1, 24576)
    assert (offer.cpus, offer.memory_mib, offer.disk_gib) == (16, 64401, 50)
    assert (offer.host, offer.tier, offer.region) == (str(row["machine_id"]), "community", "NO")
    assert (offer.is_verified, offer.reliability, offer.benchmark) == (True, 0.9951, 11.5)
    assert (offer.down_mbps, offer.up_mbps) == (845, 612)
    assert offer.down_price == offer.up_price == Money.parse("0.003")
    assert (offer.cuda, offer.compute_capability) == ("12.8", "8.9")
    assert offer.lasts is not None
    assert offer.lasts.days == 14
    assert not offer.is_spot


@in_account
async def test_a_spot_offer_costs_the_bid_and_the_disk_and_is_bid_for_as_much(there: There) -> None:
    offers = await there.vast.offers(Need(allows_spot=True))
    spot = min((each for each in offers if each.is_spot), key=lambda each: each.price)
    number, _, bid = spot.offer_id.partition("@")
    plain = next(each for each in offers if each.offer_id == number)
    assert Money.parse(bid) < spot.price < plain.price
    ref = await there.order(offer=spot)
    row = there.row(ref)
    assert row["is_bid"]
    assert Money.parse(Decimal(repr(row["dph_base"]))) == Money.parse(bid)
    assert (await there.running(ref)).price == spot.price


@in_account
async def test_an_order_is_one_request_and_says_what_it_has_to(there: There) -> None:
    offer = await there.offer()
    ref = await there.order(script="echo began >begun\n", offer=offer)
    assert len(there.calls("create")) == 1
    row = there.row(ref)
    assert (row["label"], row["image_uuid"], row["disk_space"], row["is_bid"]) == (NAME, IMAGE, 33.0, False)
    environment = dict(row["extra_env"])
    script = gzip.decompress(base64.b64decode(environment["GPU_BRIDGE_START"])).decode()
    assert script.endswith("echo began >begun\n")


@in_account
async def test_a_machine_can_be_entered_with_the_key_that_was_attached_and_shows_the_host_key_it_was_given(
    there: There,
) -> None:
    ref = await there.order(script="echo began >begun\n")
    seen = await there.running(ref)
    assert (seen.name, seen.state, seen.user, seen.is_billed) == (NAME, SeenState.RUNNING, "root", True)
    assert len(there.calls("attach")) == 1
    await until(lambda: is_open(seen))
    assert await output_of(there.cloud.dialer(seen), "cat begun") == "began\n"
    assert (await output_of(there.cloud.dialer(seen), "cat .ssh/authorized_keys")).count("ssh-ed25519") == 1
    assert await output_of(there.cloud.dialer(seen), "ls -A") == ".no_auto_tmux\n.ssh\nbegun\n"


@in_account
async def test_looking_again_attaches_nothing_twice(there: There) -> None:
    ref = await there.order()
    await there.running(ref)
    for _ in range(3):
        await there.vast.get(ref)
    assert len(there.calls("attach")) == 1
    assert there.ask("GET", "/api/v0/ssh/") == (200, [])


@in_account
async def test_whoever_looks_first_after_a_death_attaches_the_key(there: There) -> None:
    """The order was sent, and its sender died with all that it knew."""
    ref = await there.order()
    successor = Vast(key=there.key, address=str(there.cloud.api["address"]))
    (found,) = await successor.list()
    assert (found.ref, found.name) == (ref, NAME)
    await until(lambda: there.row(ref)["ports"])
    await successor.get(ref)
    await successor.close()
    assert len(there.calls("attach")) == 1


@in_account
async def test_a_machine_whose_key_cannot_be_attached_is_not_there_to_be_entered_until_it_can(there: There) -> None:
    ref = await there.order()
    await until(lambda: there.row(ref)["ports"])
    there.refuse("attach", "json")
    with pytest.raises(Refused):
        await there.vast.get(ref)
    assert [each.ref for each in await there.vast.list()] == [ref]
    assert (await there.running(ref)).address
    assert [each["outcome"] for each in there.calls("attach")] == [429, 200]


@in_account
async def test_destroying_is_idempotent_and_what_was_never_there_is_not_there(there: There) -> None:
    ref = await there.order()
    await there.vast.destroy(ref)
    await there.vast.destroy(ref)
    assert await there.vast.get(ref) is None
    assert await there.vast.list() == []
    await there.vast.destroy(Ref("999"))
    assert await there.vast.get(Ref("999")) is None


@in_account
async def test_only_ours_are_listed_over_all_pages(there: There) -> None:
    for number in range(3):
        await there.order(f"gpu-bridge-abcdefgh-{number:012d}", await there.offer(index=number))
    await there.order("somebody-elses", await there.offer())
    listed = await there.vast.list()
    assert sorted(each.name for each in listed) == [f"gpu-bridge-abcdefgh-{number:012d}" for number in range(3)]
    for each in there.ask("GET", "/api/v0/instances/")[1]["instances"]:
        await there.vast.destroy(Ref(str(each["id"])))


def test_without_a_key_it_is_not_set_up_and_the_older_names_count(
    own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "vast" not in clouds_set_up()
    for name in ("VAST_AI_API_KEY", "VASTAI_API_KEY", "VAST_API_KEY"):
        monkeypatch.setenv(name, "x")
        assert "vast" in clouds_set_up()


def test_it_ends_itself_with_the_key_of_its_instance_at_the_address_that_is_asked() -> None:
    (step,) = Vast(key="x", address="http://127.0.0.1:1/").traits.removal
    assert step == SelfRemovalCall("DELETE", "http://127.0.0.1:1/api/v0/instances/{CONTAINER_ID}/", "CONTAINER_API_KEY")
    assert "takes no time limit" in Vast(key="x").traits.gaps()
