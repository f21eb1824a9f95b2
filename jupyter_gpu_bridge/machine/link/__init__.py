"""The link: see `link.py` for what it is; others in this process use `links()`."""

from __future__ import annotations

from jupyter_gpu_bridge.machine.link.client import LinkClient
from jupyter_gpu_bridge.machine.link.links import Links, Report, RunningKernel, links
from jupyter_gpu_bridge.machine.link.record import KernelOrder
from jupyter_gpu_bridge.machine.link.target import Target

__all__ = ["KernelOrder", "LinkClient", "Links", "Report", "RunningKernel", "Target", "links"]
