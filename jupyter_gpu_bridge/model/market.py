"""The words for what can be rented, and for what somebody wants."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
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
    reliability: float | None = None
    """Between 0 and 1, as its provider measures it."""
    benchmark: float | None = None
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
    needs_image: bool = False
    """What is taken where an order names no image does not run on it."""
    seen: datetime | None = None

    @property
    def name(self) -> str:
        """What tells it from all others: `vast:12345`."""
        return f"{self.provider}:{self.offer_id}"

    def ends_within(self, time: timedelta) -> bool:
        """As far as its provider says; one that says nothing of it has no end."""
        return self.lasts is not None and self.lasts < time

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
    offers: tuple[str, ...] = ()
    """One of these very offers, as `Offer.name` calls them."""
    categories: tuple[str, ...] = ()
    """What its model was made for: `consumer`, `professional`, `datacenter`."""
    score: int = 0
    """Of each GPU, at least: 100 is an RTX 4090."""
    min_price: Money | None = None
    only_spot: bool = False
    reliability: Decimal | None = None
    must_be_verified: bool = False
    tiers: tuple[str, ...] = ()
    stock: str = ""
    """At least: `low`, `medium`, `high`; what is offered as one very machine is there."""
    down_mbps: int = 0
    up_mbps: int = 0
    cuda: str = ""
    """The driver takes this version of CUDA: `12.4`."""
    compute_capability: str = ""
    """At least: `8.0`."""
    lasts: timedelta | None = None
    """It can be had for so long at least; a provider that says nothing of it has no end."""
    must_last: timedelta | None = None
    """The same where nobody has said it: until the deadline of its order. Who names an offer takes it as it is."""
    for_usual_image: bool = False
    """Its order names no image, so what is taken without one has to run there."""

    @property
    def wide(self) -> Need:
        """What of it changes the offers themselves, not only which of them fit."""
        spot = self.allows_spot or self.only_spot
        return Need(gpu_count=self.gpu_count, disk_gib=self.disk_gib, allows_spot=spot, offers=self.offers)


class Ranking(Enum):
    """Which offers come first; among equals the cheapest."""

    PRICE = "price"
    VALUE = "value"
    """What a point of the score costs."""
    MEMORY = "memory"
    """What a GiB of GPU memory costs."""
    PERFORMANCE = "performance"
    """Of each GPU, then of all of them together."""
    RELIABILITY = "reliability"
    BOOT = "boot"
    """How soon it can be used, as far as that is known from rentals of ours."""


class WhenBusy(Enum):
    """What happens to a busy kernel whose lease runs out while nobody renews it."""

    FINISH = "finish"
    """It goes on up to the deadline, then is saved and removed."""
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Order:
    """What a user wants, and how far it may go; every limit ends the machine, not only the kernel."""

    need: Need = field(default_factory=Need)
    ranking: Ranking = Ranking.PRICE
    """Which of the offers that fit is tried first."""
    budget: Money | None = None
    """For this rental, from its first to its last second."""
    deadline: timedelta = timedelta(hours=8)
    """Counted from the request; the machine is gone by then whatever it does."""
    idle: timedelta | None = timedelta(minutes=30)
    lease: timedelta = timedelta(minutes=20)
    """For how long the machine lives when nobody can be reached to renew it."""
    agreed: Money | None = None
    """The largest possible bill that somebody was shown: nothing is rented that could cost more."""
    agreed_price: Money | None = None
    """And the highest price per hour: with a budget, the bill alone would let anything dearer be had for less long."""
    when_busy: WhenBusy = WhenBusy.FINISH
    keeps_failed: bool = False
    """A machine that can be entered and not be set up is not destroyed at once, so that somebody can look at it."""
    unguarded: bool = False
    """For days, also where only this computer could end it and the system does not run the guard."""
    image: str | None = None
    python: str | None = None

    @property
    def full_need(self) -> Need:
        """With what the rest of this order asks of an offer."""
        return replace(self.need, must_last=self.deadline, for_usual_image=self.image is None)

    def worst_case(self, price: Money) -> Money:
        """The largest bill that this order can cause at such a price."""
        bill = price.during(self.deadline)
        return bill if self.budget is None else min(bill, self.budget)

    def longest(self, price: Money) -> timedelta:
        """Until its deadline, or until its budget is used up at such a price."""
        return self.deadline if self.budget is None else min(self.deadline, self.budget.lasts(price))
