"""How much the façade keeps, and how long it waits."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bounds:
    ahead: int = 8 << 20
    """Bytes beyond the step before `deliver` says pause."""
    stall_seconds: float = 2.0
    behind: int = 64 << 20
    """Bytes in memory for one stalled subscriber before it is disconnected."""
    unreceipted: int = 16 << 20
    """Bytes in memory that a server has taken and not yet given a receipt for, before the oldest are let go."""
    journal: int = 256 << 20
    keep_seconds: float = 24 * 3600.0
    reunion_seconds: float = 2.0
    """How long a new link waits for the clients of the old one."""
