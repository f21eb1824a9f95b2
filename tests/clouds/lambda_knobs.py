"""What a test may change of the simulated Lambda, besides the faults that all simulated clouds have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any


@dataclass(slots=True)
class Knobs:
    """Turned by POST /control/lambda with those that are to change; all seconds are of the cloud's clock, but one."""

    calls_per_second: int = 0
    """More of them are 429; 0: as many as you like."""
    launch_pause: float = 0.0
    """Seconds between two launches; an earlier one is 429."""
    retry_after: str = ""
    """Sent with a 429."""
    redirect: str = ""
    """Every answer is a 301 to this address."""
    refuse: dict[str, Any] = field(default_factory=dict)
    """`verb`, `status`, `code`, `message`, `suggestion`: the answer of that verb, and nothing is done."""
    capacity: dict[str, list[str]] = field(default_factory=dict)
    """By type: the regions that have some now."""
    cents: dict[str, int] = field(default_factory=dict)
    """By type: another price."""
    boots_unhealthy: int = 0
    """So many of those that are launched next."""
    settles: float = 0.0
    """Seconds for which a machine that has its address is still booting."""
    late_sshd: int = 0
    """Real seconds after which a machine that is active can be entered."""
    terminating: float = 20.0
    readable: float = 60.0
    """Seconds for which a machine that is gone can be read by its id."""
    omits_private_ip: bool = False
    omits_optional: bool = False
    """All fields of an instance that may be absent, are."""
    keys_in_use: bool = False
    """A key of a machine that is there cannot be deleted."""

    @classmethod
    def read(cls, plain: Mapping[str, Any] | None) -> Knobs:
        return cls(**(plain or {}))

    def turned(self, change: Mapping[str, Any]) -> Knobs:
        """Raises `ValueError` for one that there is not."""
        if strange := set(change) - {each.name for each in fields(self)}:
            raise ValueError(f"there is no {', '.join(sorted(strange))}")
        return Knobs(**{**asdict(self), **change})

    def plain(self) -> dict[str, Any]:
        return asdict(self)
