"""A façade in a process of its own, so that it can be killed: `python link_process.py PREFIX STATE CHANNEL`.

It is fed by `far.Far` through the Unix socket CHANNEL, as JSON lines with frames in base64.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from pathlib import Path

from jupyter_client.session import Session

from jupyter_gpu_bridge.machine.facade import Bounds, Facade
from jupyter_gpu_bridge.model import Lane
from tests.machine.facade.client_process import KEY

NOTICE = "you missed something"


async def main(prefix: Path, state: Path, channel: Path) -> None:
    reader, writer = await asyncio.open_unix_connection(channel, limit=64 << 20)

    def tell(**what: object) -> None:
        writer.write(json.dumps(what).encode() + b"\n")

    signer = Session(key=KEY)
    facade = Facade(
        "kernel",
        prefix,
        state,
        upward=lambda lane, frames: tell(up=lane.value, frames=[base64.b64encode(each).decode() for each in frames]),
        taken=lambda lane, number: tell(taken=lane.value, number=number),
        room=lambda lane: tell(room=lane.value),
        notice=lambda text: signer.serialize(signer.msg("stream", {"text": NOTICE}), ident=b"kernel.1.stream"),
        bounds=Bounds(journal=40 << 20, unreceipted=4 << 20),
    )
    await facade.open()
    tell(resume={lane.value: facade.taken_up_to(lane) for lane in Lane})
    while line := await reader.readline():
        order = json.loads(line)
        lane = Lane(order["lane"])
        frames = [base64.b64decode(each) for each in order["frames"]]
        if not facade.deliver(lane, order["number"], frames, order["age"]):
            tell(pause=lane.value)
        tell(
            state={"clients": facade.clients, "present": facade.sessions_present, "away": facade.sessions_away},
            delivered=lane.value,
            number=order["number"],
        )
    await facade.close(forget=False)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])))
