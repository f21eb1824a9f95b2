"""What RunPod shows of a pod, in all its states and with all its holes; and how a pod is ended."""

from __future__ import annotations

from typing import Any

import pytest

from jupyter_gpu_bridge.errors import KeyForbidden, Unclear
from jupyter_gpu_bridge.model import Money, Ref, Seen, SeenState
from jupyter_gpu_bridge.providers.runpod import RunPod
from jupyter_gpu_bridge.sandbox.http import Answer
from tests.clouds.cloud import SimulatedCloud
from tests.providers.runpod.ordering import account, order, rent
from tests.providers.scripted import scripted

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60)]

POD: dict[str, Any] = {
    "id": "abc",
    "name": "gpu-bridge-x",
    "status": "RUNNING",
    "env": {"GPU_BRIDGE_NAME": "gpu-bridge-x"},
    "cost": 0.44,
    "ssh": {"direct": {"host": "195.26.233.3", "port": 34446, "username": "root"}, "proxy": None},
    "runtime": {"ports": [{"private": 22, "public": 34447, "type": "tcp", "ip": "195.26.233.4"}]},
}


async def _get(pod: object, status: int = 200) -> Seen | None:
    async with scripted(Answer(status, pod)) as script:
        provider = RunPod(key="k", address=script.address)
        try:
            return await provider.get(Ref("abc"))
        finally:
            await provider.close()


async def _seen(pod: object) -> Seen:
    seen = await _get(pod)
    assert seen is not None
    return seen


# one pod -------------------------------------------------------------------------------------------------------------


async def test_a_pod_that_runs_is_translated() -> None:
    seen = await _seen(POD)
    assert (seen.ref, seen.name, seen.state, seen.is_billed) == ("abc", "gpu-bridge-x", SeenState.RUNNING, True)
    assert (seen.address, seen.port, seen.user, seen.price) == ("195.26.233.3", 34446, "root", Money.parse("0.44"))


@pytest.mark.parametrize(
    ("status", "state", "is_billed"),
    [
        ("PROVISIONING", SeenState.BOOTING, True),
        ("STARTING", SeenState.BOOTING, True),
        ("RUNNING", SeenState.RUNNING, True),
        ("EXITED", SeenState.STOPPED, False),
        ("ERROR", SeenState.FAILED, True),
        ("MELTING", SeenState.FAILED, True),
        (None, SeenState.FAILED, True),
    ],
)
async def test_every_status_means_something(status: str | None, state: SeenState, is_billed: bool) -> None:
    seen = await _seen({**POD, "status": status, "cost": 0.44 if is_billed else 0.0})
    assert (seen.state, seen.is_billed) == (state, is_billed)
    assert (seen.address != "") is (status == "RUNNING")  # the ports of one that does not run are old
    assert bool(seen.detail) is (state is SeenState.FAILED)


async def test_one_that_is_terminated_or_unknown_is_not_there() -> None:
    assert await _get({**POD, "status": "TERMINATED"}) is None
    assert await _get({"title": "Not Found", "status": 404, "detail": "pod not found"}, 404) is None


@pytest.mark.parametrize("runtime", [None, {}, {"ports": None}, {"ports": []}, {"ports": [{"private": 8888}]}])
@pytest.mark.parametrize("ssh", [None, {}, {"direct": None}, {"direct": {"host": None, "port": 1}}])
async def test_one_that_runs_may_have_no_port_yet(runtime: object, ssh: object) -> None:
    seen = await _seen({**POD, "runtime": runtime, "ssh": ssh})
    assert (seen.state, seen.address) == (SeenState.RUNNING, "")


async def test_the_way_in_may_be_said_among_the_ports_alone() -> None:
    holed = [{}, {"private": None}, {"private": 22, "public": None, "ip": None}, *POD["runtime"]["ports"]]
    seen = await _seen({**POD, "ssh": {"direct": None}, "runtime": {"ports": holed}})
    assert (seen.address, seen.port) == ("195.26.233.4", 34447)


@pytest.mark.parametrize("missing", ["cost", "ssh", "runtime", "env"])
async def test_what_is_missing_does_no_harm(missing: str) -> None:
    for pod in ({name: value for name, value in POD.items() if name != missing}, {**POD, missing: None}):
        assert (await _seen({**pod, "of_tomorrow": {}})).name == "gpu-bridge-x"


@pytest.mark.parametrize(
    "pod",
    [
        {},
        [],
        None,
        "x",
        {**POD, "id": 7},
        {**POD, "cost": "much"},
        {**POD, "ssh": 1},
        {**POD, "ssh": None, "runtime": [1]},
    ],
)
async def test_a_pod_that_makes_no_sense_is_unclear(pod: object) -> None:
    with pytest.raises(Unclear):
        await _get(pod)


@pytest.mark.parametrize("status", [302, 400, 409, 418])
async def test_no_other_answer_means_that_it_is_gone(status: int) -> None:
    with pytest.raises(Unclear):
        await _get({"detail": "no"}, status)


