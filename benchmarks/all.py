"""Runs every benchmark that has a bar, one after the other, and writes what came out to a page of the docs."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.compatibility.world import REPOSITORY

_KERNELS = (
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

_RENTING = ("search", "choosing", "first_rows", "rent", "many_rentals", "rounds", "power_cuts")

_WITHOUT_KERNELS = {"urgent", *_RENTING}
"""These know no kinds of kernel."""

_OF_KERNELS = """# Benchmarks

Written by `python -m benchmarks` (`make bench`); each figure is that of a real `jupyter_client` on a real kernel. All
kinds of kernel live on one computer and are measured in turn, in the same run: `local` is an ipykernel without us,
`ssh-L` one behind `ssh -N -L`, `sshpyk` that provisioner; the others are ours, over OpenSSH, over paramiko, and on this
computer.
"""

_OF_RENTING = """# Benchmarks of renting

Written by `python -m benchmarks --about renting`, which takes over an hour, or put together from single runs, each with
its own command. Wardens, lease daemons, kernels and the ledger are real; their cloud is the sandbox.
Where rounds or cuts are counted, time goes sixty times as fast.
"""


@dataclass(frozen=True, slots=True)
class _Page:
    introduction: str
    path: Path
    names: Sequence[str]


_PAGES = {
    "kernels": _Page(_OF_KERNELS, REPOSITORY / "docs" / "benchmarks.md", _KERNELS),
    "renting": _Page(_OF_RENTING, REPOSITORY / "docs" / "benchmarks-renting.md", _RENTING),
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--about", choices=_PAGES, default="kernels")
    parser.add_argument("--only", help="which benchmarks, with commas (all, without it)")
    parser.add_argument("--kernels", help="which kinds of kernel, with commas")
    parser.add_argument("--page", type=Path, help="where to write the table")
    options = parser.parse_args()
    about = _PAGES[options.about]
    arguments = ["--kernels", options.kernels] if options.kernels else []
    names = options.only.split(",") if options.only else about.names
    lines = [_run(name, arguments if name not in _WITHOUT_KERNELS else []) for name in names]
    found = [line for line in lines if line is not None]
    written = options.page or about.path
    written.parent.mkdir(parents=True, exist_ok=True)
    written.write_text(page(about.introduction, found))
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


def page(introduction: str, lines: Sequence[dict[str, Any]]) -> str:
    """The whole page."""
    if not lines:
        return introduction
    machine = lines[0]["machine"]
    where = (
        f"{lines[0]['date']}; {machine['cores']} cores ({machine['cpu']}), Python {machine['python']}, "
        f"sshpyk {machine['sshpyk'] or 'not installed'}.\n"
    )
    return "\n".join([introduction, where, *(_section(line) for line in lines)])


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
