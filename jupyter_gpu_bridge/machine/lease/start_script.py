"""The start script of a rented machine: starts its lease before anything else, then gives it its host key.

POSIX shell, run once by the cloud as the machine boots. It holds the private half of the host key and no other secret:
the credential with which the machine ends itself is given to it by the cloud.
"""

from __future__ import annotations

import math
import re
import shlex
from datetime import timedelta
from pathlib import Path

from jupyter_gpu_bridge.machine.lease.plan import LeasePlan
from jupyter_gpu_bridge.model import RemovalStep, SelfRemovalCall

_HERE = Path(__file__).parent


def start_script(plan: LeasePlan) -> str:
    """Everything in one file, since a cloud takes only one."""
    key = plan.host_key
    return "\n".join(
        [
            "#!/bin/sh",
            f"name={plan.name}",
            f"has_host_key={'no' if key is None else 'yes'}",
            f"public_host_key={_quoted(key.public.strip() if key is not None else '')}",
            _function("settings_text", _settings(plan)),
            _function("host_key_text", key.private.strip() if key is not None else ""),
            _function("daemon_text", _terse(_HERE / "daemon.sh")),
            "describe_removal() {",
            *(f"    {_step(step)}" for step in plan.removal),
            "    :",
            "}",
            _terse(_HERE / "start.sh"),
            "",
        ]
    )


def _function(name: str, text: str) -> str:
    """One that prints this text; not a here-document, for which some shells need a place to write."""
    return f"{name}() {{\n    printf '%s\\n' {_quoted(text)}\n}}"


def _quoted(text: str) -> str:
    """As `shlex.quote`, and a third shorter where there are many quotes."""
    return "'" + text.replace("'", "'\\''") + "'"


def _settings(plan: LeasePlan) -> str:
    pace = plan.pace
    settings = {
        "name": plan.name,
        "first_lease": _seconds(plan.first_lease),
        "hard_limit": _seconds(plan.deadline),
        "grace": _seconds(min(plan.grace, plan.deadline / 2)),
        "when_busy": plan.when_busy.value,
        "tick": f"{pace.tick:g}",
        "beat": f"{pace.beat:g}",
        "busy_ticks": math.ceil(pace.quiet / pace.tick),
        "kernel_patience": pace.kernel_patience,
        "retry_first": pace.first_retry,
        "retry_last": pace.last_retry,
        "call_time": pace.call,
        "state_every": pace.state_every,
        "pause_with": pace.pause_with,
        **({"clock": pace.clock} if pace.clock else {}),
        **({"boot_id": pace.boot_id} if pace.boot_id else {}),
    }
    return "\n".join(f"{name}={shlex.quote(str(value))}" for name, value in settings.items())


def _seconds(time: timedelta) -> int:
    return math.floor(time.total_seconds())


def _step(step: RemovalStep) -> str:
    if isinstance(step, SelfRemovalCall):
        words = [step.method, step.url_template, step.token_variable, step.token_file]
        words += [step.body_template] if step.body_template else []
        return "step_call " + " ".join(map(_quoted, words))
    return "step_poweroff"


def _terse(path: Path) -> str:
    """Without comments and empty lines: what clouds take as a start script is not long."""
    lines = path.read_text().splitlines()
    return "\n".join(line for line in lines if line.strip() and not re.match(r" *#( |$)", line))
