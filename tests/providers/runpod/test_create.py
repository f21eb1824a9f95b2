"""What is sent when a pod is ordered, what of it reaches the pod, and what a no means."""

from __future__ import annotations

import asyncio
import base64
import gzip
import subprocess
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from jupyter_gpu_bridge.errors import KeyBad, KeyForbidden, KeyUnfunded, NoCapacity, Refused, Unclear
from jupyter_gpu_bridge.machine.lease import HostKey, LeasePlan, Pace, start_script
from jupyter_gpu_bridge.model import Money
from jupyter_gpu_bridge.providers.gate import gates
from jupyter_gpu_bridge.providers.runpod import IMAGE, RunPod
from jupyter_gpu_bridge.sandbox.http import Answer
from tests.clouds.cloud import SimulatedCloud
from tests.machine.carriers.talk import output_of
from tests.providers.runpod.ordering import OFFER, account, order, plan, rent
from tests.providers.scripted import scripted
from tests.sandbox.cloud import is_open, running, until
from tests.sshd import make_key, public_half

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60)]

HOUR = timedelta(hours=1)
GONE = "There are no longer any instances available with the requested specifications. Please refresh and try again."


def made(name: str = "podFindAndDeployOnDemand") -> Answer:
    return Answer(200, {"data": {name: {"id": "abc"}}})


# what is sent --------------------------------------------------------------------------------------------------------


async def test_an_order_is_one_request_that_says_all() -> None:
    async with scripted(made()) as script:
        provider = RunPod(key="secret", address=script.address)
        before = datetime.now(timezone.utc)
        assert (await provider.create(plan(start_script="echo hello"))).ref == "abc"
        (heard,) = script.heard
        assert (heard.method, heard.path, heard.token, heard.query) == ("POST", "/graphql", "secret", {})
        assert "gpu-bridge-x" not in heard.body["query"]  # values travel as variables, and need no quotes
        asked: dict[str, Any] = heard.body["variables"]["input"]
        env = {each["key"]: each["value"] for each in asked.pop("env")}
        ends = datetime.fromisoformat(asked.pop("terminateAfter").replace("Z", "+00:00"))
        assert timedelta(0) <= ends - before - timedelta(hours=8) + timedelta(seconds=1) < timedelta(seconds=30)
        assert asked.pop("dockerArgs").startswith("sh -c '")
        assert asked == {
            "name": "gpu-bridge-x",
            "imageName": IMAGE,
            "cloudType": "SECURE",
            "gpuTypeId": "NVIDIA GeForce RTX 4090",
            "gpuCount": 1,
            "dataCenterId": "EU-RO-1",
            "containerDiskInGb": 20,
            "volumeInGb": 0,
            "ports": "22/tcp",
            "supportPublicIp": True,
            "startSsh": False,
            "startJupyter": False,
            "minCudaVersion": "12.8",
        }
        assert (env["PUBLIC_KEY"], env["GPU_BRIDGE_NAME"]) == ("ssh-ed25519 AAAA us", "gpu-bridge-x")
        assert gzip.decompress(base64.b64decode(env["GPU_BRIDGE_START"])) == b"echo hello"
        await provider.close()


async def test_without_a_limit_it_is_ordered_by_rest() -> None:
    async with scripted(Answer(201, {"id": "abc", "runtime": {}})) as script:
        provider = RunPod(key="k", address=script.address, limits_at_create=False)
        assert (
            await provider.create(plan(replace(OFFER, offer_id="COMMUNITY:2::NVIDIA L4"), image="mine"))
        ).ref == "abc"
        (heard,) = script.heard
        assert (heard.method, heard.path) == ("POST", "/v2/pods")
        assert heard.body["gpu"] == {"id": "NVIDIA L4", "count": 2}
        assert (heard.body["cloud"], heard.body["image"], heard.body["ports"]) == ("COMMUNITY", "mine", ["22/tcp"])
        assert "dataCenterIds" not in heard.body
        assert "no time limit" in provider.traits.gaps()
        await provider.close()


