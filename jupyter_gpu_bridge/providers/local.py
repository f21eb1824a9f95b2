"""This computer as a machine: no account, no network, otherwise like any other."""

from __future__ import annotations

from jupyter_gpu_bridge.model import MachineRef

PROVIDER = "local"

THIS_COMPUTER = MachineRef(PROVIDER)

TITLE = "This computer"
