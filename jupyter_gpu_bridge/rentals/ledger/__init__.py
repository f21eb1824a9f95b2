"""The ledger: all wishes, rentals and costs; the only truth about money.

`Ledger` brings SQLAlchemy, so it is loaded when it is first asked for. Import this module, or the class where a
ledger is opened; for annotations, under `TYPE_CHECKING`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jupyter_gpu_bridge.rentals.ledger.limits import LIMITS_COMMAND, Limits, Spending

if TYPE_CHECKING:
    from jupyter_gpu_bridge.rentals.ledger.facts import Facts
    from jupyter_gpu_bridge.rentals.ledger.ledger import Ledger

__all__ = ["LIMITS_COMMAND", "Facts", "Ledger", "Limits", "Spending"]


def __getattr__(name: str) -> Any:
    if name == "Ledger":
        from jupyter_gpu_bridge.rentals.ledger.ledger import Ledger

        return Ledger
    if name == "Facts":
        from jupyter_gpu_bridge.rentals.ledger.facts import Facts

        return Facts
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
