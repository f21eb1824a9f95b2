"""What the cloud writes down of each machine, and how it is billed."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal
from enum import Enum
from typing import Any

_HOUR = 3600
_EXACT = Decimal("0.000000001")


class Status(Enum):
    """In the cloud's own words."""

    PROVISIONING = "provisioning"
    ACTIVE = "active"
    OFF = "off"
    """Stopped: its disk is still billed."""
    DELETING = "deleting"
    DELETED = "deleted"


@dataclass(slots=True)
class Segment:
    """For so long at such a price per hour."""

    start: float
    price: str
    end: float | None = None


@dataclass(slots=True)
class Record:
    """One machine, from its create on; records stay when the machine is gone."""

    machine_id: str
    account: str
    name: str
    offer_id: str
    gpu: str
    region: str
    host: str
    is_spot: bool
    price: str
    """What was agreed, per hour."""
    billed_price: str
    public_key: str
    start_script: str
    limit_seconds: float | None
    key: str
    """Of the machine itself."""
    mark: str
    """In the environment of all that runs on it, and of nothing else."""
    created: float
    boot_at: float | None
    """When its process is started; `None`: never."""
    environment: dict[str, str] = field(default_factory=dict)
    """What else its programs are given; `{machine}`, `{key}` and `{api}` stand for what is known when it boots."""
    login: str = ""
    """The name of its user."""
    has_ssh: bool = True
    has_python: bool = True
    listed_from: float = 0.0
    readable_from: float = 0.0
    status: Status = Status.PROVISIONING
    detail: str = ""
    port: int = 0
    pid: int = 0
    reclaim_at: float | None = None
    delete_at: float | None = None
    """When it is really taken away, once that was asked for."""
    ended: float | None = None
    end_reason: str = ""
    segments: list[Segment] = field(default_factory=list)
    fees: str = "0"
    """Dollars that are billed besides its price."""

    @property
    def is_there(self) -> bool:
        return self.status is not Status.DELETED

    @property
    def limit_at(self) -> float | None:
        return None if self.limit_seconds is None else self.created + self.limit_seconds

    def bill_from(self, now: float, price: str) -> None:
        self.bill_to(now)
        self.segments.append(Segment(now, price))

    def bill_to(self, now: float) -> None:
        if self.segments and self.segments[-1].end is None:
            self.segments[-1].end = now

    def billed(self, now: float) -> Decimal:
        """Dollars so far: whole seconds count, begun ones as well."""
        total = Decimal(self.fees)
        for segment in self.segments:
            total += Decimal(segment.price) * self._seconds(segment, now) / _HOUR
        return total.quantize(_EXACT, ROUND_HALF_EVEN)

    def billed_seconds(self, now: float) -> int:
        return sum(self._seconds(segment, now) for segment in self.segments)

    def plain(self) -> dict[str, Any]:
        return {**asdict(self), "status": self.status.value}

    @staticmethod
    def read(plain: dict[str, Any]) -> Record:
        segments = [Segment(**each) for each in plain["segments"]]
        return Record(**{**plain, "status": Status(plain["status"]), "segments": segments})

    @staticmethod
    def _seconds(segment: Segment, now: float) -> int:
        lasted = max(0.0, (now if segment.end is None else segment.end) - segment.start)
        return int(-(-lasted // 1))
