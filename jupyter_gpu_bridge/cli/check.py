"""`jupyter gpu check`."""

from __future__ import annotations

import asyncio
from argparse import Namespace

from jupyter_gpu_bridge import plain
from jupyter_gpu_bridge.bridge import Bridge
from jupyter_gpu_bridge.cli.screen import Screen
from jupyter_gpu_bridge.model import GpuCompared

INTERRUPTED = 130


async def run(arguments: Namespace, bridge: Bridge, screen: Screen) -> int:
    """1 when nothing could be measured, or a GPU is not what it should be."""
    try:
        found = await bridge.check_gpu(arguments.id, lambda stage, text: screen.note(f"{stage:<11}{text}"))
    except asyncio.CancelledError:
        screen.note("\nInterrupted: the check is given up, and what it took of the GPU is free again.")
        return INTERRUPTED
    screen.data(plain.gpus_checked(found))
    for each in found.gpus:
        _tell(each, found.offered, screen)
    if found.check.problem:
        screen.say(found.check.problem)
        if found.check.problem_code in ("no-torch", "blind-torch"):
            screen.say("Install a torch there that fits its driver, or take an image that has one.")
    elif found.is_remembered:
        screen.say("It is remembered: a host that is much slower than it should be sinks in what is offered.")
    return 1 if found.check.problem or any(each.is_bad for each in found.gpus) else 0


def _tell(each: GpuCompared, offered: str, screen: Screen) -> None:
    memory = f", {each.measured.memory_mib / 1024:.1f} GiB" if each.measured.memory_mib else ""
    said = f"measured {', '.join(each.phrases)}" if each.phrases else each.measured.problem
    screen.say(f"{each.measured.name}{memory}: {said or 'not measured'}")
    if each.is_another:
        screen.say(f"WRONG: it was offered as {offered}.")
    elif each.is_bad:
        screen.say(f"WRONG: that is far less than {each.model} should do.")
    elif each.phrases and not each.model:
        screen.say("The catalogue does not have this model, so there is nothing to compare it with.")
