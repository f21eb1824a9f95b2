from __future__ import annotations

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only there is memory kept")

_PROGRAM = """
import asyncio, json, os, resource
from jupyter_gpu_bridge.agent import memory

MEGABYTE = 1 << 20

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / MEGABYTE

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

async def live():
    thrift = memory.Thrift()
    def flow():
        for held in [bytearray(MEGABYTE) for _ in range(30)]:
            thrift.note(len(held))
    before = resident()
    flow()
    begun = faults()
    flow()
    more, kept = faults() - begun, resident() - before
    give_up = asyncio.get_running_loop().time() + 10
    while resident() - before > 5 and asyncio.get_running_loop().time() < give_up:
        await asyncio.sleep(0.02)
    print(json.dumps({"faults": more, "kept": kept, "left": resident() - before}))

memory.IDLE = 0.1
memory.settle_in()
asyncio.run(live())
"""


def test_free_memory_is_kept_while_much_flows_and_given_back_afterwards() -> None:
    said = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=True, timeout=30)
    found = json.loads(said.stdout)
    assert found["faults"] < 30 * 256 / 4  # fresh pages would be 256 for each megabyte
    assert found["kept"] > 20
    assert found["left"] < 5
