from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.provisioning.factory import KernelProvisionerFactory
from tornado.httpclient import HTTPClientError

from jupyter_gpu_bridge import __version__
from jupyter_gpu_bridge.errors import (
    BridgeError,
    HostKeyChanged,
    KernelFailed,
    LinkLost,
    LoginRefused,
    Unreachable,
)
from jupyter_gpu_bridge.model import (
    Host,
    KernelId,
    KernelState,
    KernelView,
    MachineRef,
    MachineState,
    MachineView,
    Profile,
)
from jupyter_gpu_bridge.naming import CHANGED
from jupyter_gpu_bridge.server.app import GpuBridgeApp
from tests.bridges import ScriptedBridge
from tests.server import surviving

BOX = MachineRef("ssh", "box")

KERNEL = KernelView(
    KernelId("0b3c"),
    BOX,
    KernelState.BUSY,
    attached=True,
    profile="box",
    path="a.ipynb",
    pid=42,
    started=datetime(2026, 11, 20, 12, 0, tzinfo=timezone.utc),
)

VIEW = MachineView(BOX, "box", MachineState.CONNECTED, carrier="openssh", round_trip_ms=1.2, kernels=(KERNEL,))

Fetch = Callable[..., Any]

LONELY = "00000000-0000-4000-8000-000000000001"

ROUTES = ["machines", "kernels", "kernels/0b3c/log", "profiles", "version", "health", "nowhere"]


@pytest.fixture
def jp_server_config() -> dict[str, Any]:
    return {"ServerApp": {"jpserver_extensions": {"jupyter_gpu_bridge": True}, "allow_unauthenticated_access": False}}


@pytest.fixture
def bridge(own_home: object, jp_serverapp: Any) -> ScriptedBridge:
    scripted = ScriptedBridge([VIEW])
    extension_of(jp_serverapp).bridge = scripted
    return scripted


@pytest.fixture
def surviving_kernels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SURVIVORS", str(tmp_path / "survivors"))
    surviving.register()
    yield
    KernelProvisionerFactory.clear_instance()


def extension_of(server: Any) -> GpuBridgeApp:
    (app,) = server.extension_manager.extension_apps["jupyter_gpu_bridge"]
    assert isinstance(app, GpuBridgeApp)
    return app


async def refused(fetch: Fetch, *parts: str, **options: Any) -> tuple[int, dict[str, str]]:
    with pytest.raises(HTTPClientError) as refusal:
        await fetch("gpu-bridge", "api", "v1", *parts, **options)
    assert refusal.value.response is not None
    assert refusal.value.response.headers["Content-Type"] == "application/json"
    answer = json.loads(refusal.value.response.body)
    assert set(answer) == {"error", "message", "advice"}
    return refusal.value.code, answer


async def test_machines_come_with_their_profiles_and_kernels(bridge: ScriptedBridge, jp_fetch: Fetch) -> None:
    bridge.add_host(Host("box", "gpu"))
    bridge.add_profile(Profile("box", BOX, "The box"))
    bridge.add_profile(Profile("here", MachineRef("local")))
    answer = json.loads((await jp_fetch("gpu-bridge", "api", "v1", "machines")).body)
    assert isinstance(answer.pop("revision"), int)
    assert abs(datetime.fromisoformat(answer.pop("now")) - datetime.now(timezone.utc)) < timedelta(minutes=1)
    assert answer == {
        "rentals": [],
        "machines": [
            {
                "ref": "ssh:box",
                "provider": "ssh",
                "name": "box",
                "title": "box",
                "state": "connected",
                "detail": "",
                "carrier": "openssh",
                "round_trip_ms": 1.2,
                "profiles": [{"name": "box", "display_name": "The box", "kernel_name": "gpu-bridge-box"}],
                "kernels": [
                    {
                        "kernel_id": "0b3c",
                        "machine": "ssh:box",
                        "state": "busy",
                        "attached": True,
                        "profile": "box",
                        "path": "a.ipynb",
                        "pid": 42,
                        "started": "2026-11-20T12:00:00+00:00",
                        "last_activity": None,
                        "detail": "",
                        "foreign": False,
                    }
                ],
            }
        ],
    }


