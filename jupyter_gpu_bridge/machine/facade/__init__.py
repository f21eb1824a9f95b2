"""The client-facing half of the link: a far kernel's five sockets, here."""

from jupyter_gpu_bridge.machine.facade.bounds import Bounds
from jupyter_gpu_bridge.machine.facade.facade import PORTS, Facade
from jupyter_gpu_bridge.machine.facade.receipts import Receipts, Stamp
from jupyter_gpu_bridge.machine.facade.zmtp import Limits

__all__ = ["PORTS", "Bounds", "Facade", "Limits", "Receipts", "Stamp"]
