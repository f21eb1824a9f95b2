"""Ways to reach a machine: one duplex byte pipe to one command, over the system's ssh, paramiko, or a local child."""

from __future__ import annotations

from jupyter_gpu_bridge.machine.carriers.base import Carrier, Dialer
from jupyter_gpu_bridge.machine.carriers.choose import dialer_for, has_openssh
from jupyter_gpu_bridge.machine.carriers.hostkeys import HostKey, forget, known, pin
from jupyter_gpu_bridge.machine.carriers.pipe import PipeDialer
from jupyter_gpu_bridge.machine.carriers.route import trusted_keys
from jupyter_gpu_bridge.machine.carriers.target import CONNECT_TIMEOUT, SshTarget

__all__ = [
    "CONNECT_TIMEOUT",
    "Carrier",
    "Dialer",
    "HostKey",
    "PipeDialer",
    "SshTarget",
    "dialer_for",
    "forget",
    "has_openssh",
    "known",
    "pin",
    "trusted_keys",
]