async def test_a_kernel_is_shown_by_the_name_that_its_notebook_has_now(bridge: ScriptedBridge, jp_fetch: Fetch) -> None:
    wanted = {"path": "Untitled.ipynb", "name": "Untitled.ipynb", "type": "notebook", "kernel": {"name": "python3"}}
    session = json.loads((await jp_fetch("api", "sessions", method="POST", body=json.dumps(wanted))).body)
    kernel = KernelView(KernelId(session["kernel"]["id"]), BOX, KernelState.IDLE, attached=True, path="/Untitled.ipynb")
    bridge.views = [MachineView(BOX, "box", MachineState.CONNECTED, kernels=(kernel,))]
    renamed = json.dumps({"path": "work/train.ipynb", "name": "train.ipynb"})
    await jp_fetch("api", "sessions", session["id"], method="PATCH", body=renamed)
    answer = json.loads((await jp_fetch("gpu-bridge", "api", "v1", "machines")).body)
    assert [each["path"] for each in answer["machines"][0]["kernels"]] == ["work/train.ipynb"]
    await jp_fetch("api", "sessions", session["id"], method="DELETE")


async def test_the_other_lists_and_the_version(bridge: ScriptedBridge, jp_fetch: Fetch) -> None:
    bridge.add_profile(Profile("here", MachineRef("local"), environment=(("HF_TOKEN", None),)))
    kernels = json.loads((await jp_fetch("gpu-bridge", "api", "v1", "kernels")).body)
    profiles = json.loads((await jp_fetch("gpu-bridge", "api", "v1", "profiles")).body)
    log = json.loads((await jp_fetch("gpu-bridge", "api", "v1", "kernels", "0b3c", "log")).body)
    version = json.loads((await jp_fetch("gpu-bridge", "api", "v1", "version")).body)
    assert [kernel["kernel_id"] for kernel in kernels["kernels"]] == ["0b3c"]
    assert profiles["profiles"][0]["kernel_name"] == "gpu-bridge-here"
    assert profiles["profiles"][0]["environment"] == {"HF_TOKEN": None}
    assert log == {"kernel_id": "0b3c", "log": "it said this\n"}
    assert version == {"version": __version__}


async def test_a_profile_is_made_once_however_often_it_is_asked_for(bridge: ScriptedBridge, jp_fetch: Fetch) -> None:
    wanted = {"name": "local", "machine": "local", "display_name": "Here"}
    address = ("gpu-bridge", "api", "v1", "profiles")
    made = await jp_fetch(*address, method="POST", body=json.dumps(wanted))
    again = await jp_fetch(*address, method="POST", body=json.dumps({**wanted, "display_name": "There"}))
    assert (made.code, again.code) == (201, 200)
    assert json.loads(made.body) == json.loads(again.body)
    assert json.loads(made.body)["kernel_name"] == "gpu-bridge-local"
    assert bridge.profiles() == [Profile("local", MachineRef("local"), "Here")]


async def test_a_profile_for_something_else_is_left_alone(bridge: ScriptedBridge, jp_fetch: Fetch) -> None:
    bridge.add_host(Host("box", "gpu"))
    bridge.add_profile(Profile("local", BOX, "The box"))
    code, answer = await refused(jp_fetch, "profiles", method="POST", body='{"name": "local", "machine": "local"}')
    assert (code, answer["error"]) == (409, "profile-taken")
    assert "ssh:box" in answer["message"]
    assert [profile.machine for profile in bridge.profiles()] == [BOX]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("", 400),
        ("rubbish", 400),
        ("[]", 400),
        ('{"name": "local"}', 400),
        ('{"name": "local", "machine": 7}', 400),
        ('{"name": "local", "machine": "local", "python": "/bin/evil"}', 400),
        ('{"name": "../x", "machine": "local"}', 400),
        ('{"name": "local", "machine": "ssh:nowhere"}', 404),
    ],
)
async def test_what_describes_no_profile_is_refused(
    bridge: ScriptedBridge, jp_fetch: Fetch, body: str, status: int
) -> None:
    code, answer = await refused(jp_fetch, "profiles", method="POST", body=body)
    assert code == status
    assert answer["message"]
    assert bridge.profiles() == []


async def test_strangers_make_no_profiles(bridge: ScriptedBridge, jp_fetch: Fetch) -> None:
    body = '{"name": "local", "machine": "local"}'
    code, _ = await refused(jp_fetch, "profiles", method="POST", body=body, headers={"Authorization": "token wrong"})
    assert code == 403
    assert bridge.profiles() == []