@pytest.mark.parametrize("limits", [True, False])
@pytest.mark.parametrize(
    ("demanded", "image", "asked"),
    [
        ("", None, "12.8"),
        ("12.4", None, "12.8"),
        ("12.10", None, "12.10"),
        ("13", None, "13.0"),
        ("12.4", "mine", "12.4"),
        ("12.6.3", "mine", "12.6"),
        ("", "mine", None),
    ],
)
async def test_the_driver_takes_what_is_demanded_and_what_our_image_needs(
    limits: bool, demanded: str, image: str | None, asked: str | None
) -> None:
    async with scripted(made() if limits else Answer(201, {"id": "abc"})) as script:
        provider = RunPod(key="k", address=script.address, limits_at_create=limits)
        await provider.create(plan(cuda=demanded, image=image))
        body = script.heard[0].body
        what = body["variables"]["input"] if limits else body["gpu"]
        assert what.get("minCudaVersion") == asked
        await provider.close()


@pytest.mark.parametrize("limits", [True, False])
async def test_a_host_with_an_older_driver_than_is_demanded_is_not_taken(cloud: SimulatedCloud, limits: bool) -> None:
    async with account(cloud, limits_at_create=limits) as provider:
        there = replace(OFFER, offer_id="COMMUNITY:1:EU-RO-1:NVIDIA GeForce RTX 4090")
        with pytest.raises(NoCapacity):
            await provider.create(plan(there, image="mine", cuda="12.7"))
        assert (await provider.create(plan(there, image="mine", cuda="12.6"))).ref


async def test_a_gpu_of_amd_gets_no_image_for_cuda(cloud: SimulatedCloud) -> None:
    there = replace(OFFER, offer_id="SECURE:1:EU-RO-1:AMD Instinct MI300X OAM")
    async with account(cloud) as provider:
        with pytest.raises(Refused, match="has no CUDA") as refused:
            await provider.create(plan(there))
        assert "--image" in refused.value.advice
        assert await provider.list() == []
        assert (await provider.create(plan(there, image="rocm/pytorch"))).ref


@pytest.mark.parametrize("limits", [True, False])
async def test_a_pod_is_entered_with_our_keys_and_its_limit_is_the_clouds(cloud: SimulatedCloud, limits: bool) -> None:
    async with account(cloud, limits_at_create=limits) as provider:
        seen = await rent(cloud, provider)
        await until(lambda: is_open(seen))
        assert await output_of(cloud.dialer(seen), "echo $RUNPOD_POD_ID") == f"{seen.ref}\n"
        assert (cloud.truth(seen.ref)["limit_seconds"] is not None) is limits
        cloud.advance(9 * 3600)
        assert (await provider.get(seen.ref) is None) is limits


async def test_an_offer_of_another_provider_is_refused() -> None:
    with pytest.raises(Refused, match="is no offer of RunPod"):
        await RunPod(key="k").create(plan(replace(OFFER, offer_id="offer-07")))


# its start -----------------------------------------------------------------------------------------------------------


def _script(provider: RunPod, tmp_path: Path, **how: Any) -> str:
    key = make_key(tmp_path / "key")
    lease = LeasePlan(
        "gpu-bridge-box",
        HOUR,
        HOUR,
        removal=provider.traits.removal,
        host_key=HostKey(key.read_text(), public_half(key)),
    )
    return start_script(replace(lease, **how))


def test_the_real_start_script_fits_into_one_variable(tmp_path: Path) -> None:
    """Linux takes 128 KiB in one; what RunPod takes is not known, so it is kept small."""
    script = _script(RunPod(key="k"), tmp_path)
    packed = base64.b64encode(gzip.compress(script.encode()))
    assert 19_000 < len(script) < 23_000
    assert 8_000 < len(packed) < 10_000


async def test_the_command_is_one_that_any_splitting_takes_for_the_same() -> None:
    async with scripted(made()) as script:
        provider = RunPod(key="k", address=script.address)
        await provider.create(plan())
        command = script.heard[0].body["variables"]["input"]["dockerArgs"]
        shell, option, line = command.split(" ", 2)
        assert (shell, option) == ("sh", "-c")
        assert line.count("'") == 2
        assert "\\" not in line
        argv = ["sh", "-n", "-c", line[1:-1]]
        ran = await asyncio.to_thread(subprocess.run, argv, capture_output=True, timeout=20, check=False)
        assert (ran.returncode, ran.stderr) == (0, b"")
        await provider.close()


