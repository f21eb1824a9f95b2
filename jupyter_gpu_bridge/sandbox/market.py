"""What the pretend cloud sells: a dozen offers, whose prices move a little as its time goes by."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

STEP = 300.0
"""Virtual seconds for which a price stays as it is."""

GRACE = 60.0
"""For so long after a change the price from before it is still taken."""

DISK_PRICE = Decimal("0.012")
"""Per hour, of a machine that is stopped."""

STOCK = 24
"""So many machines at once, unless it is told otherwise: they are real processes of somebody's computer."""


@dataclass(frozen=True, slots=True)
class Item:
    """One line of the price list."""

    offer_id: str
    gpu: str
    gpu_count: int
    gpu_memory_mib: int
    base: Decimal
    region: str
    is_spot: bool
    host: str


_A100, _H100, _L4, _T4, _4090 = (
    ("Pretend A100 80 GB", 81920),
    ("Pretend H100 80 GB", 81559),
    ("Pretend L4 24 GB", 23034),
    ("Pretend T4 16 GB", 15360),
    ("Pretend RTX 4090 24 GB", 24564),
)


def _item(number: int, gpu: tuple[str, int], count: int, base: str, region: str, *, spot: bool = False) -> Item:
    host = f"pretend-host-{number % 7}"
    return Item(f"offer-{number:02d}", gpu[0], count, gpu[1], Decimal(base), region, spot, host)


ITEMS = (
    _item(1, _T4, 1, "0.150", "pretend-eu"),
    _item(2, _T4, 1, "0.060", "pretend-eu", spot=True),
    _item(3, _L4, 1, "0.440", "pretend-eu"),
    _item(4, _L4, 1, "0.420", "pretend-us"),
    _item(5, _4090, 1, "0.390", "pretend-us"),
    _item(6, _4090, 2, "0.760", "pretend-us"),
    _item(7, _A100, 1, "1.290", "pretend-eu"),
    _item(8, _A100, 1, "1.190", "pretend-us"),
    _item(9, _A100, 1, "0.640", "pretend-us", spot=True),
    _item(10, _A100, 4, "5.040", "pretend-us"),
    _item(11, _H100, 1, "2.490", "pretend-eu"),
    _item(12, _H100, 8, "19.600", "pretend-us"),
)


class Market:
    """Prices follow from the time alone, but for those that a test has pushed."""

    def __init__(self, pushes: dict[str, int], items: Sequence[Item] = ITEMS) -> None:
        self.items = items
        self.is_steady = False
        """Prices stay as they are, but for those that a test has pushed."""
        self._pushes = pushes
        """How often somebody has raised the price of an offer."""

    @property
    def pushes(self) -> dict[str, int]:
        return dict(self._pushes)

    def push(self, offer_id: str) -> None:
        """From now on it costs a tenth more."""
        self._pushes[offer_id] = self._pushes.get(offer_id, 0) + 1

    def find(self, offer_id: str) -> Item | None:
        return next((item for item in self.items if item.offer_id == offer_id), None)

    def price(self, item: Item, now: float) -> Decimal:
        """Dollars per hour."""
        return self._price(item, int(now // STEP))

    def takes(self, item: Item, price: Decimal, now: float) -> bool:
        """Whether this is what it costs, or what it cost until just now."""
        return price in {self.price(item, now), self.price(item, now - GRACE)}

    def offers(self, now: float, folder: Path) -> list[dict[str, object]]:
        """Cores, memory and disk are those of this computer: they are no pretence."""
        real = {"cpus": os.cpu_count() or 1, "memory_mib": _memory(), "disk_gib": shutil.disk_usage(folder).free >> 30}
        return [
            {
                "id": item.offer_id,
                "gpu": item.gpu,
                "gpu_count": item.gpu_count,
                "gpu_memory_mib": item.gpu_memory_mib,
                "price_per_hour": str(self.price(item, now)),
                "disk_price_per_hour": str(DISK_PRICE),
                "region": item.region,
                "spot": item.is_spot,
                "host": item.host,
                "pretend": True,
                **real,
            }
            for item in self.items
        ]

    def _price(self, item: Item, step: int) -> Decimal:
        wobble = hashlib.sha256(f"{item.offer_id} {step}".encode()).digest()[0] % 5 - 2  # some percent
        price = item.base if self.is_steady else item.base * (100 + wobble) / 100
        for _ in range(self._pushes.get(item.offer_id, 0)):
            price = price * 11 / 10
        return price.quantize(Decimal("0.000001"))


def _memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
