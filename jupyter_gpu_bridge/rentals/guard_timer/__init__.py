"""Has the system look after what is rented every few minutes, also when nothing of ours runs."""

from __future__ import annotations

from jupyter_gpu_bridge.rentals.guard_timer.timer import GuardTimer, install, remove, timer_now

__all__ = ["GuardTimer", "install", "remove", "timer_now"]
