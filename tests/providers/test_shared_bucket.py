"""All processes of a user ask a cloud no more often than one may; none of them can hold up the others."""

from __future__ import annotations

import asyncio
import math
import os
import signal
import stat
import subprocess
import sys
import time
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from jupyter_gpu_bridge import settings
from jupyter_gpu_bridge.errors import Unclear
from jupyter_gpu_bridge.providers import shared_bucket
from jupyter_gpu_bridge.providers.gate import gates
from jupyter_gpu_bridge.providers.http import HttpClient
from jupyter_gpu_bridge.providers.limiter import Limiter, TooLong
from jupyter_gpu_bridge.providers.setting import Rate
from jupyter_gpu_bridge.providers.shared_bucket import SharedBucket
from jupyter_gpu_bridge.sandbox.http import Answer
from tests.providers.scripted import Scripted, scripted
from tests.small_disk import play_on_small_disk

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60)]

GOOD = Answer(200, {"fine": True})
KEY = "sk-acme-0123456789"
ONE_AN_HOUR = Rate(1, 3600)
HOLDS = """
import fcntl, os, signal, sys
held = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT, 0o600)
fcntl.flock(held, fcntl.LOCK_EX)
print("held", flush=True)
os.kill(os.getpid(), signal.SIGSTOP)
"""


