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
    assert bridge.profiles() == [
        Profile("here", MachineRef("local"), "Here", environment=(("A", "b=c"), ("HF_TOKEN", None)))
    ]
    assert call("profiles", "remove", "here", "--json").data == {"removed": "here"}
    assert call("profiles", "list", "--json").data == {"profiles": []}


def test_what_is_not_given_stays_as_it_was_and_an_empty_text_takes_it_back(bridge: ScriptedBridge, call: Call) -> None:
    call("profiles", "add", "here", "--machine", "local", "--folder", "/data", "--python", "/p", "--env", "A=1")
    assert call("profiles", "add", "here", "--keep").status == 0
    (kept,) = bridge.profiles()
    assert (kept.folder, kept.python, kept.environment, kept.keep) == ("/data", "/p", (("A", "1"),), True)
    call("profiles", "add", "here", "--folder", "", "--python", "", "--env", "")
    (bare,) = bridge.profiles()
    assert (bare.folder, bare.python, bare.environment, bare.keep) == (None, None, (), True)


def test_a_new_profile_needs_a_machine(call: Call) -> None:
    answer = call("profiles", "add", "here")
    assert answer.status == 1
    assert "--machine ssh:NAME" in answer.err


def test_a_secret_is_refused_with_the_way_out(call: Call) -> None:
    answer = call("profiles", "add", "here", "--machine", "local", "--env", "HF_TOKEN=hunter2")
    assert answer.status == 1
    assert "--env HF_TOKEN" in answer.err
    assert "hunter2" not in answer.out + answer.err


def test_an_unknown_machine_is_answered_with_the_nearest(bridge: ScriptedBridge, call: Call) -> None:
    assert "Did you mean 'local'?" in call("profiles", "add", "a", "--machine", "locl").err
    assert "Did you mean" not in call("profiles", "remove", "nothing").err
