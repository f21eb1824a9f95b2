"""The words for what we have seen of those who rent out machines."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import NamedTuple

from jupyter_gpu_bridge.model.market import Offer

REMEMBERED_FOR = timedelta(days=30)
"""What is longer ago does not count."""

LEAST_BANDWIDTH, LEAST_TFLOPS = 0.6, 0.4
"""Of what its model should do: with less, something is wrong with a GPU, or it is another one.

Good memory copies at 80 to 95 % of its data sheet. Products of real numbers come to 65 to 85 %, but on small cards that
must not draw much power (T4, L4) to no more than half, which is how these are.
"""

FAILURES_TO_SINK = 2
"""One may be bad luck."""


class Outcome(Enum):
    """What became of a machine that was rented."""

    ENTERED = "entered"
    """It could be used."""
    BOOT_FAILED = "boot-failed"
    NEVER_ENTERED = "never-entered"
    SET_UP_FAILED = "set-up-failed"
    """It could be entered, and not be used."""
    RECLAIMED = "reclaimed"
    """Its provider took it back, although it was not offered so."""
    SPOT_RECLAIMED = "spot-reclaimed"
    """Its provider took it back, as it may with spot offers."""
    ENDED_ALONE = "ended-alone"
    """It ended while nothing of ours was there: by its lease, as it should, or otherwise."""

    @property
    def is_failure(self) -> bool:
        """Of whoever rents it out."""
        return self not in (Outcome.ENTERED, Outcome.SPOT_RECLAIMED, Outcome.ENDED_ALONE)


class Place(NamedTuple):
    """Where a machine stands: the very host, or where its provider does not say which, its kind: this GPU in this tier.

    Tiers are other houses and other owners: what fails in one says nothing of another.
    """

    provider: str
    host: str = ""
    gpu: str = ""
    tier: str = ""

    @classmethod
    def of(cls, offer: Offer) -> Place:
        return cls.where(offer.provider, offer.host, offer.gpu, offer.tier)

    @classmethod
    def where(cls, provider: str, host: str, gpu: str, tier: str) -> Place:
        return cls(provider, host) if host else cls(provider, "", gpu, tier)


@dataclass(frozen=True, slots=True)
class Reputation:
    """What we have seen of a place within `REMEMBERED_FOR`."""

    tries: int = 0
    """Machines that were rented there."""
    failures: int = 0
    """Of those: each counts once, whatever was wrong with it."""
    last_failure: datetime | None = None
    why: str = ""
    """What was wrong the last time."""
    checked: datetime | None = None
    """When its GPUs were measured last; what follows is of the worst of them."""
    bandwidth_share: float | None = None
    """Measured, of what its model should have."""
    tflops_share: float | None = None
    is_another: bool = False
    """Its driver named another GPU than was offered."""

    @property
    def fails(self) -> bool:
        return self.failures >= FAILURES_TO_SINK and 2 * self.failures > self.tries

    @property
    def is_slow(self) -> bool:
        return is_slow(self.bandwidth_share, self.tflops_share)

    @property
    def sinks(self) -> bool:
        """It is to be offered after those that do not: two failures that are more than half of its tries, or a GPU
        that is not what was offered, or does far less than its model should.
        """
        return self.fails or self.is_slow or self.is_another

    @property
    def phrase(self) -> str:
        """For people; empty when there is nothing to say."""
        said = []
        if self.failures:
            said.append(f"failed {self.failures} of {self.tries} times" + (f" ({self.why})" if self.why else ""))
        if self.is_another:
            said.append("has another GPU than was offered")
        if self.is_slow:
            shares = ((self.bandwidth_share, "bandwidth"), (self.tflops_share, "TFLOPS"))
            said.append(f"measured {' and '.join(f'{x:.0%} of its {y}' for x, y in shares if x is not None)}")
        return ", ".join(said).replace("%", " %")


def is_slow(bandwidth_share: float | None, tflops_share: float | None) -> bool:
    """What was not measured, or has no figure to stand beside, is no fault."""
    slow_memory = bandwidth_share is not None and bandwidth_share < LEAST_BANDWIDTH
    return slow_memory or (tflops_share is not None and tflops_share < LEAST_TFLOPS)
