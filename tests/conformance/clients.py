"""Clients that others have written, each in an environment of its own, which `make conformance` makes."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

_ENVIRONMENTS = Path(__file__).parents[2] / ".venv" / "conformance"
_WITHIN = 60.0
_ANSWER = "answer: "


@dataclass(frozen=True)
class Client:
    """One of them, in a fresh home: what it has kept there is not to be found by the next."""

    name: str
    home: Path
    variables: Mapping[str, str]

    @property
    def programs(self) -> Path:
        return _ENVIRONMENTS / self.name / "bin"

    def run(self, program: str, *words: str) -> str:
        """What it prints, its complaints last."""
        done = subprocess.run(
            [str(self.programs / program), *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_WITHIN,
            cwd=self.home,
            env={"PATH": os.environ["PATH"], "HOME": str(self.home), "LANG": "C.UTF-8", **self.variables},
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def python(self, code: str) -> Any:
        """What `answer` is in the end, as JSON has it."""
        told = self.run("python", "-c", f"{code}\nimport json\nprint('\\n{_ANSWER}' + json.dumps(answer, default=str))")
        return json.loads(next(line.removeprefix(_ANSWER) for line in told.splitlines() if line.startswith(_ANSWER)))


def client(name: str, home: Path, variables: Mapping[str, str]) -> Client:
    """Skips the test when it is not there."""
    if not (_ENVIRONMENTS / f"{name}.stamp").exists():
        pytest.skip(f"the client {name} is not installed: make conformance")
    return Client(name, home, variables)
