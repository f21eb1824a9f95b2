from __future__ import annotations

import asyncio
import getpass
from collections.abc import AsyncIterator

import pytest

from jupyter_gpu_bridge.errors import (
    BridgeError,
    HostKeyChanged,
    HostKeyUnknown,
    LoginRefused,
    PassphraseNeeded,
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
    Stage,
)
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


FAILURES = [
    Unreachable("Nobody answers at gpu.", advice="Is it on?"),
    LoginRefused("It does not let you in.", advice="Check the user name."),
    PassphraseNeeded("The key is locked.", advice="Run `jupyter gpu hosts check box`."),
]


@pytest.mark.parametrize("trouble", FAILURES)
def test_a_host_that_cannot_be_used_is_not_saved_and_the_error_says_so(
    bridge: ScriptedBridge, call: Call, trouble: BridgeError
) -> None:
    bridge.trouble = trouble
    answer = call("hosts", "add", "box", "gpu")
    assert answer.status == 1
    assert answer.err.startswith(trouble.what)
    assert "Nothing was saved." in answer.err
    assert "--no-check" in answer.err
    assert "hosts check" not in answer.err
    assert (bridge.hosts(), bridge.profiles()) == ([], [])
    assert call("hosts", "add", "box", "gpu", "--json").data["error"] == trouble.code


@pytest.mark.parametrize("key_error", [HostKeyUnknown, HostKeyChanged])
def test_a_host_whose_key_is_not_confirmed_is_not_saved(
    bridge: ScriptedBridge,
    call: Call,
    monkeypatch: pytest.MonkeyPatch,
    key_error: type[HostKeyUnknown | HostKeyChanged],
) -> None:
    bridge.host_key, bridge.key_error = KEY, key_error
    sit_down(monkeypatch, "n\n")
    answer = call("hosts", "add", "box", "gpu")
    assert answer.status == 1
    assert f"--fingerprint {KEY}" in answer.err
    assert "Nothing was saved." in answer.err
    assert (bridge.hosts(), bridge.profiles()) == ([], [])
    assert call("hosts", "add", "box", "gpu", "--fingerprint", KEY).status == 0
    assert [host.name for host in bridge.hosts()] == ["box"]


@pytest.mark.parametrize(("typed", "kept"), [("y\n", True), ("n\n", False)])
def test_whoever_sits_there_may_keep_a_host_that_cannot_be_used_yet(
    bridge: ScriptedBridge, call: Call, monkeypatch: pytest.MonkeyPatch, typed: str, kept: bool
) -> None:
    bridge.trouble = FAILURES[0]
    sit_down(monkeypatch, typed)
    answer = call("hosts", "add", "box", "gpu")
    assert "Nobody answers at gpu. Is it on?\nSave box all the same, to look at it later? [y/N]" in answer.err
    assert answer.status == (0 if kept else 1)
    assert [host.name for host in bridge.hosts()] == [profile.name for profile in bridge.profiles()] == ["box"] * kept


def test_a_host_that_was_there_before_outlives_a_second_adding_that_fails(bridge: ScriptedBridge, call: Call) -> None:
    call("hosts", "add", "box", "gpu")
    bridge.trouble = FAILURES[0]
    assert "It stays saved." in call("hosts", "add", "box", "gpu").err
    assert [host.name for host in bridge.hosts()] == ["box"]


