from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from jupyter_gpu_bridge.model import KernelId, KernelState, KernelView, MachineRef, MachineState, MachineView
from tests.bridges import ScriptedBridge
from tests.cli.calls import Call

BOX = MachineRef("ssh", "box")


def kernel(kernel_id: str, state: KernelState = KernelState.IDLE) -> KernelView:
    active = datetime.now(timezone.utc) - timedelta(hours=3)
    return KernelView(
        KernelId(kernel_id), BOX, state, attached=True, profile="box", path="a.ipynb", last_activity=active
    )


@pytest.fixture(autouse=True)
def with_kernels(bridge: ScriptedBridge) -> None:
    awake = (kernel("aaaa1111-0000"), kernel("aaaa2222-0000", KernelState.BUSY))
    bridge.views = [MachineView(BOX, "box", MachineState.CONNECTED, kernels=awake)]
    bridge.asleep = [kernel("bbbb3333-0000", KernelState.UNREACHABLE)]


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
    assert call("kernels", "stop", "aaaa1", "bbbb", "--json").data == {"stopped": ["aaaa1111-0000", "bbbb3333-0000"]}
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
    assert call("kernels", "stop", "--all").out.count("Stopped") == 3
    assert len(bridge.stopped) == 3


def test_attaching_prints_a_file_that_the_console_takes(call: Call) -> None:
    answer = call("kernels", "attach", "bbbb")
    assert answer.out == "/run/kernel.json\n"
    assert "jupyter console --existing /run/kernel.json" in answer.err
    assert call("kernels", "attach", "bbbb", "--json").data["connection_file"] == "/run/kernel.json"
