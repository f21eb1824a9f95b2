"""What became of what was rented, and what its GPUs were measured to do: so that who lies or fails sinks.

`Experience` brings SQLAlchemy, so it is loaded when it is first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jupyter_gpu_bridge.market.experience.experience import Experience
    from jupyter_gpu_bridge.market.experience.reputations import of_each

__all__ = ["Experience", "of_each"]


def __getattr__(name: str) -> Any:
    if name == "Experience":
        from jupyter_gpu_bridge.market.experience.experience import Experience

        return Experience
    if name == "of_each":
        from jupyter_gpu_bridge.market.experience.reputations import of_each

        return of_each
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
