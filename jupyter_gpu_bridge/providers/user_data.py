"""What cloud-init is given on clouds that rent whole computers: the start script, run for the user who will log in.

cloud-init runs it as root after the network is up. The lease has to belong to the user by whose name our agent comes,
and the host key has to lie where only root can put it.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

_REST = Path(__file__).with_suffix(".sh")


def user_data(start_script: str, login: str) -> str:
    """One shell script; `login` is the user of the machine's image."""
    rest = "\n".join(
        line for line in _REST.read_text().splitlines() if line.strip() and not re.match(r" *#( |$)", line)
    )
    quoted = shlex.quote(start_script)
    return f"#!/bin/sh\nlogin={shlex.quote(login)}\nstart_script() {{\n    printf '%s\\n' {quoted}\n}}\n{rest}\n"
