"""What the simulated Vast.ai sells: asks of single hosts, and the query language that finds them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from jupyter_gpu_bridge.sandbox.errors import No
from jupyter_gpu_bridge.sandbox.market import Item

USUAL_DISK = 8.0
STORAGE_COST = 0.15
"""Dollars per GB and month."""
TRAFFIC_COST = 0.003
"""Dollars per GB, in each direction."""
_BID = "-bid"


@dataclass(frozen=True, slots=True)
class Card:
    """A model as this market names it."""

    name: str
    memory_mb: int
    capability: int
    price: str


CARDS = (
    Card("RTX 3090", 24576, 860, "0.190"),
    Card("RTX 4090", 24564, 890, "0.389"),
    Card("RTX 5090", 32607, 1200, "0.520"),
    Card("Tesla V100", 16384, 700, "0.110"),
    Card("RTX A6000", 49140, 860, "0.450"),
    Card("L40S", 46068, 890, "0.670"),
    Card("A100 PCIE", 40960, 800, "0.610"),
    Card("A100 SXM4", 81920, 800, "0.890"),
    Card("H100 SXM", 81559, 900, "1.980"),
    Card("H100 NVL", 95830, 900, "2.130"),
)
_PLACES = ("Utah, US", "Quebec, CA", "Norway, NO", ", US", None)
_COUNTS = (1, 1, 2, 4)
_FIRST = 20_000_001


@dataclass(frozen=True, slots=True)
class Ask:
    """One slice of one host; its bids are asked for by the same number."""

    number: int
    card: Card
    count: int

    @property
    def item(self) -> Item:
        return self._item(str(self.number), Decimal(self.card.price) * self.count, is_spot=False)

    @property
    def bid_item(self) -> Item:
        return self._item(f"{self.number}{_BID}", Decimal(self.card.price) * self.count * 2 / 5, is_spot=True)

    @property
    def machine(self) -> int:
        return 10_000 + self.number % 1000

    @property
    def place(self) -> str | None:
        return _PLACES[self.number % len(_PLACES)]

    def _item(self, offer_id: str, price: Decimal, *, is_spot: bool) -> Item:
        card = self.card
        return Item(
            offer_id, card.name, self.count, card.memory_mb, price, self.place or "", is_spot, str(self.machine)
        )

    def row(self, price: Decimal, lowest_bid: Decimal, disk: float, kind: str, now: float) -> dict[str, Any]:
        """As it is shown in a search for this kind, with the price of so much disk."""
        base = float(lowest_bid if kind == "bid" else price)
        disk_price = disk * STORAGE_COST / 30 / 24
        number, count, card = self.number, self.count, self.card
        return {
            "id": number,
            "ask_contract_id": number,
            "bundle_id": number + 7,
            "machine_id": self.machine,
            "host_id": 500 + self.machine % 50,
            "gpu_name": card.name,
            "num_gpus": count,
            "gpu_frac": count / 4,
            "gpu_ram": card.memory_mb,
            "gpu_total_ram": card.memory_mb * count,
            "cpu_name": "AMD EPYC 7713",
            "cpu_cores": 64,
            "cpu_cores_effective": 16.0 * count,
            "cpu_ram": 257_604,
            "disk_space": 912.4,
            "disk_bw": 2810.5,
            "dph_base": base,
            "dph_total": base + disk_price,
            "discounted_dph_total": base + disk_price,
            "dph_total_adj": base + disk_price,
            "search": {"gpuCostPerHour": base, "diskHour": disk_price, "totalHour": base + disk_price},
            "min_bid": float(lowest_bid),
            "storage_cost": STORAGE_COST,
            "storage_total_cost": disk_price,
            "inet_up_cost": TRAFFIC_COST,
            "inet_down_cost": TRAFFIC_COST,
            "internet_up_cost_per_tb": TRAFFIC_COST * 1024,
            "inet_up": 612.3,
            "inet_down": 845.9,
            "reliability": 0.9951,
            "reliability2": 0.9951,
            "verification": "verified",
            "hosting_type": number % 2,
            "geolocation": self.place,
            "cuda_max_good": 12.8,
            "driver_version": "570.10.01",
            "compute_cap": card.capability,
            "direct_port_count": 120,
            "duration": 1_209_600.0,
            "end_date": now + 1_209_600,
            "rentable": True,
            "rented": False,
            "is_bid": kind == "bid",
            "static_ip": False,
            "public_ipaddr": "127.0.0.1",
            "vms_enabled": False,
            "dlperf": 11.5 * count,
            "score": 300.0 + number % 97,
            "pcie_bw": 23.4,
            "bw_nvlink": 0.0,
            "min_chunk": None,
        }


ASKS = {_FIRST + n: Ask(_FIRST + n, CARDS[n % len(CARDS)], _COUNTS[n // len(CARDS)]) for n in range(40)}
ITEMS = [item for ask in ASKS.values() for item in (ask.item, ask.bid_item)]

# the query language --------------------------------------------------------------------------------------------------

_SCOPES: Mapping[str, Callable[[dict[str, Any]], bool]] = {
    "verified": lambda row: row["verification"] == "verified",
    "datacenter": lambda row: row["hosting_type"] >= 1,
    "external": lambda row: False,
}
"""What can be asked for and is no field of an answer."""
_WISHES = {"order", "type", "limit", "allocated_storage", "select_cols", "chunked", "georegion", "extra_ids"}
_KINDS = {"on-demand": "on-demand", "ondemand": "on-demand", "bid": "bid", "reserved": "on-demand", "ask": "on-demand"}


@dataclass(frozen=True, slots=True)
class Query:
    """Raises `No` where it makes no sense."""

    asked: dict[str, Any]

    @property
    def kind(self) -> str:
        try:
            return _KINDS[self.asked.get("type") or "on-demand"]
        except (KeyError, TypeError):
            raise _invalid("type") from None

    @property
    def disk(self) -> float:
        return number(self.asked.get("allocated_storage", USUAL_DISK), "allocated_storage")

    def found(self, rows: Sequence[dict[str, Any]], *, as_asked: bool) -> list[dict[str, Any]]:
        """Sorted, and no more than were wished for; not `as_asked`: whatever the filters say."""
        kept = [row for row in rows if not as_asked or self._fits(row)]
        for name, direction in reversed(self.asked.get("order") or [["score", "desc"]]):
            kept.sort(key=lambda row: row.get(name) or 0, reverse=direction == "desc")
        return kept[: int(number(self.asked.get("limit") or 64, "limit"))]

    def _fits(self, row: dict[str, Any]) -> bool:
        return all(
            fits(_value(row, name), operator, wanted, name)
            for name, conditions in self.asked.items()
            if name not in _WISHES
            for operator, wanted in _conditions(conditions, name)
        )


def fits(value: Any, operator: str, wanted: Any, name: str) -> bool:
    if operator in ("in", "notin"):
        if not isinstance(wanted, list):
            raise _invalid(name)
        return any(_is_same(value, each) for each in wanted) == (operator == "in")
    if operator in ("eq", "neq"):
        return _is_same(value, wanted) == (operator == "eq")
    if operator not in ("gt", "gte", "lt", "lte"):
        raise _invalid(name)
    if isinstance(value, str):
        larger, smaller = value > str(wanted), value < str(wanted)
    else:
        limit = number(wanted, name)
        larger, smaller = (value or 0) > limit, (value or 0) < limit
    return {"gt": larger, "gte": not smaller, "lt": smaller, "lte": not larger}[operator]


def number(value: Any, name: str) -> float:
    """Also where it comes as a text, as the vendor's own client sends it."""
    try:
        return float(value)
    except (TypeError, ValueError):
        raise _invalid(name) from None


def _value(row: dict[str, Any], name: str) -> Any:
    if name in _SCOPES:
        return _SCOPES[name](row)
    if name not in row:
        raise _invalid(name)
    return (row[name] or "").rpartition(", ")[2] if name == "geolocation" else row[name]


def _conditions(conditions: Any, name: str) -> Sequence[tuple[str, Any]]:
    if not isinstance(conditions, dict):
        raise _invalid(name)
    return list(conditions.items())


def _is_same(value: Any, wanted: Any) -> bool:
    if isinstance(value, bool) or isinstance(wanted, bool):
        return str(value).lower() == str(wanted).lower()
    if isinstance(value, int | float):
        try:
            return value == float(wanted)
        except (TypeError, ValueError):
            return False
    return bool(value == wanted)


def _invalid(name: str) -> No:
    return No(400, "invalid_request", f"Invalid filter: {name}")
