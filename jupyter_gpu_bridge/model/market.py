"""The words for what can be rented, and for what somebody wants."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum

from jupyter_gpu_bridge.model.money import Money


@dataclass(frozen=True, slots=True)
class Offer:
    """Something that can be rented now; the price is for all of it, per hour."""

    provider: str
    offer_id: str
    gpu: str
    """The model, spelled the same whoever sells it; empty for a machine without one."""
    gpu_count: int
    gpu_memory_mib: int
    """Of each GPU."""
    price: Money
    region: str = ""
    is_spot: bool = False
    """The provider may take it back at any time."""
    cpus: int = 0
    memory_mib: int = 0
    disk_gib: int = 0
    host: str = ""
    """The very computer, where the provider says which: one that failed is avoided, whatever offer it is in."""
    is_pretend: bool = False
    """Of the sandbox: the machine is real, its GPU and its price are not."""
    sold_as: str = ""
    """The GPU by its provider's own name."""
    tier: str = ""
    """Where it stands, in its provider's word: `secure`, `community`, `datacenter`."""
    stock: str = ""
    """How likely it is to be had, where the provider says so: `high`, `medium`, `low`."""
    is_verified: bool | None = None
    reliability: Decimal | None = None
    """Between 0 and 1, as its provider measures it."""
    benchmark: Decimal | None = None
    """As its provider measures it: larger is faster."""
    lasts: timedelta | None = None
    """From when it was seen: for longer than that it cannot be had."""
    down_mbps: int | None = None
    up_mbps: int | None = None
    down_price: Money | None = None
    """Of each gigabyte, besides the price."""
    up_price: Money | None = None
    cuda: str = ""
    """The newest that its driver takes."""
    compute_capability: str = ""
    seen: datetime | None = None

    @property
    def title(self) -> str:
        """As people say it: `2 x A100 80 GB`."""
        if not self.gpu or not self.gpu_count:
            return f"{self.cpus} CPUs" if self.cpus else "a computer"
        return self.gpu if self.gpu_count == 1 else f"{self.gpu_count} x {self.gpu}"


@dataclass(frozen=True, slots=True)
class Need:
    """What an offer must have; what is not said does not matter."""

    gpus: tuple[str, ...] = ()
    """Any of these models, as somebody said it; without one, any."""
    gpu_titles: tuple[str, ...] = ()
    """The same as offers spell it: a family is each of its variants. Known where offers are looked for."""
    gpu_count: int = 1
    gpu_memory_mib: int = 0
    max_price: Money | None = None
    providers: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    allows_spot: bool = False
    cpus: int = 0
    memory_mib: int = 0
    disk_gib: int = 0

    def lacks(self, offer: Offer) -> tuple[str, ...]:
        """What the offer has not got, one short phrase for each; nothing when it fits."""
        gpus = {name.casefold() for name in (*self.gpus, *self.gpu_titles)}
        checks = {
            f"GPU {' or '.join(self.gpus)}": not gpus or offer.gpu.casefold() in gpus,
            f"at least {self.gpu_count} GPU{'s' * (self.gpu_count > 1)}": offer.gpu_count >= self.gpu_count,
            f"{self.gpu_memory_mib} MiB of GPU memory": offer.gpu_memory_mib >= self.gpu_memory_mib,
            f"at most {self.max_price} per hour": self.max_price is None or offer.price <= self.max_price,
            f"provider {' or '.join(self.providers)}": not self.providers or offer.provider in self.providers,
            f"region {' or '.join(self.regions)}": not self.regions or offer.region in self.regions,
            "not to be taken back (no spot)": self.allows_spot or not offer.is_spot,
            f"{self.cpus} CPUs": offer.cpus >= self.cpus,
            f"{self.memory_mib} MiB of memory": offer.memory_mib >= self.memory_mib,
            f"{self.disk_gib} GiB of disk": offer.disk_gib >= self.disk_gib,
        }
        return tuple(phrase for phrase, holds in checks.items() if not holds)


class WhenBusy(Enum):
    """What happens to a busy kernel whose lease runs out while nobody renews it."""

    FINISH = "finish"
    """It goes on up to the deadline, then is saved and removed."""
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Order:
    """What a user wants, and how far it may go; every limit ends the machine, not only the kernel."""

    need: Need = field(default_factory=Need)
    budget: Money | None = None
    """For this rental, from its first to its last second."""
    deadline: timedelta = timedelta(hours=8)
    """Counted from the request; the machine is gone by then whatever it does."""
    idle: timedelta | None = timedelta(minutes=30)
    lease: timedelta = timedelta(minutes=20)
    """For how long the machine lives when nobody can be reached to renew it."""
    agreed: Money | None = None
    """The largest possible bill that somebody was shown: nothing is rented that could cost more."""
    when_busy: WhenBusy = WhenBusy.FINISH
    keeps_failed: bool = False
    """A machine that can be entered and not be set up is not destroyed at once, so that somebody can look at it."""
    image: str | None = None
    python: str | None = None

    def worst_case(self, price: Money) -> Money:
        """The largest bill that this order can cause at such a price."""
        bill = price.during(self.deadline)
        return bill if self.budget is None else min(bill, self.budget)
