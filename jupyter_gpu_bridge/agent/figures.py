"""What the machine looks like just now: GPUs, memory, disk. Read only when somebody asks."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path
from typing import Any

_FIELDS = "name,utilization.gpu,memory.used,memory.total,temperature.gpu"


async def figures(home: Path) -> dict[str, Any]:
    return {"gpus": await _gpus(), "memory_mib": _memory(), "disk_free_mib": shutil.disk_usage(str(home)).free >> 20}


async def _gpus() -> list[dict[str, Any]]:
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    process = await asyncio.create_subprocess_exec(
        program,
        "--query-gpu=" + _FIELDS,
        "--format=csv,noheader,nounits",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        out, _ = await asyncio.wait_for(process.communicate(), 5.0)
    except asyncio.TimeoutError:
        process.kill()
        return []
    found = []
    for line in out.decode("utf-8", "replace").splitlines():
        name, *rest = [part.strip() for part in line.split(",")]
        if len(rest) == 4:
            busy, used, total, heat = (int(part) if part.isdigit() else None for part in rest)
            found.append({"name": name, "busy_percent": busy, "used_mib": used, "total_mib": total, "celsius": heat})
    return found


def _memory() -> dict[str, int]:
    page = os.sysconf("SC_PAGE_SIZE")
    total = os.sysconf("SC_PHYS_PAGES") * page >> 20
    free = os.sysconf("SC_AVPHYS_PAGES") * page >> 20 if "SC_AVPHYS_PAGES" in os.sysconf_names else 0
    return {"total": total, "free": free}
