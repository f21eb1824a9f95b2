from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.provisioning.factory import KernelProvisionerFactory

from jupyter_gpu_bridge.bridge import Bridge
from jupyter_gpu_bridge.errors import LinkLost, Unreachable
from jupyter_gpu_bridge.model import KernelId, MachineRef, Profile
from jupyter_gpu_bridge.server import sessions as module
from jupyter_gpu_bridge.server.leftovers import forget_failed_starts
from jupyter_gpu_bridge.server.sessions import Sessions
from jupyter_gpu_bridge.server.slots import SessionRecord, Slot
from tests.bridges import ScriptedBridge
from tests.server import surviving

LOG = logging.getLogger("test.sessions")

Fetch = Callable[..., Any]


@pytest.fixture(autouse=True)
def with_provisioner(jp_environ: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SURVIVORS", str(tmp_path / "survivors"))
    monkeypatch.setenv("JUPYTER_GPU_BRIDGE_HOME", str(tmp_path / "bridge"))
    surviving.register()
    Bridge().add_profile(Profile("plain", MachineRef("local")))
    Bridge().add_profile(Profile("kept", MachineRef("local"), keep=True))
    yield
    KernelProvisionerFactory.clear_instance()


@pytest.fixture
def slot(tmp_path: Path) -> Slot:
    slot = Slot.take(tmp_path)
    assert slot is not None
    return slot


@pytest.fixture
def server(jp_serverapp: Any, jp_asyncio_loop: asyncio.AbstractEventLoop) -> Iterator[Any]:
    yield jp_serverapp
    forget_failed_starts(jp_serverapp.kernel_manager)
    jp_asyncio_loop.run_until_complete(jp_serverapp.kernel_manager.shutdown_all())


def record(number: int, kernel_name: str = "gpu-bridge-plain") -> SessionRecord:
    kernel_id = KernelId(f"00000000-0000-4000-8000-00000000000{number}")
    return SessionRecord(f"session-{number}", kernel_id, kernel_name, f"{number}.ipynb", f"{number}.ipynb", "notebook")


async def start(fetch: Fetch, path: str, kernel: str) -> dict[str, Any]:
    wanted = {"path": path, "name": path, "type": "notebook", "kernel": {"name": kernel}}
    model: dict[str, Any] = json.loads((await fetch("api", "sessions", method="POST", body=json.dumps(wanted))).body)
    return model


async def until(condition: Callable[[], bool]) -> None:
    async def come_true() -> None:
        while not condition():
            await asyncio.sleep(0.02)

    await asyncio.wait_for(come_true(), 10)


@pytest.mark.timeout(60)
async def test_one_kernel_that_fails_keeps_no_other_from_coming_back(server: Any, slot: Slot) -> None:
    alive, dead, cut_off, taken, alone = record(1), record(2), record(3), record(4, "gone"), record(5)
    alone = SessionRecord("", alone.kernel_id, alone.kernel_name, "", "", "")
    slot.write([alive, dead, cut_off, taken, alone])
    bridge = ScriptedBridge()
    bridge.alive = {
        alive.kernel_id: True,
        cut_off.kernel_id: Unreachable("The box does not answer."),
        taken.kernel_id: True,
        alone.kernel_id: True,
    }
    sessions = Sessions(server, lambda: bridge, slot, LOG)
    assert sessions.has_some()
    await sessions.restore()
    assert set(server.kernel_manager.list_kernel_ids()) == {alive.kernel_id, alone.kernel_id}
    (session,) = await server.session_manager.list_sessions()
    assert (session["id"], session["path"], session["kernel"]["id"]) == ("session-1", "1.ipynb", alive.kernel_id)
    sessions.watch()
    await until(lambda: set(slot.read()) == {alive, cut_off, taken, alone})
    await sessions.leave()


@pytest.mark.timeout(30)
async def test_a_link_that_does_not_answer_does_not_hold_the_server_up(
    server: Any, slot: Slot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RESTORE_WITHIN_S", 0.1)
    slot.write([record(1)])
    asked = asyncio.Event()

    class Silent(ScriptedBridge):
        async def surviving(self, kernel_id: KernelId) -> bool:
            asked.set()
            await asyncio.Event().wait()
            return True

    sessions = Sessions(server, Silent, slot, LOG)
    assert sessions.has_some()
    await asyncio.wait_for(sessions.restore(), 5)
    assert asked.is_set()
    await sessions.leave()
    assert list(slot.read()) == [record(1)]


async def test_nothing_left_costs_nothing(server: Any, slot: Slot) -> None:
    sessions = Sessions(server, ScriptedBridge, slot, LOG)
    assert not sessions.has_some()
    await sessions.restore()
    slot.path.write_text("garbage")
    assert not sessions.has_some()


@pytest.mark.timeout(60)
async def test_what_is_written_follows_what_happens(server: Any, slot: Slot, jp_fetch: Fetch) -> None:
    bridge = ScriptedBridge()
    sessions = Sessions(server, lambda: bridge, slot, LOG)
    sessions.watch()
    model = await start(jp_fetch, "random-name", "gpu-bridge-plain")
    ordinary = await start(jp_fetch, "ordinary.ipynb", "python3")
    sessions.look_again()
    await until(lambda: [one.session_id for one in slot.read()] == [model["id"]])
    renamed = {"path": "a.ipynb", "name": "a.ipynb"}
    await jp_fetch("api", "sessions", model["id"], method="PATCH", body=json.dumps(renamed))
    await until(lambda: [one.path for one in slot.read()] == ["a.ipynb"])
    await until(lambda: bridge.names[model["kernel"]["id"]] == os.path.join(server.root_dir, "a.ipynb"))
    assert ordinary["kernel"]["id"] not in slot.path.read_text()
    await jp_fetch("api", "sessions", model["id"], method="DELETE")
    sessions.look_again()
    await until(lambda: list(slot.read()) == [])
    await sessions.leave()


@pytest.mark.timeout(60)
async def test_an_exit_holds_back_the_kept_kernels_only_and_says_which(
    server: Any, slot: Slot, jp_fetch: Fetch, caplog: pytest.LogCaptureFixture
) -> None:
    kept = await start(jp_fetch, "kept.ipynb", "gpu-bridge-kept")
    await start(jp_fetch, "plain.ipynb", "gpu-bridge-plain")
    bridge = ScriptedBridge()
    with caplog.at_level(logging.INFO, LOG.name):
        await Sessions(server, lambda: bridge, slot, LOG).leave()
    assert bridge.left == [[kept["kernel"]["id"]]]
    assert [one.path for one in slot.read()] == ["kept.ipynb"]
    assert "kept.ipynb (gpu-bridge-kept) is kept running." in caplog.text
    assert "plain.ipynb (gpu-bridge-plain) is stopped." in caplog.text


@pytest.mark.timeout(60)
async def test_a_kernel_that_cannot_be_held_back_is_not_said_to_be_kept(
    server: Any, slot: Slot, jp_fetch: Fetch, caplog: pytest.LogCaptureFixture
) -> None:
    await start(jp_fetch, "kept.ipynb", "gpu-bridge-kept")
    with caplog.at_level(logging.INFO, LOG.name):
        await Sessions(server, lambda: ScriptedBridge(trouble=LinkLost("The link went away.")), slot, LOG).leave()
    assert list(slot.read()) == []
    assert "is kept" not in caplog.text
    assert "No kernel can be kept: The link went away." in caplog.text


@pytest.mark.timeout(60)
@pytest.mark.parametrize(("kernel", "keep"), [("gpu-bridge-plain", True), ("gpu-bridge-kept", False)])
async def test_an_exit_obeys_the_profile_as_it_is_then(
    server: Any, slot: Slot, jp_fetch: Fetch, kernel: str, keep: bool
) -> None:
    model = await start(jp_fetch, "a.ipynb", kernel)
    Bridge().add_profile(Profile(kernel.removeprefix("gpu-bridge-"), MachineRef("local"), keep=keep))
    bridge = ScriptedBridge()
    await Sessions(server, lambda: bridge, slot, LOG).leave()
    assert bridge.left == ([[model["kernel"]["id"]]] if keep else [])


@pytest.mark.timeout(60)
async def test_an_exit_obeys_a_profile_that_was_removed_as_it_was(server: Any, slot: Slot, jp_fetch: Fetch) -> None:
    model = await start(jp_fetch, "a.ipynb", "gpu-bridge-kept")
    Bridge().remove_profile("kept")
    bridge = ScriptedBridge()
    await Sessions(server, lambda: bridge, slot, LOG).leave()
    assert bridge.left == [[model["kernel"]["id"]]]


@pytest.mark.timeout(60)
async def test_what_other_ended_servers_left_is_taken_over_and_then_theirs_no_more(
    server: Any, tmp_path: Path, slot: Slot
) -> None:
    other, damaged = Slot.take(tmp_path), Slot.take(tmp_path)
    assert other is not None
    assert damaged is not None
    slot.write([record(1)])
    other.write([record(2)])
    damaged.path.write_text("garbage")
    other.close()
    damaged.close()
    sessions = Sessions(server, ScriptedBridge, slot, LOG)
    assert sessions.has_some()
    assert list(slot.read()) == [record(1), record(2)]
    assert not other.path.exists()
    assert damaged.path.read_text() == "garbage"
    assert [left.path for left in slot.left_beside()] == [damaged.path]
    await sessions.leave()