async def test_a_plain_image_is_entered_too(cloud: SimulatedCloud) -> None:
    async with account(cloud) as provider:
        ref = (await provider.create(replace(cloud.plan(OFFER, "gpu-bridge-plain"), image="ubuntu:24.04"))).ref
        seen = await running(provider, ref)
        await until(lambda: is_open(seen))
        assert await output_of(cloud.dialer(seen), "echo hello") == "hello\n"


@pytest.mark.parametrize("takes_keys_of_pods", [True, False])
async def test_a_pod_ends_itself_when_its_lease_has_run_out(
    cloud: SimulatedCloud, tmp_path: Path, takes_keys_of_pods: bool
) -> None:
    """Whether REST takes the key of a pod is not known; GraphQL is asked next."""
    async with account(cloud) as provider:
        cloud.control("POST", "runpod", {"machine_keys": takes_keys_of_pods})
        script = _script(provider, tmp_path, first_lease=timedelta(seconds=1), pace=Pace(tick=0.1))
        ref = await order(cloud, provider, script=script)
        await until(lambda: cloud.truth(ref)["ended"] is not None, within=40)
        assert cloud.truth(ref)["end_reason"] == "asked by the machine"
        asked = [(each["path"], each["outcome"]) for each in cloud.log() if each["key"] == "machine"]
        assert (asked[-1] == ("/graphql", 200)) is not takes_keys_of_pods


async def test_switching_it_off_from_inside_does_not_end_it(cloud: SimulatedCloud) -> None:
    async with account(cloud) as provider:
        seen = await rent(cloud, provider)
        await until(lambda: is_open(seen))
        await (await cloud.dialer(seen).dial("poweroff")).close()
        await until(lambda: cloud.truth(seen.ref)["status"] == "off")
        again = await provider.get(seen.ref)
        assert again is not None
        assert again.is_billed


# what a no means -----------------------------------------------------------------------------------------------------


async def test_a_create_whose_answer_is_lost_was_done_once_and_is_in_the_listing(
    cloud: SimulatedCloud,
) -> None:
    async with account(cloud) as provider:
        for kind in ("answer-lost", "error-after", "garbage"):
            cloud.fault(kind, calls=1)
            with pytest.raises(Unclear):
                await order(cloud, provider, f"gpu-bridge-{kind}")
        assert {each.name for each in await provider.list()} == {
            "gpu-bridge-answer-lost",
            "gpu-bridge-error-after",
            "gpu-bridge-garbage",
        }


@pytest.mark.parametrize("limits", [True, False])
async def test_no_stock_no_money_no_right_and_nonsense_are_told_apart(cloud: SimulatedCloud, limits: bool) -> None:
    provider = RunPod(key=cloud.another_key(), address=str(cloud.api["address"]), limits_at_create=limits)
    cloud.fault("no-capacity", calls=1)
    with pytest.raises(NoCapacity, match="no longer any instances"):
        await order(cloud, provider)
    with pytest.raises(NoCapacity):
        await provider.create(plan(replace(OFFER, offer_id="SECURE:1:US-KS-2:NVIDIA B200")))
    cloud.control("POST", "runpod", {"balance": "0.10"})
    with pytest.raises(KeyUnfunded, match="balance"):
        await order(cloud, provider)
    cloud.control("POST", "runpod", {"balance": "100", "forbids": "create"})
    with pytest.raises(KeyForbidden, match="access denied"):
        await order(cloud, provider)
    cloud.control("POST", "runpod", {"forbids": "", "html": 1})
    with pytest.raises(Unclear):
        await order(cloud, provider)
    await _destroy_all(provider)
    cloud.control("POST", "runpod", {"per_minute": 1})  # its clock stands, so that is spent
    with pytest.raises(Refused, match="rate limit exceeded"):
        await order(cloud, provider)
    cloud.control("POST", "runpod", {"per_minute": 0})
    await _destroy_all(provider)
    assert await provider.list() == []
    await provider.close()


async def _destroy_all(provider: RunPod) -> None:
    gates().reset("runpod")  # whatever a test has done to this account
    await provider.close()
    for seen in await provider.list():
        await provider.destroy(seen.ref)


