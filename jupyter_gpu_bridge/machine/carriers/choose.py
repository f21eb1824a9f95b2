"""Which carrier reaches a machine over SSH; docs/decisions/0001-carriers.md has the figures."""

from __future__ import annotations

import re
import shutil
import subprocess
from functools import lru_cache

from jupyter_gpu_bridge.machine.carriers.base import Dialer
from jupyter_gpu_bridge.machine.carriers.openssh import OpenSshDialer
from jupyter_gpu_bridge.machine.carriers.paramiko_ssh import ParamikoDialer
from jupyter_gpu_bridge.machine.carriers.target import CONNECT_TIMEOUT, SshTarget

_OLDEST = (8, 4)


def dialer_for(target: SshTarget, passphrase: str | None = None, *, connect_timeout: float = CONNECT_TIMEOUT) -> Dialer:
    """With a passphrase it is paramiko: `ssh` takes one only from a terminal or from a program that it starts itself.

    Blocks for some milliseconds the first time.
    """
    if passphrase is not None or target.carrier == "paramiko":
        return ParamikoDialer(target, passphrase=passphrase, connect_timeout=connect_timeout)
    if target.carrier == "openssh" or has_openssh():
        return OpenSshDialer(target, connect_timeout=connect_timeout)
    return ParamikoDialer(target, connect_timeout=connect_timeout)


def has_openssh() -> bool:
    """Whether an `ssh` is installed here that is new enough."""
    binary = shutil.which("ssh")
    return binary is not None and _version(binary) >= _OLDEST


@lru_cache
def _version(binary: str) -> tuple[int, int]:
    try:
        said = subprocess.run(
            [binary, "-V"], capture_output=True, text=True, timeout=5, stdin=subprocess.DEVNULL
        ).stderr
    except (OSError, subprocess.TimeoutExpired):
        return 0, 0
    found = re.match(r"OpenSSH\D*(\d+)\.(\d+)", said)
    return (int(found[1]), int(found[2])) if found else (0, 0)
