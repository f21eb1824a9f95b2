"""The client-facing half of the link: a far kernel's five sockets, here. Loaded when it is first asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jupyter_gpu_bridge.machine.facade.bounds import Bounds
    from jupyter_gpu_bridge.machine.facade.facade import PORTS, Facade
    from jupyter_gpu_bridge.machine.facade.receipts import Receipts, Stamp
    from jupyter_gpu_bridge.machine.facade.zmtp import Limits

__all__ = ["PORTS", "Bounds", "Facade", "Limits", "Receipts", "Stamp"]

_HOMES = {
    "PORTS": "facade", "Facade": "facade", "Bounds": "bounds", "Receipts": "receipts", "Stamp": "receipts",
    "Limits": "zmtp",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