async def test_a_rule_that_is_broken_is_no_lack_of_stock(cloud: SimulatedCloud) -> None:
    provider = RunPod(key=cloud.another_key(), address=str(cloud.api["address"]), limits_at_create=False)
    cloud.control("POST", "runpod", {"quarrels": 3})
    for _ in range(3):
        with pytest.raises(Refused, match=r"status 400: mounts\.persistent") as refused:
            await order(cloud, provider)
        assert not isinstance(refused.value, NoCapacity)
    await provider.close()


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer(200, {"errors": [{"message": GONE}], "data": None}), NoCapacity),
        (Answer(200, {"errors": [{"message": GONE.replace("Please", "... with enough disk space.")}]}), NoCapacity),
        (
            Answer(
                200,
                {
                    "errors": [
                        {
                            "message": "Something went wrong. Please try again later or contact support.",
                            "extensions": {"code": "INTERNAL_SERVER_ERROR"},
                        }
                    ]
                },
            ),
            Unclear,
        ),
        (Answer(200, {"errors": [{"message": "No.", "extensions": {"code": "FORBIDDEN"}}]}), KeyForbidden),
        (Answer(200, {"errors": [{"message": "No.", "extensions": {"code": "BAD_USER_INPUT"}}]}), Refused),
        (Answer(200, {"errors": [{"message": "Your account balance is too low."}]}), KeyUnfunded),
        (Answer(400, {"errors": [{"message": 'Variable "$input" got invalid value'}]}), Refused),
        (Answer(401, {"errors": [{"message": "no"}]}), KeyBad),
        (Answer(402, {"detail": "Pay."}), KeyUnfunded),
        (Answer(422, {"detail": "Request validation failed.", "errors": ["$: missing property 'image'"]}), Refused),
        (Answer(500, {"error": "oh", "status": 500}), Unclear),
        (Answer(302, None, {"Location": "https://elsewhere.example/"}), Unclear),
        (Answer(400, raw=b"<html>Bad</html>", headers={"Content-Type": "text/html"}), Unclear),
        (Answer(200, raw=b'{"data": {"podFind'), Unclear),
        (Answer(200, {"data": {"podFindAndDeployOnDemand": None}}), Unclear),
        (Answer(200, {"data": {"podFindAndDeployOnDemand": {"id": 7}}}), Unclear),
        (Answer(200, {"errors": "none"}), Unclear),
        (Answer(200, []), Unclear),
        (Answer(200, None), Unclear),
    ],
)
async def test_every_answer_to_an_order_is_told_apart(answer: Answer, kind: type[Exception]) -> None:
    async with scripted(answer) as script:
        provider = RunPod(key="k", address=script.address)
        with pytest.raises(kind):
            await provider.create(plan())
        assert len(script.heard) == 1
        await provider.close()


async def test_a_pod_that_was_made_beside_an_error_is_ours() -> None:
    both = Answer(200, {"errors": [{"message": "runtime"}], "data": {"podFindAndDeployOnDemand": {"id": "abc"}}})
    async with scripted(both) as script:
        provider = RunPod(key="k", address=script.address)
        assert (await provider.create(plan())).ref == "abc"
        await provider.close()


async def test_what_it_repeats_of_our_order_shows_no_private_key(tmp_path: Path) -> None:
    provider = RunPod(key="topsecret", address="http://127.0.0.1:1")
    script = _script(provider, tmp_path)

    def echo(request: Any) -> Answer:
        return Answer(400, {"errors": [{"message": f"{request.token} got invalid value {request.body['variables']}"}]})

    async with scripted(echo) as cloud:
        provider = RunPod(key="topsecret", address=cloud.address)
        with pytest.raises(Refused) as refused:
            await provider.create(plan(start_script=script))
        env = {each["key"]: each["value"] for each in cloud.heard[0].body["variables"]["input"]["env"]}
        assert "topsecret" not in str(refused.value)
        assert env["GPU_BRIDGE_START"][:60] not in str(refused.value)
        await provider.close()


async def test_a_dearer_price_is_seen_on_the_pod(cloud: SimulatedCloud) -> None:
    """An order cannot name a price, so a rise in the instant before it only shows afterwards."""
    async with account(cloud) as provider:
        cloud.fault("price-changed", calls=1)
        offer = replace(OFFER, offer_id="SECURE:1:EU-RO-1:NVIDIA L4", price=Money.parse("0.432740"))
        seen = await running(provider, (await provider.create(cloud.plan(offer, "gpu-bridge-x"))).ref)
        assert seen.price == Money.parse("0.473")
