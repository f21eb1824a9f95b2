"""What each way over SSH must do with real servers: the ssh_config, keys, jump hosts, and bad weather."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from jupyter_gpu_bridge.errors import BadRequest, BridgeError, LoginRefused, PassphraseNeeded, Unreachable
from jupyter_gpu_bridge.machine.carriers import SshTarget
from jupyter_gpu_bridge.machine.carriers.paramiko_ssh import ParamikoDialer
from tests.cutting import CutProxy, Direction, How
from tests.machine.carriers.conftest import Reach
from tests.machine.carriers.talk import dialled, nothing_left, output_of, read, read_all, write
from tests.ports import free_port
from tests.sshd import Sshd, certify, make_key, program

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60)]


# ssh_config --------------------------------------------------------------------------------------------------------


async def test_an_alias_of_ssh_config_is_followed(reach: Reach, server: Sshd) -> None:
    assert await output_of(reach.to(server, "alias"), "echo $0 here") == "sh here\n"


async def test_what_the_user_gave_us_counts_more_than_ssh_config(reach: Reach, server: Sshd) -> None:
    server.ssh_config(reach.config, "box")
    text = reach.config.read_text().replace(f"Port {server.port}", "Port 1").replace(str(server.identity), "/none")
    reach.config.write_text(text.replace(f"User {server.user}", "User nobody"))
    target = reach.target("box", port=server.port, user=server.user, identity_file=str(server.identity))
    assert await output_of(reach.dialer(target), "echo in") == "in\n"


async def test_a_key_is_found_in_a_folder_of_any_name(reach: Reach, server: Sshd) -> None:
    folder = reach.folder / "100% o'clock $HOME %h"
    folder.mkdir()
    key = shutil.copy(server.identity, folder)
    server.ssh_config(reach.config, "box")
    reach.config.write_text(reach.config.read_text().replace(str(server.identity), "/none"))
    target = reach.target("box", identity_file=key)
    assert await output_of(reach.dialer(target), "echo in") == "in\n"


async def test_an_address_may_name_the_user(reach: Reach, server: Sshd) -> None:
    server.ssh_config(reach.config, "box")
    reach.config.write_text(reach.config.read_text().replace(f"User {server.user}", "User nobody"))
    assert await output_of(reach.dialer(reach.target(f"{server.user}@box")), "echo in") == "in\n"


async def test_included_files_and_patterns_are_honoured(reach: Reach, server: Sshd) -> None:
    included = server.ssh_config(reach.folder / "more.conf", "gpu-*")
    reach.config.write_text(f"Include {included}\nHost other\n  Port 1\n")
    assert await output_of(reach.dialer(reach.target("gpu-7")), "echo in") == "in\n"


async def test_a_proxy_command_is_run(reach: Reach, server: Sshd) -> None:
    relay = reach.folder / "relay.py"
    relay.write_text(
        "import os, socket, sys, threading\n"
        "s = socket.create_connection((sys.argv[1], int(sys.argv[2])))\n"
        "def down():\n"
        "    while data := s.recv(65536): os.write(1, data)\n"
        "    os._exit(0)\n"
        "threading.Thread(target=down, daemon=True).start()\n"
        "while data := os.read(0, 65536): s.sendall(data)\n"
    )
    dialer = reach.to(server, also=(f"ProxyCommand {sys.executable} {relay} %h %p",))
    async with nothing_left():
        assert await output_of(dialer, "echo in") == "in\n"


async def test_a_proxy_command_that_fails_is_quoted(reach: Reach, server: Sshd) -> None:
    dialer = reach.to(server, also=("ProxyCommand /bin/sh -c 'echo the tunnel is closed today >&2'",))
    async with nothing_left():
        with pytest.raises(Unreachable, match="the tunnel is closed today"):
            await dialer.dial("true")


async def test_a_broken_ssh_config_is_named(reach: Reach) -> None:
    reach.config.write_text("Host box\n  HostName 127.0.0.1\n  Port elephant\n")
    with pytest.raises(BadRequest, match="elephant"):
        await reach.dialer(reach.target("box")).dial("true")


# jump hosts --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """A second server, with another key for clients and for itself, to go over."""
    with Sshd(tmp_path_factory.mktemp("gate")) as sshd:
        yield sshd


async def test_a_jump_host_is_gone_over(reach: Reach, server: Sshd, gate: Sshd) -> None:
    gate.ssh_config(reach.config, "gate")
    dialer = reach.to(server, also=("ProxyJump gate",))
    data = os.urandom(3_000_000)
    async with nothing_left(), dialled(dialer, "exec cat") as carrier:
        _, back = await asyncio.gather(write(carrier, data), read(carrier, len(data)))
    assert back == data
    assert any("direct-tcpip" in line or "Accepted" in line for line in gate.log)


async def test_several_jump_hosts_are_gone_over_in_turn(reach: Reach, server: Sshd, gate: Sshd) -> None:
    gate.ssh_config(reach.config, "gate")
    server.ssh_config(reach.config, "middle")
    dialer = reach.to(server, also=("ProxyJump gate,middle",))
    assert await output_of(dialer, "echo in") == "in\n"


async def test_a_jump_host_may_have_a_jump_host(reach: Reach, server: Sshd, gate: Sshd) -> None:
    server.ssh_config(reach.config, "outer")
    gate.ssh_config(reach.config, "gate", also=("ProxyJump outer",))
    assert await output_of(reach.to(server, also=("ProxyJump gate",)), "echo in") == "in\n"


async def test_jump_hosts_in_a_circle_are_refused(reach: Reach, server: Sshd, gate: Sshd) -> None:
    gate.ssh_config(reach.config, "gate", also=("ProxyJump box",))
    with pytest.raises(BadRequest, match="circle"):
        await reach.to(server, also=("ProxyJump gate",)).dial("true")


async def test_a_jump_host_that_is_down_is_named(reach: Reach, server: Sshd, gate: Sshd) -> None:
    dead = free_port()
    gate.ssh_config(reach.config, "gate", port=dead)
    with pytest.raises(Unreachable, match=f"jump host 127.0.0.1 port {dead} on the way to box refuses"):
        await reach.to(server, also=("ProxyJump gate",)).dial("true")


async def test_a_jump_host_that_does_not_let_us_in_is_named(reach: Reach, server: Sshd, gate: Sshd) -> None:
    gate.ssh_config(reach.config, "gate")
    reach.config.write_text(reach.config.read_text().replace(str(gate.identity), str(server.identity)))
    with pytest.raises(LoginRefused, match=f"jump host 127.0.0.1 port {gate.port} on the way to box does not let"):
        await reach.to(server, also=("ProxyJump gate",)).dial("true")


async def test_a_machine_that_is_down_behind_a_jump_host_is_named(reach: Reach, server: Sshd, gate: Sshd) -> None:
    gate.ssh_config(reach.config, "gate")
    dead = free_port()
    expected = f"box \\(127.0.0.1 port {dead}\\) cannot be reached from the jump host 127.0.0.1 port {gate.port}"
    with pytest.raises(Unreachable, match=expected):
        await reach.to(server, port=dead, also=("ProxyJump gate",)).dial("true")


async def test_a_machine_behind_a_jump_host_that_does_not_let_us_in_is_named(
    reach: Reach, server: Sshd, gate: Sshd
) -> None:
    gate.ssh_config(reach.config, "gate")
    stranger = make_key(reach.folder / "stranger")
    server.ssh_config(reach.config, "box", also=("ProxyJump gate",))
    reach.config.write_text(reach.config.read_text().replace(str(server.identity), str(stranger)))
    with pytest.raises(LoginRefused, match=rf"^box \(127.0.0.1 port {server.port}\) does not let"):
        await reach.dialer(reach.target("box")).dial("true")


async def test_a_jump_host_that_is_silent_is_named(reach: Reach, server: Sshd, gate: Sshd) -> None:
    async with CutProxy(gate.port) as proxy:
        proxy.stall()
        gate.ssh_config(reach.config, "gate", port=proxy.port)
        server.ssh_config(reach.config, "box", also=("ProxyJump gate",))
        with pytest.raises(
            Unreachable, match=f"jump host 127.0.0.1 port {proxy.port} on the way to box did not answer"
        ):
            await reach.dialer(reach.target("box"), connect_timeout=2).dial("true")


# who we are --------------------------------------------------------------------------------------------------------


async def test_a_key_that_the_machine_does_not_know_is_refused(reach: Reach, server: Sshd) -> None:
    stranger = make_key(reach.folder / "stranger")
    server.ssh_config(reach.config, "box")
    reach.config.write_text(reach.config.read_text().replace(str(server.identity), str(stranger)))
    async with nothing_left():
        with pytest.raises(LoginRefused) as caught:
            await reach.dialer(reach.target("box")).dial("true")
    assert str(stranger) in str(caught.value)
    assert server.user in caught.value.what
    assert "ssh-copy-id" in caught.value.advice


async def test_no_key_at_all_is_said(reach: Reach, server: Sshd) -> None:
    server.ssh_config(reach.config, "box")
    reach.config.write_text(reach.config.read_text().replace(str(server.identity), str(reach.folder / "nothing")))
    with pytest.raises(LoginRefused, match="no key to try"):
        await reach.dialer(reach.target("box")).dial("true")


@pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
async def test_an_encrypted_key_needs_its_passphrase(reach: Reach, server: Sshd, kind: str) -> None:
    locked = make_key(reach.folder / "locked", kind, "open sesame")
    server.authorize(locked)
    server.ssh_config(reach.config, "box")
    reach.config.write_text(reach.config.read_text().replace(str(server.identity), str(locked)))
    target = reach.target("box")
    with pytest.raises(PassphraseNeeded) as caught:
        await reach.dialer(target).dial("true")
    assert caught.value.details == {"identity_file": str(locked)}
    assert await output_of(ParamikoDialer(target, passphrase="open sesame"), "echo in") == "in\n"
    with pytest.raises(PassphraseNeeded, match="does not open") as again:
        await ParamikoDialer(target, passphrase="open wheat").dial("true")
    assert "wheat" not in str(again.value)


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A real ssh-agent, ours alone."""
    path = tmp_path / "agent"
    process = subprocess.Popen([program("ssh-agent"), "-D", "-a", str(path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()  # it says where it listens, as soon as it does
    monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
    yield path
    process.terminate()
    process.wait(10)
    process.stdout.close()


def _hold(key: Path, passphrase: str = "") -> None:
    """Give a key to the agent."""
    asked = {"SSH_ASKPASS": str(key.with_name("say")), "SSH_ASKPASS_REQUIRE": "force"}
    key.with_name("say").write_text(f"#!/bin/sh\necho '{passphrase}'\n")
    key.with_name("say").chmod(0o700)
    subprocess.run([program("ssh-add"), "-q", str(key)], env={**os.environ, **asked}, check=True, timeout=10)


async def test_the_agent_opens_what_is_locked(reach: Reach, agent: Path, server: Sshd) -> None:
    locked = make_key(reach.folder / "locked", passphrase="open sesame")
    server.authorize(locked)
    _hold(locked, "open sesame")
    server.ssh_config(reach.config, "box")
    reach.config.write_text(reach.config.read_text().replace(str(server.identity), str(locked)))
    async with nothing_left():
        assert await output_of(reach.dialer(reach.target("box")), "echo in") == "in\n"


async def test_a_key_that_only_the_agent_has_is_offered(reach: Reach, agent: Path, server: Sshd) -> None:
    for name in ("stranger", "known"):
        _hold(make_key(reach.folder / name))
    server.authorize(reach.folder / "known")
    (reach.folder / "known").unlink()
    server.ssh_config(reach.config, "box")
    text = reach.config.read_text().replace(f"IdentityFile {server.identity}", "IdentityFile none")
    reach.config.write_text(text.replace("IdentitiesOnly yes", "IdentitiesOnly no"))
    assert await output_of(reach.dialer(reach.target("box")), "echo in") == "in\n"


async def test_the_agent_that_ssh_config_names_is_asked(
    reach: Reach, agent: Path, server: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK")
    key = make_key(reach.folder / "known")
    server.authorize(key)
    monkeypatch.setenv("SSH_AUTH_SOCK", str(agent))
    _hold(key)
    monkeypatch.delenv("SSH_AUTH_SOCK")
    key.unlink()
    server.ssh_config(reach.config, "box", also=(f"IdentityAgent {agent}",))
    reach.config.write_text(reach.config.read_text().replace(str(server.identity), str(key)))
    assert await output_of(reach.dialer(reach.target("box")), "echo in") == "in\n"


async def test_a_certificate_beside_the_key_is_used(reach: Reach, tmp_path: Path) -> None:
    authority = make_key(tmp_path / "authority")
    options = (f"TrustedUserCAKeys {authority}.pub",)
    with Sshd(tmp_path / "server", options=options) as server:
        key = make_key(reach.folder / "certified")
        certify(key, authority, server.user)
        server.ssh_config(reach.config, "box")
        reach.config.write_text(reach.config.read_text().replace(str(server.identity), str(key)))
        assert await output_of(reach.dialer(reach.target("box")), "echo in") == "in\n"


# bad weather -------------------------------------------------------------------------------------------------------


async def test_a_port_where_nobody_listens_is_said(reach: Reach, server: Sshd) -> None:
    async with nothing_left():
        with pytest.raises(Unreachable, match=r"^box \(127.0.0.1 port \d+\) refuses connections"):
            await reach.to(server, port=free_port()).dial("true")


async def test_a_name_that_nobody_knows_is_said(reach: Reach) -> None:
    async with nothing_left():
        with pytest.raises(Unreachable, match="the name no-such-host"):
            await reach.dialer(reach.target("no-such-host.invalid")).dial("true")


async def test_a_machine_that_does_not_answer_is_given_up_in_time(reach: Reach, server: Sshd) -> None:
    async with CutProxy(server.port) as proxy:
        proxy.stall()
        dialer = reach.dialer(reach.target("box"), connect_timeout=1)
        server.ssh_config(reach.config, "box", port=proxy.port)
        async with nothing_left():
            with pytest.raises(Unreachable, match="did not answer within 1 second"):
                await asyncio.wait_for(dialer.dial("true"), 8)
            await proxy.cut()
        assert proxy.accepted == 1


@pytest.mark.parametrize("passed", [0, 10, 500, 1800])
async def test_a_cut_while_dialling_is_said(reach: Reach, server: Sshd, passed: int) -> None:
    async with CutProxy(server.port) as proxy:
        dialer = reach.to(server, port=proxy.port)
        proxy.cut_after(passed, Direction.DOWN)
        async with nothing_left():
            with pytest.raises(Unreachable, match="ended before"):
                await dialer.dial("exec cat")


async def test_a_server_that_is_no_ssh_server_is_said(reach: Reach, server: Sshd) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n" + b"<html>\n" * 3000)
        with contextlib.suppress(ConnectionError):
            await writer.drain()
        writer.close()

    port = free_port()
    web = await asyncio.start_server(answer, "127.0.0.1", port)
    try:
        with pytest.raises(Unreachable, match=f"box \\(127.0.0.1 port {port}\\) was reached, but"):
            await reach.to(server, port=port).dial("true")
    finally:
        web.close()
        await web.wait_closed()


async def test_cancelling_while_the_machine_is_silent_leaves_nothing(reach: Reach, server: Sshd) -> None:
    async with CutProxy(server.port) as proxy:
        proxy.stall()
        dialer = reach.to(server, port=proxy.port)
        async with nothing_left():
            dialling = asyncio.ensure_future(dialer.dial("true"))
            while not proxy.open_connections:
                await asyncio.wait([dialling], timeout=0.01)
            dialling.cancel()
            with pytest.raises(asyncio.CancelledError):
                await dialling
            await proxy.cut()


@pytest.mark.parametrize("how", list(How))
async def test_a_cut_is_an_end_of_file_with_a_reason(reach: Reach, server: Sshd, how: How) -> None:
    async with CutProxy(server.port) as proxy:
        dialer = reach.to(server, port=proxy.port)
        async with nothing_left(), dialled(dialer, "echo up; exec cat") as carrier:
            assert await read(carrier, 3) == b"up\n"
            await proxy.cut(how)
            assert await read_all(carrier) == b""
            assert "closed from the other side or broke" in await carrier.why_ended()


async def test_a_killed_server_is_an_end_of_file_and_its_return_is_another_dial(reach: Reach, tmp_path: Path) -> None:
    with Sshd(tmp_path / "own") as server:
        dialer = reach.to(server)
        async with dialled(dialer, "echo up; exec cat") as carrier:
            assert await read(carrier, 3) == b"up\n"
            server.stop()
            assert await read_all(carrier) == b""
            assert "box" in await carrier.why_ended()
        with pytest.raises(Unreachable, match="refuses"):
            await dialer.dial("true")
        server.start()
        assert await output_of(dialer, "echo again") == "again\n"


async def test_a_silent_connection_is_kept_and_loses_nothing(reach: Reach, server: Sshd) -> None:
    async with CutProxy(server.port) as proxy:
        dialer = reach.to(server, port=proxy.port)
        async with dialled(dialer, "exec cat") as carrier:
            await write(carrier, b"before")
            assert await read(carrier, 6) == b"before"
            proxy.stall()
            await write(carrier, b"during")
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(read(carrier, 1), 2)
            proxy.resume()
            assert await read(carrier, 6) == b"during"
        assert proxy.accepted == 1


async def test_a_carrier_closes_quickly_though_the_connection_hangs(reach: Reach, server: Sshd) -> None:
    async with CutProxy(server.port) as proxy:
        dialer = reach.to(server, port=proxy.port)
        async with nothing_left():
            carrier = await dialer.dial("exec cat")
            proxy.stall()
            writing = asyncio.ensure_future(write(carrier, bytes(60_000_000)))
            await asyncio.wait([writing], timeout=1)
            assert not writing.done()
            writing.cancel()
            await asyncio.wait([writing])
            await asyncio.wait_for(carrier.close(), 5)
            await proxy.cut()


# noise and malice --------------------------------------------------------------------------------------------------


async def test_a_banner_and_a_chatty_login_shell_do_no_harm(reach: Reach, tmp_path: Path) -> None:
    chatty = 'echo welcome; echo news >&2; eval "$SSH_ORIGINAL_COMMAND"'
    banner = "Permission denied (publickey).\nHost key verification failed.\n" + "x" * 70 + "\n"
    with Sshd(tmp_path / "own", banner=banner, options=(f"ForceCommand {chatty}",)) as server:
        assert await output_of(reach.to(server), "echo mine") == "mine\n"
        stranger = make_key(reach.folder / "stranger")
        reach.config.write_text(reach.config.read_text().replace(str(server.identity), str(stranger)))
        with pytest.raises(LoginRefused):
            await reach.dialer(reach.target("box")).dial("true")


async def test_a_login_shell_that_refuses_is_quoted(reach: Reach, tmp_path: Path) -> None:
    with (
        Sshd(tmp_path / "own", options=("ForceCommand echo 'This account is closed.' >&2; exit 1",)) as server,
        pytest.raises(Unreachable, match=r"ended before the command ran: This account is closed\."),
    ):
        await reach.to(server).dial("true")


async def test_a_login_shell_that_hangs_is_given_up(reach: Reach, tmp_path: Path) -> None:
    with Sshd(tmp_path / "own", options=("ForceCommand exec cat > /dev/null",)) as server:
        server.ssh_config(reach.config, "box")
        async with nothing_left():
            with pytest.raises(Unreachable, match="did not answer"):
                await reach.dialer(reach.target("box"), connect_timeout=2).dial("true")


@pytest.mark.parametrize("address", ["-oProxyCommand=touch /tmp/x", "-V", "", "a b", "a\nb"])
def test_an_address_that_is_an_option_is_refused(tmp_path: Path, address: str) -> None:
    with pytest.raises(BadRequest, match="cannot be the address"):
        SshTarget("box", address, tmp_path / "known")


def test_a_user_name_or_port_that_makes_no_sense_is_refused(tmp_path: Path) -> None:
    target = SshTarget("box", "host", tmp_path / "known")
    with pytest.raises(BadRequest, match="user name"):
        replace(target, user="-x")
    with pytest.raises(BadRequest, match="port"):
        replace(target, port=70000)


async def test_a_jump_host_that_is_an_option_is_refused(reach: Reach, server: Sshd) -> None:
    marker = reach.folder / "ran"
    dialer = reach.to(server, also=(f"ProxyJump -oProxyCommand=touch${{IFS}}{marker}",))
    with pytest.raises(BridgeError):
        await dialer.dial("true")
    assert not marker.exists()


async def test_the_command_line_carries_no_secret(server: Sshd, tmp_path: Path) -> None:
    """What `ps` shows to everybody on this computer has neither keys nor passphrases in it."""
    import psutil

    from jupyter_gpu_bridge.machine.carriers.process import ProcessCarrier

    carrier = await Reach("openssh", tmp_path).to(server).dial("exec cat")
    try:
        assert isinstance(carrier, ProcessCarrier)
        line = " ".join(psutil.Process(carrier.pid).cmdline())
        assert "PRIVATE" not in line
        assert "BatchMode=yes" in line
        assert "StrictHostKeyChecking=yes" in line
    finally:
        await carrier.close()