async def test_a_kernel_is_stopped_once_and_then_unknown(bridge: ScriptedBridge, jp_fetch: Fetch) -> None:
    response = await jp_fetch("gpu-bridge", "api", "v1", "kernels", "0b3c", method="DELETE")
    assert (response.code, bridge.stopped) == (204, ["0b3c"])
    code, answer = await refused(jp_fetch, "kernels", "gone", method="DELETE")
    assert (code, answer["error"]) == (404, "kernel-unknown")
    assert answer["advice"]


async def _adopt(fetch: Fetch, kernel_id: str) -> Any:
    response = await fetch("gpu-bridge", "api", "v1", "kernels", kernel_id, "adoption", method="POST", body="")
    return json.loads(response.body)


async def test_a_kernel_that_nobody_has_is_given_to_the_server_with_its_notebook(
    bridge: ScriptedBridge, jp_fetch: Fetch, jp_serverapp: Any, surviving_kernels: None
) -> None:
    bridge.add_profile(Profile("here", MachineRef("local")))
    notebook = Path(jp_serverapp.root_dir) / "a.ipynb"
    notebook.write_text("{}")
    lonely = KernelView(KernelId(LONELY), MachineRef("local"), KernelState.IDLE, False, "here", str(notebook))
    bridge.views = [MachineView(lonely.machine, "This computer", MachineState.CONNECTED, kernels=(lonely,))]
    answer = {"kernel_id": LONELY, "kernel_name": "gpu-bridge-here", "path": "a.ipynb"}
    assert await _adopt(jp_fetch, LONELY) == answer
    assert LONELY in jp_serverapp.kernel_manager
    assert await _adopt(jp_fetch, LONELY) == answer

    wanted = {"path": "a.ipynb", "name": "a.ipynb", "type": "notebook", "kernel": {"id": LONELY}}
    session = json.loads((await jp_fetch("api", "sessions", method="POST", body=json.dumps(wanted))).body)
    assert session["kernel"]["name"] == "gpu-bridge-here"
    assert await _adopt(jp_fetch, LONELY) == {**answer, "path": ""}  # that notebook has its kernel
    await jp_serverapp.kernel_manager.shutdown_kernel(LONELY)


@pytest.mark.parametrize("path", ["", "/elsewhere/a.ipynb", "gone.ipynb", "folder", "../a.ipynb"])
async def test_a_kernel_without_its_notebook_is_given_alone(
    bridge: ScriptedBridge, jp_fetch: Fetch, jp_serverapp: Any, surviving_kernels: None, path: str
) -> None:
    bridge.add_profile(Profile("here", MachineRef("local")))
    (Path(jp_serverapp.root_dir) / "folder").mkdir()
    (Path(jp_serverapp.root_dir).parent / "a.ipynb").write_text("{}")
    place = str(Path(jp_serverapp.root_dir) / path)
    lonely = KernelView(KernelId(LONELY), MachineRef("local"), KernelState.IDLE, False, "here", path and place)
    bridge.views = [MachineView(lonely.machine, "This computer", MachineState.CONNECTED, kernels=(lonely,))]
    assert (await _adopt(jp_fetch, LONELY))["path"] == ""
    await jp_serverapp.kernel_manager.shutdown_kernel(LONELY)


@pytest.mark.parametrize(
    ("kernel", "error", "said"),
    [
        (replace(KERNEL, profile="gone"), "profile-unknown", "profiles add gone --machine ssh:box"),
        (replace(KERNEL, state=KernelState.DEAD), "kernel-unknown", "does not run any more"),
        (replace(KERNEL, kernel_id=KernelId("other")), "kernel-unknown", "does not run any more"),
        (replace(KERNEL, is_foreign=True), "kernel-unknown", "from another computer"),
    ],
)
async def test_a_kernel_that_cannot_be_had_is_refused_with_the_reason(
    bridge: ScriptedBridge, jp_fetch: Fetch, jp_serverapp: Any, kernel: KernelView, error: str, said: str
) -> None:
    bridge.views = [replace(VIEW, kernels=(kernel,))]
    code, answer = await refused(jp_fetch, "kernels", "0b3c", "adoption", method="POST", body="")
    assert (code, answer["error"]) == (404, error)
    assert said in f"{answer['message']} {answer['advice']}"
    assert "0b3c" not in jp_serverapp.kernel_manager


