from __future__ import annotations

import getpass

import pytest

from jupyter_gpu_bridge.errors import HostKeyChanged, Unreachable
from jupyter_gpu_bridge.model import KernelId, KernelState, KernelView, MachineRef, MachineState, MachineView, Profile
from tests.bridges import ScriptedBridge
from tests.cli.calls import Call, sit_down

KEY = "SHA256:n4bQgYhMfWWaL"


def test_a_host_is_added_with_its_profile_and_looked_at(bridge: ScriptedBridge, call: Call) -> None:
    answer = call("hosts", "add", "box", "ada@10.0.0.7:2222", "--python", "/opt/python")
    assert answer.status == 0
    assert "Saved box (ada@10.0.0.7:2222)." in answer.out
    assert "box can be used" in answer.out
    assert [profile.machine for profile in bridge.profiles()] == [MachineRef("ssh", "box")]
    assert call("hosts", "list", "--json").data == {
        "hosts": [
            {
                "name": "box",
                "machine": "ssh:box",
                "address": "10.0.0.7",
                "user": "ada",
                "port": 2222,
                "identity_file": None,
                "python": "/opt/python",
                "carrier": "auto",
            }
        ]
    }
    assert call("hosts", "list").out.splitlines()[1].split() == ["box", "ada@10.0.0.7:2222", "-", "/opt/python", "auto"]


def test_a_program_gets_one_object(bridge: ScriptedBridge, call: Call) -> None:
    data = call("hosts", "add", "box", "gpu", "--json").data
    assert set(data) == {"host", "profile", "stages"}
    assert data["profile"]["kernel_name"] == "gpu-bridge-box"
    assert [stage["name"] for stage in data["stages"]] == ["connecting", "ready"]


def test_adding_can_do_without_profile_and_look(bridge: ScriptedBridge, call: Call) -> None:
    bridge.trouble = Unreachable("Nobody answers.")
    assert call("hosts", "add", "box", "gpu", "--no-profile", "--no-check").status == 0
    assert bridge.profiles() == []
    assert [host.name for host in bridge.hosts()] == ["box"]


def test_a_host_that_cannot_be_reached_stays_saved_and_the_error_says_so(bridge: ScriptedBridge, call: Call) -> None:
    bridge.trouble = Unreachable("Nobody answers at gpu.", advice="Is it on?")
    answer = call("hosts", "add", "box", "gpu")
    assert answer.status == 1
    assert answer.err.startswith("Nobody answers at gpu. Is it on? The host stays saved")
    assert [host.name for host in bridge.hosts()] == ["box"]
    assert call("hosts", "check", "box", "--json").data["error"] == "unreachable"


def test_a_profile_of_that_name_for_another_machine_is_left_alone(bridge: ScriptedBridge, call: Call) -> None:
    bridge.add_profile(Profile("box", MachineRef("local")))
    assert "was left as it is" in call("hosts", "add", "box", "gpu").err
    assert [profile.machine for profile in bridge.profiles()] == [MachineRef("local")]


def test_without_a_terminal_an_unknown_key_is_shown_and_can_be_confirmed(bridge: ScriptedBridge, call: Call) -> None:
    bridge.host_key = KEY
    refused = call("hosts", "add", "box", "gpu")
    assert refused.status == 1
    assert f"jupyter gpu hosts check box --fingerprint {KEY}" in refused.err
    assert call("hosts", "check", "box", "--fingerprint", KEY).status == 0
    other = call("hosts", "check", "box", "--fingerprint", "SHA256:other")
    assert other.status == 1
    assert f"shows the key {KEY}, not the one that you gave" in other.err


@pytest.mark.parametrize(("typed", "status"), [("y\n", 0), ("n\n", 1), ("\n", 1), ("", 1)])
def test_on_a_terminal_the_key_is_asked_for(
    bridge: ScriptedBridge, call: Call, monkeypatch: pytest.MonkeyPatch, typed: str, status: int
) -> None:
    call("hosts", "add", "box", "gpu", "--no-check")
    bridge.host_key = KEY
    sit_down(monkeypatch, typed)
    answer = call("hosts", "check", "box")
    assert answer.status == status
    assert "[y/N]" in answer.err


def test_a_changed_key_is_not_accepted_by_a_quick_yes(
    bridge: ScriptedBridge, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    call("hosts", "add", "box", "gpu", "--no-check")
    bridge.host_key, bridge.key_error = KEY, HostKeyChanged
    sit_down(monkeypatch, "y\n")
    answer = call("hosts", "check", "box")
    assert answer.status == 1
    assert "[y/N]" not in answer.err
    assert call("hosts", "check", "box", "--fingerprint", KEY).status == 0


def test_a_passphrase_is_asked_for_on_a_terminal_only(
    bridge: ScriptedBridge, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    call("hosts", "add", "box", "gpu", "--no-check")
    bridge.passphrase = "open sesame"
    monkeypatch.setattr(getpass, "getpass", lambda prompt: "open sesame")
    assert call("hosts", "check", "box").status == 1
    sit_down(monkeypatch, "")
    answer = call("hosts", "check", "box")
    assert answer.status == 0
    assert "open sesame" not in answer.out + answer.err
    assert call("hosts", "check", "box", "--json").data["error"] == "passphrase-needed"


def test_removing_takes_the_profile_of_the_same_name_along(bridge: ScriptedBridge, call: Call) -> None:
    call("hosts", "add", "box", "gpu")
    bridge.add_profile(Profile("other", MachineRef("ssh", "box")))
    answer = call("hosts", "remove", "box")
    assert answer.status == 0
    assert "jupyter gpu profiles remove other" in answer.err
    assert [profile.name for profile in bridge.profiles()] == ["other"]
    assert bridge.hosts() == []


def test_a_host_with_running_kernels_is_not_forgotten_by_accident(bridge: ScriptedBridge, call: Call) -> None:
    call("hosts", "add", "box", "gpu")
    box = MachineRef("ssh", "box")
    kernel = KernelView(KernelId("0123456789"), box, KernelState.IDLE, attached=False)
    bridge.views = [MachineView(box, "box", MachineState.CONNECTED, kernels=(kernel,))]
    refused = call("hosts", "remove", "box")
    assert refused.status == 1
    assert "01234567" in refused.err
    assert call("hosts", "remove", "box", "--force", "--json").data == {"removed": "box", "profiles": ["box"]}


def test_a_wrong_name_is_answered_with_the_right_one(bridge: ScriptedBridge, call: Call) -> None:
    call("hosts", "add", "workstation", "gpu")
    for verb in ("check", "remove"):
        answer = call("hosts", verb, "workstatoin")
        assert (answer.status, answer.err) == (1, "There is no host 'workstatoin'. Did you mean 'workstation'?\n")
