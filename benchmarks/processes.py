"""Our own processes in a world, told apart by their command lines."""

from __future__ import annotations

from enum import Enum

import psutil

from tests.compatibility.world import Kind, World
from tests.processes import end_processes


class Role(Enum):
    LINK = "link"
    AGENT = "agent"
    KEEPER = "keeper"


def ours(world: World) -> dict[Role, list[psutil.Process]]:
    """All links, agents and keepers that run in this world now."""
    found: dict[Role, list[psutil.Process]] = {role: [] for role in Role}
    for process in world.processes():
        role = _role(process)
        if role is not None:
            found[role].append(process)
    return found


def from_scratch(world: World, kind: Kind) -> None:
    """Leave nothing of ours running, so that what runs later is all of this kind."""
    world.kernel_name(kind)  # its first contact starts a link, too
    end_processes([process for found in ours(world).values() for process in found])


def _role(process: psutil.Process) -> Role | None:
    try:
        line = process.cmdline()
    except psutil.NoSuchProcess:
        return None
    if "jupyter_gpu_bridge.machine.link" in line:
        return Role.LINK
    program = next((place for place, word in enumerate(line) if word.endswith("/agent/run.py")), None)
    if program is None:
        return None
    return next((role for role in (Role.AGENT, Role.KEEPER) if line[program + 1] == role.value), None)
