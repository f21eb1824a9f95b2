"""What stands in for a GPU: on PYTHONPATH of the program that is to find one."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent

A100 = {"name": "NVIDIA A100-SXM4-80GB", "mib": 81920, "bandwidth": 1830.0, "tflops": 260.0}


def environment(gpu: dict[str, Any], driver: Path | None = None) -> dict[str, str]:
    """Of a program that finds this GPU; `driver`: the folder with the program of its driver."""
    path = os.environ["PATH"] if driver is None else f"{driver}{os.pathsep}{os.environ['PATH']}"
    return {"PYTHONPATH": str(FOLDER), "STAND_IN_GPU": json.dumps(gpu), "PATH": path}


def install_driver(folder: Path, *lines: str) -> Path:
    """The folder with a driver's program that says this: `UUID, NAME, MIB, USED MIB, PERCENT`."""
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "nvidia-smi"
    said = "\n".join(lines)
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{said}\nEND\n")
    program.chmod(0o755)
    return folder
