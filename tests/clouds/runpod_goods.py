"""What the simulated RunPod sells: GPU types in two clouds and some data centres, at list prices that stay."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from jupyter_gpu_bridge.sandbox.market import Item

SECURE, COMMUNITY = "SECURE", "COMMUNITY"

DATA_CENTERS: Mapping[str, tuple[str, str, str]] = {
    "EU-RO-1": ("EU Romania 1", "EUROPE", "RO"),
    "EUR-IS-1": ("EUR Iceland 1", "EUROPE", "IS"),
    "US-KS-2": ("US Kansas 2", "NORTH_AMERICA", "US"),
    "CA-MTL-1": ("CA Montreal 1", "NORTH_AMERICA", "CA"),
}
"""Name, region and country by id."""


@dataclass(frozen=True, slots=True)
class GpuType:
    gpu_id: str
    name: str
    memory: int
    """GB."""
    prices: Mapping[str, str]
    """Of one GPU, by cloud; where it is not sold there is none."""
    most: Mapping[str, int]
    stock: Mapping[str, str]
    """By data centre."""
    pool: str | None = None
    manufacturer: str = "NVIDIA"
    cuda: Sequence[str] = ("12.8", "12.6", "12.4")

    def price(self, cloud: str) -> Decimal:
        return Decimal(self.prices[cloud])

    def availability(self, cloud: str, count: int, places: Sequence[str] | None = None) -> str:
        if cloud not in self.prices or count > self.most[cloud]:
            return "NONE"
        found = {self.stock[each] for each in self.places(places)}
        return next((each for each in ("HIGH", "MEDIUM", "LOW") if each in found), "NONE")

    def has_cuda(self, version: str, cloud: str) -> bool:
        """Whether some host there takes exactly this version."""
        return version in self.cuda and (version != "12.8" or cloud == SECURE)

    def meets(self, cloud: str, least: str, allowed: Sequence[str]) -> bool:
        """Whether some host there has a driver such as an order demands."""
        there = [each for each in self.cuda if self.has_cuda(each, cloud)]
        if allowed:
            return any(each in allowed for each in there)
        return not least or any(_parts(each) >= _parts(least) for each in there)

    def places(self, among: Sequence[str] | None = None) -> Sequence[str]:
        return [each for each in self.stock if among is None or each in among]


def _parts(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]


def _both(secure: str, community: str) -> Mapping[str, str]:
    return {SECURE: secure, COMMUNITY: community}


_EIGHT = {SECURE: 8, COMMUNITY: 4}

TYPES: Sequence[GpuType] = (
    GpuType(
        "NVIDIA GeForce RTX 4090",
        "RTX 4090",
        24,
        _both("0.69", "0.34"),
        _EIGHT,
        {"EU-RO-1": "HIGH", "US-KS-2": "LOW"},
        "ADA_24",
    ),
    GpuType(
        "NVIDIA A100 80GB PCIe",
        "A100 PCIe",
        80,
        _both("1.64", "1.19"),
        _EIGHT,
        {"EU-RO-1": "LOW", "CA-MTL-1": "MEDIUM"},
        "AMPERE_80",
    ),
    GpuType(
        "NVIDIA H100 80GB HBM3", "H100 SXM", 80, {SECURE: "2.99"}, {SECURE: 8}, {"EUR-IS-1": "HIGH", "US-KS-2": "NONE"}
    ),
    GpuType("NVIDIA L4", "L4", 24, {SECURE: "0.43"}, {SECURE: 8}, {"EU-RO-1": "MEDIUM"}, "AMPERE_24"),
    GpuType("NVIDIA B200", "B200", 180, {SECURE: "5.99"}, {SECURE: 8}, {"US-KS-2": "NONE"}),
    GpuType(
        "AMD Instinct MI300X OAM",
        "MI300X",
        192,
        {SECURE: "2.49"},
        {SECURE: 8},
        {"EU-RO-1": "LOW"},
        None,
        "AMD",
        (),
    ),
)


def find(gpu_id: object) -> GpuType | None:
    return next((each for each in TYPES if each.gpu_id == gpu_id), None)


def item_id(cloud: str, count: int, gpu_id: str) -> str:
    return f"{cloud} {count} {gpu_id}"


def _items() -> Iterator[Item]:
    for each in TYPES:
        for cloud, most in each.most.items():
            for count in range(1, most + 1):
                yield Item(
                    item_id(cloud, count, each.gpu_id),
                    each.name,
                    count,
                    each.memory * 1000,
                    each.price(cloud) * count,
                    "",
                    False,
                    "",
                )


ITEMS = tuple(_items())
