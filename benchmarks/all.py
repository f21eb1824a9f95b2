"""Runs every benchmark that has a bar, one after the other, and writes what came out to `docs/benchmarks.md`."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.compatibility.world import REPOSITORY

NAMES = (
    "start",
    "roundtrip",
    "throughput",
    "prints",
    "interrupt",
    "restart",
    "urgent",
    "saturated",
    "cut",
    "silent",
    "sharing",
    "footprint",
    "server_start",
)

_WITHOUT_KERNELS = {"urgent"}
"""These know carriers, and no kinds of kernel."""

_PAGE = REPOSITORY / "docs" / "benchmarks.md"

_INTRODUCTION = """# Benchmarks

Written by `python -m benchmarks` (`make bench`); each figure is that of a real `jupyter_client` on a real kernel. All
kinds of kernel live on one computer and are measured in turn, in the same run: `local` is an ipykernel without us,
`ssh-L` one behind `ssh -N -L`, `sshpyk` that provisioner; the others are ours, over OpenSSH, over paramiko, and on this
computer.
"""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", default=",".join(NAMES), help="which benchmarks, with commas")
    parser.add_argument("--kernels", help="which kinds of kernel, with commas")
    parser.add_argument("--page", type=Path, default=_PAGE, help="where to write the table")
    options = parser.parse_args()
    arguments = ["--kernels", options.kernels] if options.kernels else []
    lines = [_run(name, arguments if name not in _WITHOUT_KERNELS else []) for name in options.only.split(",")]
    found = [line for line in lines if line is not None]
    options.page.parent.mkdir(parents=True, exist_ok=True)
    options.page.write_text(page(found))
    return 0 if len(found) == len(lines) and all(all(line["holds"].values()) for line in found) else 1


def _run(name: str, arguments: Sequence[str]) -> dict[str, Any] | None:
    """The line of one benchmark, which is also printed; `None` when it did not come to its end."""
    command = [sys.executable, "-m", f"benchmarks.{name}", *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY, check=False)
    printed = done.stdout.splitlines()
    if not printed:
        print(f"{name} did not come to its end", file=sys.stderr)
        return None
    print(printed[-1], flush=True)
    line: dict[str, Any] = json.loads(printed[-1])
    return line


def page(lines: Sequence[dict[str, Any]]) -> str:
    """The whole page."""
    if not lines:
        return _INTRODUCTION
    machine = lines[0]["machine"]
    where = (
        f"{lines[0]['date']}; {machine['cores']} cores ({machine['cpu']}), Python {machine['python']}, "
        f"sshpyk {machine['sshpyk'] or 'not installed'}.\n"
    )
    return "\n".join([_INTRODUCTION, where, *(_section(line) for line in lines)])


def _section(line: dict[str, Any]) -> str:
    columns = {kind: _flat(figures) for kind, figures in line["figures"].items()}
    names = dict.fromkeys(name for figures in columns.values() for name in figures)
    table = [["", *columns], ["---"] * (len(columns) + 1)]
    table += [[name, *(_shown(figures.get(name)) for figures in columns.values())] for name in names]
    verdicts = {True: "yes", False: "**no**", None: ""}
    table.append(["**bar reached**", *(verdicts[line["holds"].get(kind)] for kind in columns)])
    drawn = "\n".join("| " + " | ".join(row) + " |" for row in table)
    return (
        f"## {line['benchmark']}\n\n{line['bar']}\n\n`{line['command']}` (load {line['machine']['load']})\n\n{drawn}\n"
    )


def _flat(figures: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in figures.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name} ")
        else:
            flat[f"{prefix}{name}".replace("_", " ")] = value
    return flat


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


if __name__ == "__main__":
    sys.exit(main())
