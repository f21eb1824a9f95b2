from __future__ import annotations

from jupyter_gpu_bridge.model import MachineRef, Profile
from tests.bridges import ScriptedBridge
from tests.cli.calls import Call


def test_a_profile_is_added_listed_changed_and_removed(bridge: ScriptedBridge, call: Call) -> None:
    words = ["profiles", "add", "here", "--machine", "local", "--keep", "--env", "A=b=c", "--env", "HF_TOKEN"]
    data = call(*words, "--json").data
    assert data["profile"] == {
        "name": "here",
        "kernel_name": "gpu-bridge-here",
        "display_name": "here (GPU bridge)",
        "machine": "local",
        "python": None,
        "folder": None,
        "environment": {"A": "b=c", "HF_TOKEN": None},
        "keep": True,
    }
    assert call("profiles", "list").out.splitlines()[1].split()[:4] == ["here", "local", "keep", "gpu-bridge-here"]
    assert call("profiles", "add", "here", "--machine", "local", "--stop", "--display-name", "Here").status == 0
    assert bridge.profiles() == [Profile("here", MachineRef("local"), "Here")]
    assert call("profiles", "remove", "here", "--json").data == {"removed": "here"}
    assert call("profiles", "list", "--json").data == {"profiles": []}


def test_a_secret_is_refused_with_the_way_out(call: Call) -> None:
    answer = call("profiles", "add", "here", "--machine", "local", "--env", "HF_TOKEN=hunter2")
    assert answer.status == 1
    assert "--env HF_TOKEN" in answer.err
    assert "hunter2" not in answer.out + answer.err


def test_an_unknown_machine_is_answered_with_the_nearest(bridge: ScriptedBridge, call: Call) -> None:
    assert "Did you mean 'local'?" in call("profiles", "add", "a", "--machine", "locl").err
    assert "Did you mean" not in call("profiles", "remove", "nothing").err
