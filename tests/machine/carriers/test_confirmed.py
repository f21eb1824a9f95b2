"""Whom we believe: no carrier talks to a machine whose key nobody confirmed, and all say the same about it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from jupyter_gpu_bridge.errors import BridgeError, HostKeyChanged, HostKeyUnknown
from jupyter_gpu_bridge.machine.carriers import HostKey, SshTarget, pin
from jupyter_gpu_bridge.machine.carriers.openssh import OpenSshDialer
from jupyter_gpu_bridge.machine.carriers.paramiko_ssh import ParamikoDialer
from tests.machine.carriers.conftest import Reach
from tests.machine.carriers.talk import nothing_left, output_of
from tests.sshd import Sshd, make_key, program, public_half

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60)]


def _met(reach: Reach, server: Sshd, alias: str = "box", *, also: tuple[str, ...] = ()) -> SshTarget:
    """The server in ssh_config, and nobody's word for its key."""
    server.ssh_config(reach.config, alias, also=also)
    reach.users_known_hosts.write_text("")
    return reach.target(alias)


def _confirm(target: SshTarget, error: BridgeError) -> None:
    """What the command does when the user vouches for the key that the error shows."""
    details = error.details
    pin(target.known_hosts, details["host"], int(details["port"]), HostKey.parse(details["key"]))


def _fingerprint(key: Path) -> str:
    argv = [program("ssh-keygen"), "-l", "-f", f"{key}.pub"]
    return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=10).stdout.split()[1]


async def test_a_machine_never_met_is_shown_and_then_believed(reach: Reach, server: Sshd) -> None:
    target = _met(reach, server)
    dialer = reach.dialer(target)
    async with nothing_left():
        with pytest.raises(HostKeyUnknown) as caught:
            await dialer.dial("true")
    assert caught.value.details == {
        "host": "127.0.0.1",
        "port": str(server.port),
        "key": server.host_key_line,
        "fingerprint": _fingerprint(server.host_key),
    }
    assert "jupyter gpu hosts check box" in caught.value.advice
    assert _fingerprint(server.host_key) in caught.value.what
    assert not target.known_hosts.exists()
    _confirm(target, caught.value)
    assert await output_of(dialer, "echo in") == "in\n"


async def test_nothing_of_ours_is_sent_to_a_machine_never_met(reach: Reach, tmp_path: Path) -> None:
    with Sshd(tmp_path / "own") as server:
        with pytest.raises(HostKeyUnknown):
            await reach.dialer(_met(reach, server)).dial("true")
        server.stop()
        assert not any("Accepted" in line or "Failed" in line for line in server.log)


async def test_another_key_is_refused_until_the_user_confirms_it(reach: Reach, tmp_path: Path) -> None:
    with Sshd(tmp_path / "own") as server:
        dialer = reach.to(server)
        before = _fingerprint(server.host_key)
        assert await output_of(dialer, "echo in") == "in\n"
        server.stop()
        server.replace_host_key()
        server.start()
        with pytest.raises(HostKeyChanged) as caught:
            await dialer.dial("true")
        assert caught.value.details == {
            "host": "127.0.0.1",
            "port": str(server.port),
            "key": server.host_key_line,
            "fingerprint": _fingerprint(server.host_key),
            "known_fingerprints": before,
        }
        assert before in caught.value.what
        assert _fingerprint(server.host_key) in caught.value.what
        # The user's own file still has the old key; our file, with the new one, is the younger word.
        _confirm(reach.target("box"), caught.value)
        assert await output_of(dialer, "echo in") == "in\n"


async def test_a_key_of_another_type_is_a_changed_key(reach: Reach, tmp_path: Path) -> None:
    with Sshd(tmp_path / "own") as server:
        target = _met(reach, server)
        other = make_key(tmp_path / "other", "ecdsa")
        pin(target.known_hosts, "127.0.0.1", server.port, HostKey.parse(public_half(other)))
        with pytest.raises(HostKeyChanged) as caught:
            await reach.dialer(target).dial("true")
    assert caught.value.details["known_fingerprints"] == _fingerprint(other)
    assert caught.value.details["key"] == server.host_key_line


@pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
async def test_a_server_with_several_keys_is_asked_for_the_confirmed_one(
    reach: Reach, tmp_path: Path, kind: str
) -> None:
    second = make_key(tmp_path / "second", kind)
    with Sshd(tmp_path / "own", options=(f"HostKey {second}",)) as server:
        target = _met(reach, server)
        pin(target.known_hosts, "127.0.0.1", server.port, HostKey.parse(public_half(second)))
        assert await output_of(reach.dialer(target), "echo in") == "in\n"


async def test_a_jump_host_never_met_is_shown_and_then_the_machine(reach: Reach, server: Sshd, tmp_path: Path) -> None:
    with Sshd(tmp_path / "gate") as gate:
        gate.ssh_config(reach.config, "gate")
        target = _met(reach, server, also=("ProxyJump gate",))
        dialer = reach.dialer(target)
        with pytest.raises(HostKeyUnknown, match=f"jump host 127.0.0.1 port {gate.port} on the way to box") as first:
            await dialer.dial("true")
        assert first.value.details["key"] == gate.host_key_line
        _confirm(target, first.value)
        with pytest.raises(HostKeyUnknown, match=rf"^box \(127.0.0.1 port {server.port}\)") as second:
            await dialer.dial("true")
        assert second.value.details["key"] == server.host_key_line
        _confirm(target, second.value)
        assert await output_of(dialer, "echo in") == "in\n"


async def test_an_alias_for_the_key_is_honoured(reach: Reach, server: Sshd) -> None:
    target = _met(reach, server, also=("HostKeyAlias rented-7",))
    with pytest.raises(HostKeyUnknown) as caught:
        await reach.dialer(target).dial("true")
    assert caught.value.details["host"] == "rented-7"
    assert caught.value.details["port"] == "22"
    _confirm(target, caught.value)
    assert target.known_hosts.read_text() == f"rented-7 {server.host_key_line}\n"
    assert await output_of(reach.dialer(target), "echo in") == "in\n"


@pytest.mark.parametrize("form", ["hashed", "pattern", "without port"])
async def test_every_form_of_the_users_known_hosts_is_read(reach: Reach, server: Sshd, form: str) -> None:
    target = _met(reach, server)
    file = reach.users_known_hosts
    name = {"pattern": f"other,[127.0.*]:{server.port}", "without port": "127.0.0.1"}.get(form)
    file.write_text(f"{name or f'[127.0.0.1]:{server.port}'} {server.host_key_line}\n")
    if form == "hashed":
        _hash(file)
        assert "127.0.0.1" not in file.read_text()
    assert await output_of(reach.dialer(target), "echo in") == "in\n"


async def test_a_revoked_key_is_not_believed(reach: Reach, server: Sshd) -> None:
    target = _met(reach, server)
    line = server.known_hosts_line()
    reach.users_known_hosts.write_text(f"{line}\n@revoked * {server.host_key_line}\n")
    with pytest.raises(HostKeyChanged, match="revoked"):
        await reach.dialer(target).dial("true")
    pin(target.known_hosts, "127.0.0.1", server.port, HostKey.parse(server.host_key_line))
    with pytest.raises(HostKeyChanged, match="revoked"):
        await reach.dialer(target).dial("true")


async def test_a_user_who_wants_no_checking_is_asked_all_the_same(reach: Reach, server: Sshd) -> None:
    target = _met(reach, server, also=("StrictHostKeyChecking no",))
    with pytest.raises(HostKeyUnknown):
        await reach.dialer(target).dial("true")
    assert reach.users_known_hosts.read_text() == ""


async def test_both_carriers_say_the_same_word_for_word(tmp_path: Path, server: Sshd) -> None:
    reach = Reach("both", tmp_path)
    target = _met(reach, server)
    said = []
    for _ in range(2):
        for dialer in (OpenSshDialer(target), ParamikoDialer(target)):
            with pytest.raises(BridgeError) as caught:
                await dialer.dial("true")
            said.append(caught.value.as_problem())
        pin(target.known_hosts, "127.0.0.1", server.port, HostKey.parse(public_half(make_key(tmp_path / "other"))))
    assert said[0] == said[1]
    assert said[2] == said[3]
    assert [said[0].code, said[2].code] == ["host-key-unknown", "host-key-changed"]


def _hash(file: Path) -> None:
    subprocess.run([program("ssh-keygen"), "-q", "-H", "-f", str(file)], check=True, timeout=10, capture_output=True)
    file.with_name(file.name + ".old").unlink()