class Told:
    """How often a limiter has had to count alone."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> None:
        self.times += 1


@pytest.fixture
def told() -> Told:
    return Told()


def limiter(folder: Path, told: Told | None = None, rate: Rate = ONE_AN_HOUR) -> Limiter:
    """As another process has it: what they share is the file."""
    return Limiter(lambda: rate, shared=SharedBucket("rate-acme", told or Told(), lambda: folder))


def file(folder: Path) -> Path:
    return folder / "rate-acme"


@contextmanager
def held_by_one_who_was_stopped(path: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen([sys.executable, "-c", HOLDS, str(path)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        os.waitpid(process.pid, os.WUNTRACED)
        yield process
    finally:
        process.kill()
        process.communicate()


@asynccontextmanager
async def others(script: Scripted, *each: tuple[str, int], key: str = KEY) -> AsyncIterator[list[asyncio.Task[str]]]:
    """Processes that ask at this rate, so often; all start at once, when all of them are there."""
    words = [[sys.executable, "-m", "tests.providers.asking", script.address, key, rate, str(n)] for rate, n in each]
    pipe = asyncio.subprocess.PIPE
    processes = [await asyncio.create_subprocess_exec(*these, stdin=pipe, stdout=pipe) for these in words]
    try:
        for process in processes:
            assert process.stdout is not None
            assert await process.stdout.readline() == b"here\n"
        yield [asyncio.ensure_future(said(process)) for process in processes]
    finally:
        for process in processes:
            if process.returncode is None:
                process.kill()
                await process.wait()


async def said(process: asyncio.subprocess.Process) -> str:
    out, _ = await process.communicate(b"go\n")
    return out.decode()


# together ----------------------------------------------------------------------------------------------------------


async def test_several_processes_together_ask_no_more_often_than_one_may() -> None:
    """Four with 15 requests each, of which each alone might send all at once."""
    arrived: list[float] = []

    def note(request: object) -> Answer:
        arrived.append(time.monotonic())
        return GOOD

    async with scripted(note) as script:
        async with others(script, *[("20/s", 15)] * 4) as asking:
            ready = time.monotonic()
            words = await asyncio.gather(*asking)
        assert len(arrived) == 60, words
        for sent, moment in enumerate(arrived, 1):
            assert sent <= 20 + 20 * (moment - ready), (sent, words)


async def test_what_a_cloud_says_about_when_to_come_again_is_heard_by_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PROVIDER_MAX_RETRIES", "0")
    monkeypatch.setenv("ACME_TIMEOUT", "5")
    async with scripted(Answer(429, {"error": "slowly"}, {"Retry-After": "300"}), GOOD) as script:
        async with others(script, ("100/s", 1)) as asking:
            assert "too busy" in await asking[0]
        for key, is_paused in ((KEY, True), ("of another account", False)):
            client = HttpClient("Acme", script.address, headers={}, secrets=[key], trust_env=False)
            try:
                if is_paused:
                    with pytest.raises(Unclear, match=r"next request can be sent in (29\d\.\d|300\.0) s.*Nothing"):
                        await client.read("/things")
                    await client.destroy("/things/1")
                else:
                    await client.read("/things")
            finally:
                await client.close()
        assert [request.method for request in script.heard] == ["GET", "DELETE", "GET"]


async def test_a_reset_lifts_what_was_said_to_any_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROVIDER_MAX_RETRIES", "0")
    async with scripted(Answer(429, {"error": "slowly"}, {"Retry-After": "300"}), GOOD) as script:
        async with others(script, ("100/s", 1)) as asking:
            await asyncio.gather(*asking)
        gates().reset("acm")
        client = HttpClient("Acme", script.address, headers={}, secrets=[KEY], trust_env=False)
        with pytest.raises(Unclear, match="Nothing was sent"):
            await client.read("/things")
        gates().reset("acme")
        await client.read("/things")
        await client.close()


async def test_a_token_that_one_has_taken_another_one_does_not_have(tmp_path: Path, told: Told) -> None:
    one, other = limiter(tmp_path, told), limiter(tmp_path, told)
    await one.turn(0)
    with pytest.raises(TooLong):
        await other.turn(10)
    one.reset()
    await other.turn(0)
    assert told.times == 0


async def test_what_passes_by_in_one_is_paid_by_all(tmp_path: Path) -> None:
    one, other = limiter(tmp_path, rate=Rate(10)), limiter(tmp_path, rate=Rate(10))
    for _ in range(14):
        one.pass_by()
    with pytest.raises(TooLong) as caught:
        await other.turn(0.1)
    assert 0.1 < caught.value.seconds <= 0.5


async def test_neither_the_name_nor_the_content_of_the_file_tells_a_key_and_nobody_else_may_read_it() -> None:
    async with scripted(GOOD) as script:
        client = HttpClient(
            "Acme", script.address, headers={}, secrets=[KEY], trust_env=False, paces={"create": "1/12s"}
        )
        await client.read("/things")
        await client.once("POST", "/things", verb="create")
        await client.close()
    found = sorted(settings.run_folder().iterdir())
    assert [path.name[:10] for path in found] == ["pace-acme-", "rate-acme-"]
    for path in found:
        assert KEY not in path.name
        assert KEY.encode() not in path.read_bytes()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


# who is in the way -------------------------------------------------------------------------------------------------


async def test_one_who_was_stopped_while_he_held_it_blocks_nobody_and_the_others_hear_of_it_afterwards(
    tmp_path: Path, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_bucket, "_ALONE_FOR", 0.2)
    one = limiter(tmp_path, told)
    with held_by_one_who_was_stopped(file(tmp_path)):
        turn = asyncio.ensure_future(one.turn(10))
        ticks = 0
        while not turn.done():
            await asyncio.sleep(0.01)
            ticks += 1
        await turn
        assert ticks > 3, "the loop has gone on"
        assert told.times == 1
        one.pause(100)
    await asyncio.sleep(0.25)
    assert one.paused_for > 90
    other = limiter(tmp_path, told)
    assert other.paused_for > 90
    assert other.available < 0.5
    assert told.times == 1


async def test_a_destroy_does_not_even_wait_for_that(tmp_path: Path, told: Told) -> None:
    one = limiter(tmp_path, told)
    with held_by_one_who_was_stopped(file(tmp_path)):
        one.pass_by()
    other = limiter(tmp_path)
    await other.turn(0)
    assert one.available == 0
    with pytest.raises(TooLong) as caught:
        await other.turn(10)
    assert caught.value.seconds == pytest.approx(2 * 3600, abs=60)
    assert told.times == 0


async def test_one_who_died_while_he_held_it_is_in_nobodys_way(tmp_path: Path, told: Told) -> None:
    with held_by_one_who_was_stopped(file(tmp_path)) as process:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        await limiter(tmp_path, told).turn(0)
        with pytest.raises(TooLong):
            await limiter(tmp_path, told).turn(0)
    assert told.times == 0


# what cannot be believed ---------------------------------------------------------------------------------------------


async def test_what_was_written_before_this_computer_started_counts_for_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as before:
        before.setattr(shared_bucket, "_start", lambda: bytes(16))
        one = limiter(tmp_path)
        await one.turn(0)
        one.pause(3000)
        assert limiter(tmp_path).paused_for > 2000
    other = limiter(tmp_path)
    assert other.paused_for == 0
    await other.turn(0)


def written(filled: float, paused_until: float, tokens: float) -> bytes:
    said = shared_bucket._CONTENT.pack(shared_bucket._start(), filled, paused_until, tokens)
    return said + shared_bucket._CHECK.pack(zlib.crc32(said))


NOW = time.monotonic()


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"what is this?", id="words"),
        pytest.param(bytes(44), id="zeros"),
        pytest.param(bytes(range(256)) * 400, id="long"),
        pytest.param(written(NOW, 0, 0)[:-1], id="cut"),
        pytest.param(written(NOW, 0, 0) + b"!", id="more"),
        pytest.param(written(NOW, 0, 0)[:20] + b"\xff" + written(NOW, 0, 0)[21:], id="changed"),
        pytest.param(written(math.nan, 0, 0), id="never filled"),
        pytest.param(written(NOW, math.inf, 0), id="paused for ever"),
        pytest.param(written(NOW, 0, math.nan), id="no number"),
        pytest.param(written(NOW, 0, -math.inf), id="in debt for ever"),
        pytest.param(written(NOW + 1e6, 0, 0), id="filled later"),
        pytest.param(written(NOW, NOW + 1e6, 0), id="paused for long"),
    ],
)
async def test_what_is_damaged_or_comes_from_the_future_counts_for_nothing_and_is_mended(
    tmp_path: Path, told: Told, content: bytes
) -> None:
    file(tmp_path).write_bytes(content)
    await limiter(tmp_path, told).turn(0)
    with pytest.raises(TooLong):
        await limiter(tmp_path, told).turn(0)
    assert told.times == 0


async def test_what_can_be_believed_counts(tmp_path: Path) -> None:
    """Or the test above would be well whatever is read."""
    file(tmp_path).write_bytes(written(NOW, 0, 0))
    with pytest.raises(TooLong):
        await limiter(tmp_path).turn(0)


# where nothing can be written --------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["no folder", "a folder in its place", "a link in its place"])
async def test_where_nothing_can_be_written_each_counts_alone_and_says_so(
    tmp_path: Path, told: Told, what: str
) -> None:
    folder = Path("/proc") if what == "no folder" else tmp_path
    if what == "a folder in its place":
        file(folder).mkdir()
    elif what == "a link in its place":
        file(folder).symlink_to(tmp_path / "elsewhere")
    one = limiter(folder, told)
    await one.turn(0)
    with pytest.raises(TooLong):
        await one.turn(0)
    assert told.times == 1
    await limiter(folder).turn(0)
    assert not (tmp_path / "elsewhere").exists()


async def test_a_file_that_takes_too_long_is_left_alone_for_a_while_with_what_is_known_of_it(
    tmp_path: Path, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_bucket, "_SLOW", 0.0)
    one = limiter(tmp_path, told)
    await one.turn(0)
    assert told.times == 1
    limiter(tmp_path).reset()
    with pytest.raises(TooLong):
        await one.turn(0)
    assert told.times == 1


async def test_without_a_home_requests_are_sent_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_GPU_BRIDGE_HOME", "/proc/x")
    async with scripted(GOOD) as script:
        client = HttpClient("Acme", script.address, headers={}, secrets=[KEY], trust_env=False)
        assert (await client.read("/things")).status == 200
        await client.close()


def test_on_a_full_disk_each_counts_alone(tmp_path: Path) -> None:
    play_on_small_disk(tmp_path, "tests.providers.full_disk")