async def test_strangers_are_given_no_kernel(bridge: ScriptedBridge, jp_fetch: Fetch) -> None:
    wrong = {"Authorization": "token wrong"}
    code, _ = await refused(jp_fetch, "kernels", "0b3c", "adoption", method="POST", body="", headers=wrong)
    assert code == 403


async def test_a_kernel_of_this_server_is_stopped_through_the_server(
    bridge: ScriptedBridge, jp_fetch: Fetch, jp_serverapp: Any
) -> None:
    started = json.loads((await jp_fetch("api", "kernels", method="POST", body="{}")).body)
    await jp_fetch("gpu-bridge", "api", "v1", "kernels", started["id"], method="DELETE")
    assert started["id"] not in jp_serverapp.kernel_manager
    assert bridge.stopped == []


@pytest.mark.parametrize(
    ("trouble", "status"),
    [
        (Unreachable("box does not answer.", advice="Is it on?"), 502),
        (LoginRefused("box refused you."), 502),
        (HostKeyChanged("box shows another key."), 409),
        (LinkLost("The link went away."), 503),
        (KernelFailed("It did not come up."), 500),
    ],
)
async def test_an_error_keeps_its_words_and_gets_a_status(
    bridge: ScriptedBridge, jp_fetch: Fetch, trouble: BridgeError, status: int
) -> None:
    bridge.trouble = trouble
    code, answer = await refused(jp_fetch, "machines")
    assert code == status
    assert answer == {"error": trouble.code, "message": trouble.what, "advice": trouble.advice}


async def test_a_fault_of_ours_tells_the_client_nothing_of_the_inside(bridge: ScriptedBridge, jp_fetch: Fetch) -> None:
    bridge.trouble = RuntimeError("hunter2")
    code, answer = await refused(jp_fetch, "machines")
    assert (code, answer["error"]) == (500, "failed")
    assert "hunter2" not in json.dumps(answer)


async def test_addresses_and_verbs_that_are_not_there_are_answered_in_json(
    bridge: ScriptedBridge, jp_fetch: Fetch
) -> None:
    assert (await refused(jp_fetch, "nowhere"))[0] == 404
    assert (await refused(jp_fetch, "nowhere", method="DELETE"))[0] == 404
    assert (await refused(jp_fetch, "kernels", "..%2f", "log"))[0] == 404
    assert (await refused(jp_fetch, "kernels", "0b3c"))[0] in (403, 405)


@pytest.mark.parametrize("route", ROUTES)
async def test_nothing_is_told_to_strangers(bridge: ScriptedBridge, jp_fetch: Fetch, route: str) -> None:
    code, answer = await refused(jp_fetch, *route.split("/"), headers={"Authorization": "token wrong"})
    assert (code, answer["error"]) == (403, "forbidden")


async def test_looking_does_not_count_as_activity(bridge: ScriptedBridge, jp_fetch: Fetch, jp_serverapp: Any) -> None:
    before = jp_serverapp.web_app.last_activity()
    await jp_fetch("gpu-bridge", "api", "v1", "machines")
    assert jp_serverapp.web_app.last_activity() == before


@pytest.mark.timeout(30)
async def test_whoever_watches_is_told_of_a_change_once(
    bridge: ScriptedBridge, jp_fetch: Fetch, jp_serverapp: Any
) -> None:
    told: asyncio.Queue[int] = asyncio.Queue()

    async def listen(logger: Any, schema_id: str, data: dict[str, Any]) -> None:
        told.put_nowait(data["revision"])

    jp_serverapp.event_logger.add_listener(schema_id=CHANGED, listener=listen)
    first = json.loads((await jp_fetch("gpu-bridge", "api", "v1", "machines")).body)["revision"]
    assert json.loads((await jp_fetch("gpu-bridge", "api", "v1", "machines")).body)["revision"] == first
    bridge.views = [MachineView(BOX, "box", MachineState.RECONNECTING)]
    revision = await asyncio.wait_for(told.get(), 10)
    assert revision > first
    assert json.loads((await jp_fetch("gpu-bridge", "api", "v1", "machines")).body)["revision"] == revision
    assert told.empty()
    await extension_of(jp_serverapp).stop_extension()
