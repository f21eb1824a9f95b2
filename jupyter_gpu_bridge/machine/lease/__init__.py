"""The lease of a rented machine: what it is told before it boots, and how it is renewed from here."""

from __future__ import annotations

from jupyter_gpu_bridge.machine.lease.plan import HostKey, LeasePlan, Pace
from jupyter_gpu_bridge.machine.lease.renewal import BootClock, Clock, LeaseNews, Renewal
from jupyter_gpu_bridge.machine.lease.start_script import start_script

__all__ = [
    "BootClock",
    "Clock",
    "HostKey",
    "LeaseNews",
    "LeasePlan",
    "Pace",
    "Renewal",
    "start_script",
]
