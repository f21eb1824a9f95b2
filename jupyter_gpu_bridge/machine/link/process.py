"""The life of a process that keeps a link: from taking the machine's lock to parting from everybody."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Callable, Coroutine
from pathlib import Path

from jupyter_gpu_bridge import __version__
from jupyter_gpu_bridge.agent.memory import settle_in
from jupyter_gpu_bridge.errors import BridgeError
from jupyter_gpu_bridge.machine.link.link import Link
from jupyter_gpu_bridge.machine.link.log import keep_log
from jupyter_gpu_bridge.machine.link.places import socket_of, take_over
from jupyter_gpu_bridge.machine.link.service import Service

log = logging.getLogger(__name__)


def keep_link(folder: Path, work: Callable[[Path], Coroutine[None, None, None]]) -> None:
    """Run `work`, unless another process keeps this machine's link already."""
    settle_in()
    keep_log(folder / "link.log")
    with take_over(folder) as ours:
        if ours:
            log.info("the link starts: process %d, version %s", os.getpid(), __version__)
            asyncio.run(work(folder))
            log.info("the link ends")


async def serve(folder: Path, link: Link) -> None:
    """Answer programs until the link is done."""
    await link.open()
    service = Service(link)
    await service.open(socket_of(folder))
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, link.done.set)
    for name in (signal.SIGHUP, signal.SIGINT):
        loop.add_signal_handler(name, lambda: None)
    caretaker = asyncio.create_task(_look_after(link))
    try:
        await link.done.wait()
    finally:
        caretaker.cancel()
        socket_of(folder).unlink(missing_ok=True)
        await service.close()
        await link.close()


async def _look_after(link: Link) -> None:
    """Go on also when one round failed, say because the disk is full just now."""
    while not link.done.is_set():
        try:
            await link.look_after()
        except (BridgeError, OSError):
            log.exception("looking after the kernels failed")
            await asyncio.sleep(5.0)
