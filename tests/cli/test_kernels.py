from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from jupyter_gpu_bridge.errors import KernelUnknown, Unreachable
from jupyter_gpu_bridge.model import KernelId, KernelState, KernelView, MachineRef, MachineState, MachineView
from tests.bridges import ScriptedBridge
from tests.cli.calls import Call, sit_down

BOX = MachineRef("ssh", "box")
FAR = MachineRef("ssh", "far")
DOWN = MachineView(FAR, "far", MachineState.FAILED, detail="far refuses connections.", out_of_reach=True)


def kernel(kernel_id: str, state: KernelState = KernelState.IDLE) -> KernelView:
    active = datetime.now(timezone.utc) - timedelta(hours=3)
    return KernelView(
        KernelId(kernel_id), BOX, state, attached=True, profile="box", path="a.ipynb", last_activity=active
    )


@pytest.fixture(autouse=True)
def with_kernels(bridge: ScriptedBridge) -> None:
    awake = (kernel("aaaa1111-0000"), kernel("aaaa2222-0000", KernelState.BUSY))
    bridge.views = [MachineView(BOX, "box", MachineState.CONNECTED, kernels=awake)]
    bridge.asleep = [MachineView(FAR, "far", MachineState.CONNECTED, kernels=(kernel("bbbb3333-0000"),))]


def test_kernels_are_listed_with_what_they_do(call: Call) -> None:
    lines = call("kernels").out.splitlines()
    assert lines[0].split() == ["ID", "MACHINE", "STATE", "ATTACHED", "PROFILE", "NOTEBOOK", "LAST", "ACTIVE"]
    assert lines[1].split() == ["aaaa1111", "ssh:box", "idle", "yes", "box", "a.ipynb", "3", "h", "ago"]
    assert len(lines) == 3
    assert len({line.index(word) for line, word in zip(lines, ("STATE", "idle", "busy"), strict=True)}) == 1


def test_machines_that_are_asleep_are_asked_when_that_is_wanted(call: Call) -> None:
    woken = call("kernels", "--wake", "--json").data["kernels"]
    assert [one["kernel_id"][:4] for one in woken] == ["aaaa", "aaaa", "bbbb"]
    assert set(woken[0]) == {
        "kernel_id", "machine", "state", "attached", "profile", "path", "pid", "started", "last_activity", "detail",
        "foreign",
    }  # fmt: skip
    assert call("kernels", "log", "bbbb", "--json").data == {"kernel_id": "bbbb3333-0000", "log": "it said this\n"}


def test_the_beginning_of_an_id_is_enough_while_it_is_the_only_one(bridge: ScriptedBridge, call: Call) -> None:
    assert call("kernels", "stop", "aaaa1", "bbbb", "--json").data["stopped"] == [
        "aaaa1111-0000",
        "bbbb3333-0000",
    ]
    refused = call("kernels", "stop", "aaaa")
    assert refused.status == 1
    assert "aaaa1111-0000, aaaa2222-0000" in refused.err
    unknown = call("kernels", "stop", "aaaa1111-0001")
    assert "Did you mean 'aaaa1111-0000'?" in unknown.err
    assert bridge.stopped == ["aaaa1111-0000", "bbbb3333-0000"]


def test_all_means_those_asleep_too_and_must_be_said_alone(bridge: ScriptedBridge, call: Call) -> None:
    assert call("kernels", "stop").status == 1
    assert call("kernels", "stop", "aaaa1", "--all").status == 1
    assert bridge.stopped == []
    assert call("kernels", "stop", "--all", "--yes").out.count("Stopped") == 3
    assert len(bridge.stopped) == 3


def test_attaching_prints_a_file_that_the_console_takes(call: Call) -> None:
    answer = call("kernels", "attach", "bbbb")
    assert answer.out == "/run/kernel.json\n"
    assert "jupyter console --existing /run/kernel.json" in answer.err
    assert call("kernels", "attach", "bbbb", "--json").data["connection_file"] == "/run/kernel.json"


# machines that do not answer -----------------------------------------------------------------------------------------


def test_a_machine_that_could_not_be_asked_is_named_and_is_an_error(bridge: ScriptedBridge, call: Call) -> None:
    bridge.asleep = [DOWN]
    assert call("kernels").status == 0
    answer = call("kernels", "--wake")
    assert (answer.status, len(answer.out.splitlines())) == (1, 3)
    assert answer.err == "ssh:far could not be asked: far refuses connections.\n"
    data = call("kernels", "--wake", "--json").data
    assert data["unreachable"] == [{"machine": "ssh:far", "title": "far", "reason": "far refuses connections."}]


