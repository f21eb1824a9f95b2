"""A machine from inside: what can be done over SSH, what it knows, and that nothing of it is left in the end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
from pathlib import Path

import psutil
import pytest

from jupyter_gpu_bridge.errors import HostKeyUnknown, LoginRefused
from jupyter_gpu_bridge.machine.carriers import SshTarget
from jupyter_gpu_bridge.machine.carriers.paramiko_ssh import ParamikoDialer
from jupyter_gpu_bridge.model import SeenState
from tests.machine.carriers.talk import dialled, end_of, nothing_left, output_of, read, read_all, write
from tests.sandbox.cloud import Box, SandboxCloud, account, is_open, key_of, lives, order, rent, running, until
from tests.sshd import make_key

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(90), pytest.mark.needs("ssh", "ssh-keygen")]

carriers = pytest.mark.parametrize("carrier", ["openssh", "paramiko"])

DAEMON = """
import os, sys, time
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
null = os.open(os.devnull, os.O_RDWR)
for number in (0, 1, 2): os.dup2(null, number)
open("{0}.new", "w").write(str(os.getpid()))
os.rename("{0}.new", "{0}")
time.sleep(600)
"""

# what is done over SSH ---------------------------------------------------------------------------------------------


@carriers
async def test_forty_megabytes_each_way_at_once_arrive_intact(cloud: SandboxCloud, carrier: str) -> None:
    sent = os.urandom(40_000_000)
    async with account(cloud) as provider:
        box = await rent(cloud, provider)
        async with dialled(box.dialer(carrier), "exec cat") as pipe:
            _, received = await asyncio.gather(write(pipe, sent), read(pipe, len(sent)))
    assert received == sent


@carriers
async def test_nothing_is_lost_when_nobody_reads_for_long(cloud: SandboxCloud, carrier: str) -> None:
    command = "head -c 40000000 /dev/zero | tr '\\0' 'z' & wc -c >&2; wait; echo; echo end"
    async with account(cloud) as provider:
        box = await rent(cloud, provider)
        async with dialled(box.dialer(carrier), command) as pipe:
            await write(pipe, bytes(12_000_000))
            received = await read(pipe, 40_000_000)
            with end_of(pipe) as end:
                end.shutdown(socket.SHUT_WR)
            rest = await read_all(pipe)
        assert received == b"z" * 40_000_000
        assert rest == b"\nend\n"


@carriers
async def test_a_machine_does_what_a_carrier_expects(cloud: SandboxCloud, carrier: str) -> None:
    async with account(cloud) as provider:
        box = await rent(cloud, provider)
        dialer = box.dialer(carrier)
        assert await output_of(dialer, "printf hello") == "hello"
        assert await output_of(dialer, "head -c 3000000 /dev/zero | tr '\\0' 'x' >&2; echo fine") == "fine\n"
        assert await output_of(dialer, "pwd") == f"{box.home}\n"
        async with dialled(dialer, "wc -c") as pipe:
            await write(pipe, bytes(300_000))
            with end_of(pipe) as end:
                end.shutdown(socket.SHUT_WR)
            assert (await read_all(pipe)).split() == [b"300000"]
        async with dialled(dialer, "echo 'disk full' >&2; exit 3") as pipe:
            assert await read_all(pipe) == b""
            why = await pipe.why_ended()
            assert "status 3" in why
            assert "disk full" in why
        for signal in ("TERM", "KILL"):
            async with dialled(dialer, f"kill -{signal} $$") as pipe:
                assert await read_all(pipe) == b""
                assert await pipe.why_ended()


@carriers
async def test_an_input_that_nobody_reads_does_not_hold_up_the_output(cloud: SandboxCloud, carrier: str) -> None:
    async with account(cloud) as provider:
        box = await rent(cloud, provider)
        async with dialled(box.dialer(carrier), "exec <&-; sleep 0.2; head -c 1000000 /dev/zero; echo done") as pipe:
            await write(pipe, bytes(20_000_000))
            assert (await read_all(pipe))[-5:] == b"done\n"


@carriers
async def test_many_short_commands_at_once(cloud: SandboxCloud, carrier: str) -> None:
    """The end of a command never overtakes the word that it runs."""
    async with account(cloud) as provider:
        box = await rent(cloud, provider)
        said = await asyncio.gather(*(output_of(box.dialer(carrier), f"echo {n}") for n in range(12)))
        assert said == [f"{n}\n" for n in range(12)]


async def test_several_channels_of_one_connection(cloud: SandboxCloud) -> None:
    async with account(cloud) as provider:
        box = await rent(cloud, provider)
        assert await asyncio.to_thread(_talk_on_channels, cloud, box) == [b"0" * 3_000_000, b"1" * 3_000_000]


@carriers
async def test_cutting_in_full_flow_leaves_nothing_here_and_breaks_the_pipe_there(
    cloud: SandboxCloud, carrier: str
) -> None:
    async with account(cloud) as provider:
        box = await rent(cloud, provider)
        async with nothing_left():
            pipe = await box.dialer(carrier).dial("echo $$ > number; exec cat /dev/zero")
            await read(pipe, 1_000_000)
            await pipe.close()
        number = int((box.home / "number").read_text())
        await until(lambda: not lives(number))


@carriers
async def test_what_is_detached_outlives_the_connection(cloud: SandboxCloud, carrier: str) -> None:
    async with account(cloud) as provider:
        box = await rent(cloud, provider)
        pid = await _daemon(box, carrier)
        assert lives(pid)
        assert await output_of(box.dialer(carrier), f"kill -0 {pid} && echo there") == "there\n"


@carriers
async def test_cancelling_at_any_moment_of_dialling_leaves_nothing(cloud: SandboxCloud, carrier: str) -> None:
    async with account(cloud) as provider:
        box = await rent(cloud, provider)
        dialer = box.dialer(carrier)
        loop = asyncio.get_running_loop()
        start = loop.time()
        await (await dialer.dial("exec cat")).close()
        whole = loop.time() - start
        async with nothing_left():
            for part in (0.0, 0.3, 0.6, 0.9):
                dialling = asyncio.ensure_future(dialer.dial("exec cat"))
                await asyncio.wait([dialling], timeout=whole * part)
                dialling.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await (await dialling).close()  # when it has come to its end in this very instant
        assert await output_of(dialer, "echo still") == "still\n"


async def test_only_the_key_of_the_order_may_enter(cloud: SandboxCloud, tmp_path: Path) -> None:
    async with account(cloud) as provider:
        box = await rent(cloud, provider)
        stranger = make_key(tmp_path / "stranger")
        with pytest.raises(LoginRefused):
            await _dialer(cloud, box, tmp_path, identity=stranger).dial("true")
        with pytest.raises(LoginRefused):
            await _dialer(cloud, box, tmp_path, user="root").dial("true")


async def test_a_machine_without_a_given_host_key_has_one_of_its_own(cloud: SandboxCloud, tmp_path: Path) -> None:
    async with account(cloud) as provider:
        box = await rent(cloud, provider, script='rm "$GPU_BRIDGE_HOST_KEY"')
        with pytest.raises(HostKeyUnknown):
            await _dialer(cloud, box, tmp_path, known=False).dial("true")
        bad = await rent(cloud, provider, "gpu-bridge-bad", 'echo rubbish > "$GPU_BRIDGE_HOST_KEY"')
        seen = await provider.get(bad.ref)
        assert seen is not None
        assert "host key" in seen.detail


async def test_nothing_is_forwarded(cloud: SandboxCloud) -> None:
    async with account(cloud) as provider:
        box = await rent(cloud, provider)
        arguments = [
            "ssh",
            "-F",
            "/dev/null",
            "-i",
            str(cloud.identity),
            "-o",
            "BatchMode=yes",
            "-o",
            "IdentitiesOnly=yes",
        ]
        arguments += ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
        arguments += ["-p", str(box.seen.port), "-W", f"127.0.0.1:{box.seen.port}", "sandbox@127.0.0.1"]
        ended = await asyncio.to_thread(
            subprocess.run, arguments, capture_output=True, text=True, timeout=20, check=False
        )
        assert ended.returncode != 0
        assert "administratively prohibited" in ended.stderr


# what it knows -----------------------------------------------------------------------------------------------------


async def test_the_start_script_runs_before_ssh_opens_and_says_when_it_fails(cloud: SandboxCloud) -> None:
    async with account(cloud) as provider:
        box = await rent(cloud, provider, script="sleep 0.3; touch prepared; echo said; exit 7")
        assert (box.home / "prepared").exists()
        seen = await provider.get(box.ref)
        assert seen is not None
        assert "status 7" in seen.detail
        assert box.ask("GET", "/console")[1]["console"] == "said\n"


async def test_a_machine_may_end_itself_and_no_other(cloud: SandboxCloud) -> None:
    async with account(cloud) as provider:
        box, other = await rent(cloud, provider), await rent(cloud, provider, "gpu-bridge-other")
        for method, path in (
            ("GET", "/v1/machines"),
            ("GET", "/v1/account"),
            ("GET", f"/v1/machines/{other.ref}"),
            ("DELETE", f"/v1/machines/{other.ref}"),
            ("POST", f"/v1/machines/{box.ref}/stop"),
            ("GET", "/v1/billing"),
        ):
            assert cloud.ask(method, path, key=box.own_key)[0] == 403
        assert cloud.ask("GET", "/control/log", key=box.own_key)[0] == 401
        assert cloud.ask("GET", f"/v1/machines/{box.ref}", key=box.own_key)[0] == 200
        ask = (
            "import os, urllib.request as u; e = os.environ;"
            "u.urlopen(u.Request(e['SANDBOX_API'] + '/v1/machines/' + e['SANDBOX_MACHINE_ID'], method='DELETE',"
            "headers={'Authorization': 'Bearer ' + e['SANDBOX_MACHINE_KEY']}))"
        )
        await output_of(box.dialer(), f'python3 -c "{ask}"')
        await until(lambda: cloud.truth(box.ref)["status"] == "deleted")
        assert await provider.get(box.ref) is None
        assert await provider.get(other.ref) is not None


async def test_poweroff_stops_the_machine_and_not_its_bill(cloud: SandboxCloud) -> None:
    async with account(cloud) as provider:
        box = await rent(cloud, provider)
        daemon = await _daemon(box)
        await output_of(box.dialer(), "poweroff; sleep 60")
        await until(lambda: cloud.truth(box.ref)["status"] == "off")
        seen = await provider.get(box.ref)
        assert seen is not None
        assert (seen.state, seen.is_billed) == (SeenState.STOPPED, True)
        await until(lambda: not lives(daemon))
        assert box.home.exists()


async def test_nothing_of_the_user_and_no_secret_of_the_account_is_on_a_machine(
    cloud: SandboxCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANARY", "do-not-tell")
    with SandboxCloud() as fresh:  # which has the canary in its environment
        async with account(fresh) as provider:
            box = await rent(fresh, provider, script="env; ls -la")
            await _daemon(box)
            secrets = [key_of(provider), fresh.api["account_key"], fresh.api["control_key"], "do-not-tell"]
            found = []
            for process in _processes(fresh.truth(box.ref)["pids"]):
                found += [str(process.environ()), *process.cmdline()]
            assert len(found) > 4
            files = [each for each in box.folder.rglob("*") if each.is_file()]
            assert box.folder / "console.log" in files
            found += [each.read_bytes().decode("latin-1") for each in files]
            found += [str(fresh.log()), str(box.ask("GET", "/console"))]
            found += [
                " ".join(each.cmdline())
                for each in psutil.Process(fresh.process.pid if fresh.process else 0).children()
            ]
            assert not [secret for secret in secrets for text in found if secret in text]
            said = await output_of(box.dialer(), "env")
            names = {line.partition("=")[0] for line in said.splitlines()}
            assert names >= {"HOME", "TMPDIR", "PATH", "SANDBOX_API", "SANDBOX_MACHINE_ID", "SANDBOX_MACHINE_KEY"}
            assert not {name for name in names if name.startswith(("JUPYTER", "SSH", "PYTHON", "XDG_SESSION"))}


# its end -----------------------------------------------------------------------------------------------------------


async def test_the_end_of_a_machine_is_the_end_of_all_that_ran_on_it_and_of_nothing_else(cloud: SandboxCloud) -> None:
    async with account(cloud) as provider:
        box, other = await rent(cloud, provider), await rent(cloud, provider, "gpu-bridge-other")
        daemons = [await _daemon(box), await _daemon(box, clean=True)]
        bystander = subprocess.Popen(["sleep", "600"])  # noqa: ASYNC220
        neighbour = await _daemon(other)
        try:
            assert all(lives(pid) for pid in [*daemons, neighbour, bystander.pid])
            pid = int(cloud.truth(box.ref)["pid"])
            await provider.destroy(box.ref)
            assert not any(lives(each) for each in [*daemons, pid])
            assert lives(neighbour)
            assert lives(bystander.pid)
            assert not box.folder.exists()
            assert not Path(f"/tmp/gpbs-{os.getuid()}-{box.ref}").exists()
            assert other.home.exists()
        finally:
            bystander.kill()
            bystander.wait()


async def test_a_machine_that_is_killed_is_off_and_nothing_of_it_runs_on(cloud: SandboxCloud) -> None:
    async with account(cloud) as provider:
        box = await rent(cloud, provider)
        daemon = await _daemon(box)
        os.kill(int(cloud.truth(box.ref)["pid"]), 9)
        await until(lambda: cloud.truth(box.ref)["status"] == "off")
        await until(lambda: not lives(daemon))
        seen = await provider.get(box.ref)
        assert seen is not None
        assert seen.state is SeenState.STOPPED
        assert box.ask("POST", "/start")[0] == 200
        again = await running(provider, box.ref)
        await until(lambda: is_open(again))


async def test_a_machine_is_destroyed_while_it_boots(cloud: SandboxCloud) -> None:
    async with account(cloud) as provider:
        ref = await order(cloud, provider, "gpu-bridge-young", "sleep 600")
        await running(provider, ref)
        truth = cloud.truth(ref)
        await provider.destroy(ref)
        assert not lives(int(truth["pid"]))
        assert not Path(truth["folder"]).exists()


# how it is done ----------------------------------------------------------------------------------------------------


async def _daemon(box: Box, carrier: str = "paramiko", *, clean: bool = False) -> int:
    """The number of a process that has detached itself as far as one can; `clean`: also from its environment."""
    name = f"daemon-{os.urandom(4).hex()}"
    (box.home / f"{name}.py").write_text(DAEMON.format(box.home / name))
    command = f'exec {"env -i " if clean else ""}"$(command -v python3)" {box.home}/{name}.py'
    assert await output_of(box.dialer(carrier), command) == ""
    await until((box.home / name).exists)
    return int((box.home / name).read_text())


def _dialer(
    cloud: SandboxCloud,
    box: Box,
    folder: Path,
    *,
    identity: Path | None = None,
    user: str | None = None,
    known: bool = True,
) -> ParamikoDialer:
    box.dialer()
    return ParamikoDialer(
        SshTarget(
            "box",
            box.seen.address,
            cloud.keys / "known_hosts" if known else folder / "nothing",
            user or box.seen.user,
            box.seen.port,
            str(identity or cloud.identity),
            config_file=cloud.keys / "ssh_config",
        )
    )


def _talk_on_channels(cloud: SandboxCloud, box: Box) -> list[bytes]:
    import paramiko

    transport = paramiko.Transport((box.seen.address, box.seen.port))
    try:
        transport.connect(username=box.seen.user, pkey=paramiko.PKey.from_path(cloud.identity))
        channels = [transport.open_session(timeout=10) for _ in range(2)]
        for number, channel in enumerate(channels):
            channel.settimeout(20)
            channel.exec_command(f"head -c 3000000 /dev/zero | tr '\\0' '{number}'")
        return [channel.makefile("rb").read() for channel in reversed(channels)][::-1]
    finally:
        transport.close()


def _processes(pids: list[int]) -> list[psutil.Process]:
    return [psutil.Process(pid) for pid in pids]
