"""What every carrier must do, whatever it is made of."""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket

import pytest

from jupyter_gpu_bridge.errors import BridgeError
from jupyter_gpu_bridge.machine.carriers import Dialer, PipeDialer
from jupyter_gpu_bridge.machine.carriers.process import ProcessCarrier
from tests.machine.carriers.talk import dialled, end_of, nothing_left, output_of, read, read_all, write

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60)]


async def test_bytes_arrive_intact_both_ways_at_once(dialer: Dialer) -> None:
    sent = os.urandom(8_000_000)
    async with dialled(dialer, "exec cat") as carrier:
        _, received = await asyncio.gather(write(carrier, sent), read(carrier, len(sent)))
    assert received == sent


async def test_nothing_is_lost_when_nobody_reads_for_long(dialer: Dialer) -> None:
    """The far side writes more than all buffers on the way hold; meanwhile the other direction goes on."""
    command = "head -c 40000000 /dev/zero | tr '\\0' 'z' & wc -c >&2; wait; echo; echo end"
    async with dialled(dialer, command) as carrier:
        await write(carrier, bytes(12_000_000))
        received = await read(carrier, 40_000_000)
        with end_of(carrier) as end:
            end.shutdown(socket.SHUT_WR)
        rest = await read_all(carrier)
    assert hashlib.sha256(received).digest() == hashlib.sha256(b"z" * 40_000_000).digest()
    assert rest == b"\nend\n"


async def test_the_first_byte_is_the_commands_own(dialer: Dialer) -> None:
    assert await output_of(dialer, "printf hello") == "hello"


async def test_a_command_with_every_awkward_character_arrives_as_it_is(dialer: Dialer) -> None:
    awkward = 'it\'s "quoted" \\ $HOME `id` !x *\t~ ü'
    quoted = awkward.replace("'", "'\"'\"'")
    assert await output_of(dialer, f"printf '%s' '{quoted}'") == awkward


async def test_the_commands_input_ends_when_we_end_it(dialer: Dialer) -> None:
    async with dialled(dialer, "wc -c") as carrier:
        await write(carrier, bytes(300_000))
        with end_of(carrier) as end:
            end.shutdown(socket.SHUT_WR)
        assert (await read_all(carrier)).split() == [b"300000"]


async def test_the_end_of_the_command_is_an_end_of_file_with_a_reason(dialer: Dialer) -> None:
    async with dialled(dialer, "echo 'disk full' >&2; exit 3") as carrier:
        assert await read_all(carrier) == b""
        why = await carrier.why_ended()
    assert "status 3" in why
    assert "disk full" in why


async def test_much_on_standard_error_does_no_harm(dialer: Dialer) -> None:
    assert await output_of(dialer, "head -c 3000000 /dev/zero | tr '\\0' 'x' >&2; echo fine") == "fine\n"


async def test_two_carriers_of_one_dialer_are_apart(dialer: Dialer) -> None:
    async with dialled(dialer, "exec cat") as one, dialled(dialer, "exec cat") as other:
        await write(one, b"one")
        await write(other, b"two")
        assert await read(one, 3) == b"one"
        await one.close()
        assert await read(other, 3) == b"two"
        await write(other, b"still")
        assert await read(other, 5) == b"still"


async def test_closing_leaves_nothing(dialer: Dialer) -> None:
    async with nothing_left():
        carrier = await dialer.dial("exec cat")
        await write(carrier, b"x")
        assert await read(carrier, 1) == b"x"
        await carrier.close()
        await carrier.close()


async def test_closing_in_full_flow_leaves_nothing(dialer: Dialer) -> None:
    async with nothing_left():
        carrier = await dialer.dial("exec cat /dev/zero")
        await read(carrier, 1_000_000)
        await carrier.close()


async def test_closing_after_the_end_leaves_nothing(dialer: Dialer) -> None:
    async with nothing_left():
        carrier = await dialer.dial("exit 0")
        assert await read_all(carrier) == b""
        await carrier.close()


async def test_cancelling_at_any_moment_of_dialling_leaves_nothing(dialer: Dialer) -> None:
    loop = asyncio.get_running_loop()
    start = loop.time()
    await (await dialer.dial("exec cat")).close()
    whole = loop.time() - start
    async with nothing_left():
        for part in (0.0, 0.1, 0.3, 0.5, 0.7, 0.9):
            dialling = asyncio.ensure_future(dialer.dial("exec cat"))
            done, _ = await asyncio.wait([dialling], timeout=whole * part)
            if done:
                await dialling.result().close()
                continue
            dialling.cancel()
            with pytest.raises(asyncio.CancelledError):
                await dialling


@pytest.mark.parametrize("signal", ["TERM", "KILL"])
async def test_a_command_that_is_killed_is_an_end_of_file(dialer: Dialer, signal: str) -> None:
    async with dialled(dialer, f"kill -{signal} $$") as carrier:
        assert await read_all(carrier) == b""
        assert await carrier.why_ended()


async def test_a_child_leads_a_session_of_its_own() -> None:
    async with dialled(PipeDialer(), "exec cat") as carrier:
        assert isinstance(carrier, ProcessCarrier)
        assert os.getsid(carrier.pid) == carrier.pid != os.getsid(0)


async def test_a_pipe_whose_program_is_missing_says_so() -> None:
    async with nothing_left():
        with pytest.raises(BridgeError, match="no-such-shell could not be started"):
            await PipeDialer(("no-such-shell", "-c")).dial("true")


async def test_a_child_that_ignores_being_asked_is_killed() -> None:
    async with nothing_left():
        carrier = await PipeDialer().dial("trap '' TERM; echo ready; while :; do read -r line || :; done")
        assert await read(carrier, 6) == b"ready\n"
        await carrier.close()


async def test_a_pipe_gives_the_child_the_environment_it_is_told() -> None:
    dialer = PipeDialer(environment={"PATH": os.environ["PATH"], "ONLY": "this"})
    assert "ONLY=this" in await output_of(dialer, "exec env")
    assert "HOME=" not in await output_of(dialer, "exec env")
