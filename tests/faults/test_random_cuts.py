"""The connection is cut after random counts of bytes, again and again, also in the middle of a login."""

from __future__ import annotations

import asyncio
import random
import time

import pytest

from tests.cutting import CutProxy, Direction, How
from tests.faults.hearing import hear
from tests.faults.scene import Kernel, Scene

pytestmark = pytest.mark.timeout(90)

_CUTS = 20
_TALKING = """
import os, random, time
number = 0
while not os.path.exists({stop!r}):
    print(number, "x" * random.choice((1, 100, 5000)), flush=True)
    number += 1
    time.sleep(0.005)
print(number, "end")
"""


async def _cut_again_and_again(proxy: CutProxy, chance: random.Random) -> None:
    cuts = 0
    while cuts < _CUTS:
        size = chance.choice((1, 100, 3000, 8000, 60_000)) + chance.randrange(500)
        happened = proxy.cut_after(size, chance.choice(list(Direction)), chance.choice(list(How)))
        try:
            await asyncio.wait_for(happened.wait(), 1.0)
            cuts += 1
        except asyncio.TimeoutError:
            proxy.resume()
    proxy.resume()


def test_everything_arrives_once_and_in_order(scene: Scene, kernel: Kernel) -> None:
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    client = kernel.client
    stop = scene.folder / "stop"
    stop.unlink(missing_ok=True)
    asked = client.execute(_TALKING.format(stop=str(stop)))
    cutting = asyncio.run_coroutine_threadsafe(_cut_again_and_again(scene.weather.proxy, chance), scene.weather.loop)
    cutting.add_done_callback(lambda _: stop.touch())
    on_control: list[str] = []
    on_shell: list[str] = []
    while not cutting.done():
        message = client.session.msg("kernel_info_request", {})
        client.control_channel.send(message)
        on_control.append(message["header"]["msg_id"])
        on_shell.append(client.execute(f"print({len(on_shell)})"))
        time.sleep(chance.uniform(0.01, 0.2))
    heard = hear(client, asked, *on_shell, deadline=40)
    lines = heard[asked].lines
    assert [int(line.split()[0]) for line in lines] == list(range(len(lines))), f"seed {seed}"
    assert lines[-1].endswith("end"), f"seed {seed}"
    assert [heard[each].lines for each in on_shell] == [[str(number)] for number in range(len(on_shell))]
    assert all(len(each.replies) == each.idles == 1 for each in heard.values()), f"seed {seed}"
    answered = [client.get_control_msg(timeout=10)["parent_header"]["msg_id"] for _ in on_control]
    assert answered == on_control, f"seed {seed}"
    assert not client.control_channel.socket.poll(100)
    assert kernel.ask_pid() == kernel.pid