def test_an_interrupted_adding_saves_nothing(
    bridge: ScriptedBridge, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def interrupted(name: str, **options: object) -> AsyncIterator[Stage]:
        yield Stage("connecting", "connecting")
        raise asyncio.CancelledError

    monkeypatch.setattr(bridge, "check_host", interrupted)
    with pytest.raises(asyncio.CancelledError):
        call("hosts", "add", "box", "gpu")
    assert bridge.hosts() == []


# changing ------------------------------------------------------------------------------------------------------------


def test_a_host_is_described_anew(bridge: ScriptedBridge, call: Call) -> None:
    call("hosts", "add", "box", "ada@gpu:2222", "--python", "/opt/python")
    assert call("hosts", "change", "box", "--port", "2200", "--python", "").status == 0
    assert bridge.hosts() == [Host("box", "gpu", "ada", 2200)]
    assert call("hosts", "change", "box", "--address", "other", "--json").data["host"]["address"] == "other"
    assert bridge.hosts() == [Host("box", "other")]
    assert call("hosts", "change", "box").status == 1
    assert call("hosts", "change", "bok", "--port", "1").status == 1
    assert call("hosts", "change", "box", "--port", "many").status == 2
    assert call("hosts", "change", "box", "--port", "70000").status == 1
    assert bridge.hosts() == [Host("box", "other")]


def test_a_change_that_makes_a_host_unusable_is_taken_back(bridge: ScriptedBridge, call: Call) -> None:
    call("hosts", "add", "box", "gpu")
    bridge.trouble = FAILURES[0]
    assert "box is as it was." in call("hosts", "change", "box", "--port", "2200").err
    assert bridge.hosts() == [Host("box", "gpu")]
    assert call("hosts", "change", "box", "--port", "2200", "--no-check").status == 0
    assert bridge.hosts() == [Host("box", "gpu", port=2200)]


def test_a_profile_of_that_name_for_another_machine_is_left_alone(bridge: ScriptedBridge, call: Call) -> None:
    bridge.add_profile(Profile("box", MachineRef("local")))
    assert "was left as it is" in call("hosts", "add", "box", "gpu").err
    assert [profile.machine for profile in bridge.profiles()] == [MachineRef("local")]


def test_without_a_terminal_an_unknown_key_is_shown_and_can_be_confirmed(bridge: ScriptedBridge, call: Call) -> None:
    bridge.host_key = KEY
    call("hosts", "add", "box", "gpu", "--no-check")
    refused = call("hosts", "check", "box")
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


@pytest.mark.parametrize(("typed", "status"), [("box\n", 0), ("y\n", 1), ("yes\n", 1), ("bok\n", 1), ("", 1)])
def test_a_changed_key_is_confirmed_with_the_name_of_the_host_and_not_by_a_quick_yes(
    bridge: ScriptedBridge, call: Call, monkeypatch: pytest.MonkeyPatch, typed: str, status: int
) -> None:
    call("hosts", "add", "box", "gpu", "--no-check")
    bridge.host_key, bridge.key_error = KEY, HostKeyChanged
    sit_down(monkeypatch, typed)
    answer = call("hosts", "check", "box")
    assert f"Key before: SHA256:before\nKey now:    {KEY}\n" in answer.err
    assert "[y/N]" not in answer.err
    assert answer.status == status


def test_a_script_confirms_a_changed_key_by_its_fingerprint(bridge: ScriptedBridge, call: Call) -> None:
    call("hosts", "add", "box", "gpu", "--no-check")
    bridge.host_key, bridge.key_error = KEY, HostKeyChanged
    assert f"hosts check box --fingerprint {KEY}" in call("hosts", "check", "box").err
    assert call("hosts", "check", "box", "--fingerprint", "SHA256:other").status == 1
    assert call("hosts", "check", "box", "--fingerprint", KEY).status == 0


def test_a_revoked_key_is_not_to_be_confirmed(
    bridge: ScriptedBridge, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    call("hosts", "add", "box", "gpu", "--no-check")
    bridge.host_key, bridge.key_error, bridge.is_revoked = KEY, HostKeyChanged, True
    sit_down(monkeypatch, "box\n")
    assert call("hosts", "check", "box", "--fingerprint", KEY).status == 1
    refused = call("hosts", "check", "box")
    assert (refused.status, "--fingerprint" in refused.err, "type the name" in refused.err) == (1, False, False)


@pytest.mark.parametrize("key_error", [HostKeyUnknown, HostKeyChanged])
def test_a_program_is_told_the_key_that_it_may_confirm(
    bridge: ScriptedBridge, call: Call, key_error: type[HostKeyUnknown | HostKeyChanged]
) -> None:
    bridge.host_key, bridge.key_error = KEY, key_error
    details = call("hosts", "add", "box", "gpu", "--json").data["details"]
    assert (details["fingerprint"], details["key"], details["host"]) == (KEY, "ssh-ed25519 AAAA", "gpu")
    assert call("hosts", "add", "box", "gpu", "--fingerprint", details["fingerprint"]).status == 0


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