def test_no_kernels_is_said_only_of_machines_that_were_asked(bridge: ScriptedBridge, call: Call) -> None:
    bridge.views, bridge.asleep = [], [DOWN]
    assert call("kernels", "--wake").out == "No kernels on the machines that answer.\n"
    stopped = call("kernels", "stop", "--all")
    assert (stopped.status, "on the machines that answer" in stopped.out, "far refuses" in stopped.err) == (
        1,
        True,
        True,
    )
    for verb in ("stop", "log", "attach"):
        refused = call("kernels", verb, "bbbb", "--json")
        assert (refused.status, refused.data["error"]) == (1, "unreachable")
        assert "far refuses connections." in refused.data["advice"]


def test_a_kernel_whose_end_is_not_confirmed_is_not_called_stopped(bridge: ScriptedBridge, call: Call) -> None:
    bridge.unconfirmed = {KernelId("aaaa1111-0000")}
    answer = call("kernels", "stop", "aaaa1")
    assert (answer.status, answer.out) == (
        1,
        "aaaa1111-0000 will be stopped as soon as ssh:box can be reached.\n",
    )
    assert call("kernels", "stop", "aaaa1", "--json").data["stopping"] == ["aaaa1111-0000"]


# whose kernels -------------------------------------------------------------------------------------------------------


def test_a_machine_with_two_names_has_its_kernels_once(bridge: ScriptedBridge, call: Call) -> None:
    twin = replace(kernel("aaaa1111-0000"), machine=FAR, is_foreign=True, attached=False)
    bridge.views = [MachineView(FAR, "far", MachineState.CONNECTED, kernels=(twin,)), *bridge.views]
    bridge.asleep = []
    listed = call("kernels", "--json").data["kernels"]
    assert [(one["kernel_id"][:8], one["machine"], one["foreign"]) for one in listed] == [
        ("aaaa1111", "ssh:box", False),
        ("aaaa2222", "ssh:box", False),
    ]
    assert call("kernels", "log", "aaaa1").status == 0


def test_all_stops_neither_at_one_that_has_ended_nor_at_one_that_refuses(
    bridge: ScriptedBridge, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = bridge.stop_kernel

    async def hindered(kernel_id: KernelId) -> bool:
        if kernel_id.startswith("aaaa1"):
            raise KernelUnknown("It has gone.")
        if kernel_id.startswith("aaaa2"):
            raise Unreachable("box does not answer.")
        return await stop(kernel_id)

    monkeypatch.setattr(bridge, "stop_kernel", hindered)
    answer = call("kernels", "stop", "--all", "--yes", "--json")
    assert answer.status == 1
    assert answer.data["stopped"] == ["aaaa1111-0000", "bbbb3333-0000"]
    assert [one["kernel_id"] for one in answer.data["failed"]] == ["aaaa2222-0000"]


def test_what_another_computer_started_is_marked_and_stopped_by_its_id_only(
    bridge: ScriptedBridge, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = replace(kernel("cccc4444-0000"), is_foreign=True)
    bridge.views = [MachineView(BOX, "box", MachineState.CONNECTED, kernels=(kernel("aaaa1111-0000"), theirs))]
    bridge.asleep = []
    assert "from another computer" in call("kernels").out.splitlines()[2]
    assert call("kernels", "stop", "--all", "--yes", "--json").data["stopped"] == ["aaaa1111-0000"]
    assert call("kernels", "stop", "cccc").status == 1
    assert bridge.stopped == ["aaaa1111-0000"]
    sit_down(monkeypatch, "y\n")
    assert "from another computer" in call("kernels", "stop", "cccc").err
    assert call("kernels", "stop", "cccc", "--yes").status == 0
    assert bridge.stopped == ["aaaa1111-0000", "cccc4444-0000", "cccc4444-0000"]


@pytest.mark.parametrize(("typed", "stopped"), [("y\n", 3), ("n\n", 0), ("\n", 0), ("", 0)])
def test_all_asks_before_it_breaks_off_what_somebody_is_running(
    bridge: ScriptedBridge, call: Call, monkeypatch: pytest.MonkeyPatch, typed: str, stopped: int
) -> None:
    assert "--yes" in call("kernels", "stop", "--all").err
    assert bridge.stopped == []
    sit_down(monkeypatch, typed)
    answer = call("kernels", "stop", "--all")
    assert answer.err.startswith("aaaa2222 on ssh:box (busy, and in use by a.ipynb). Stop it? [y/N]")
    assert (answer.status, len(bridge.stopped)) == (0 if stopped else 1, stopped)


def test_list_is_the_same_as_nothing(call: Call) -> None:
    assert call("kernels", "list").out == call("kernels").out
    for words in (("kernels", "list", "--wake"), ("kernels", "--wake", "list")):
        assert len(call(*words).out.splitlines()) == 4