async def test_the_ports_of_a_pod_come_late(cloud: SimulatedCloud) -> None:
    async with account(cloud) as provider:
        cloud.control("POST", "runpod", {"ports_after": 30})
        ref = await order(cloud, provider)
        while (seen := await provider.get(ref)) is None or seen.state is SeenState.BOOTING:
            pass
        assert (seen.state, seen.address) == (SeenState.RUNNING, "")
        cloud.advance(31)
        seen = await provider.get(ref)
        assert seen is not None
        assert seen.address == "127.0.0.1"


async def test_a_pod_in_error_has_failed(cloud: SimulatedCloud) -> None:
    async with account(cloud) as provider:
        seen = await rent(cloud, provider)
        cloud.control("POST", "runpod", {"is_broken": True})
        broken = await provider.get(seen.ref)
        assert broken is not None
        assert (broken.state, broken.address) == (SeenState.FAILED, "")


async def test_a_restart_moves_the_port_and_a_stop_leaves_an_old_one(cloud: SimulatedCloud) -> None:
    key = cloud.another_key()
    provider = RunPod(key=key, address=str(cloud.api["address"]))
    seen = await rent(cloud, provider)

    def act(action: str) -> tuple[int, Any]:
        return cloud.ask("POST", f"/v2/pods/{seen.ref}/action", {"action": action}, key=key)

    assert act("stop")[0] == 200
    status, pod = cloud.ask("GET", f"/v2/pods/{seen.ref}", key=key)
    assert (status, pod["status"], pod["cost"]) == (200, "EXITED", 0.0)
    assert pod["runtime"]["ports"][0]["public"] == seen.port
    stopped = await provider.get(seen.ref)
    assert stopped is not None
    assert (stopped.state, stopped.address, stopped.is_billed) == (SeenState.STOPPED, "", False)
    assert act("stop")[0] == 409
    assert act("start")[0] == 200
    while (again := await provider.get(seen.ref)) is None or not again.address:
        pass
    assert again.port != seen.port
    await provider.destroy(seen.ref)
    await provider.close()


# all of them ---------------------------------------------------------------------------------------------------------


async def test_only_pods_of_ours_are_listed(cloud: SimulatedCloud) -> None:
    async with account(cloud) as provider:
        await order(cloud, provider, "gpu-bridge-mine")
        await order(cloud, provider, "somebody-elses")
        assert [each.name for each in await provider.list()] == ["gpu-bridge-mine", "somebody-elses"][:1]


async def _list(pods: object) -> list[Seen]:
    async with scripted(Answer(200, pods)) as script:
        provider = RunPod(key="k", address=script.address)
        try:
            return list(await provider.list())
        finally:
            await provider.close()


async def test_one_that_somebody_has_renamed_is_still_ours() -> None:
    (seen,) = await _list({"pods": [{**POD, "name": "Alice's"}]})
    assert seen.name == "gpu-bridge-x"


async def test_pods_of_others_may_be_as_they_like() -> None:
    others = [{"id": "b", "name": None, "env": {}}, {"id": "c", "name": "x", "env": None}]
    assert await _list({"pods": [*others, {**POD, "status": "TERMINATED"}]}) == []


@pytest.mark.parametrize(
    "pods", [None, [], {}, {"pods": None}, {"pods": [None]}, {"pods": [POD, {}]}, {"pods": [{"id": "b"}]}]
)
async def test_a_listing_with_a_hole_is_unclear_and_never_a_shorter_one(pods: object) -> None:
    with pytest.raises(Unclear):
        await _list(pods)


# its end -------------------------------------------------------------------------------------------------------------


async def test_what_is_destroyed_is_gone_and_destroying_it_again_is_fine(cloud: SimulatedCloud) -> None:
    async with account(cloud) as provider:
        seen = await rent(cloud, provider)
        await provider.destroy(seen.ref)
        assert cloud.truth(seen.ref)["ended"] is not None
        assert await provider.get(seen.ref) is None
        await provider.destroy(seen.ref)
        await provider.destroy(Ref("never/was?"))


async def test_a_destroy_that_takes_long_is_not_believed_before_it_is_done(cloud: SimulatedCloud) -> None:
    async with account(cloud) as provider:
        seen = await rent(cloud, provider)
        cloud.fault("slow-destroy", calls=1)
        await provider.destroy(seen.ref)
        still = await provider.get(seen.ref)
        assert still is not None
        assert still.is_billed
        cloud.advance(200)
        assert await provider.get(seen.ref) is None


async def test_one_that_cannot_be_deleted_alone_is_not_taken_for_gone(cloud: SimulatedCloud) -> None:
    async with account(cloud) as provider:
        ref = await order(cloud, provider)
        cloud.control("POST", "runpod", {"is_cluster": True})
        with pytest.raises(Unclear, match="409"):
            await provider.destroy(ref)


async def test_a_key_without_the_right_to_delete_says_so(cloud: SimulatedCloud) -> None:
    async with account(cloud) as provider:
        ref = await order(cloud, provider)
        cloud.control("POST", "runpod", {"forbids": "destroy"})
        with pytest.raises(KeyForbidden, match="access denied"):
            await provider.destroy(ref)
