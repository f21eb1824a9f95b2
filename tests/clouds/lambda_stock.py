"""What the simulated Lambda sells: types of machines, each in some regions, and the images they boot from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from jupyter_gpu_bridge.sandbox.market import Item

REGIONS: Mapping[str, str] = {
    "us-east-1": "Virginia, USA",
    "us-west-1": "California, USA",
    "us-south-1": "Texas, USA",
    "europe-central-1": "Germany",
    "asia-northeast-1": "Osaka, Japan",
}

IMAGES = (
    ("3f9d3a52-6a0e-4f8e-9f2c-0f6b7c1d2e01", "lambda-stack-22-04", "x86_64", "us-east-1"),
    ("3f9d3a52-6a0e-4f8e-9f2c-0f6b7c1d2e02", "lambda-stack-24-04", "x86_64", "us-west-1"),
    ("3f9d3a52-6a0e-4f8e-9f2c-0f6b7c1d2e03", "lambda-stack-22-04", "arm64", "us-east-1"),
    ("3f9d3a52-6a0e-4f8e-9f2c-0f6b7c1d2e04", "gpu-base-22-04", "x86_64", "europe-central-1"),
)
"""Id, family, architecture, region."""


@dataclass(frozen=True, slots=True)
class Type:
    name: str
    gpu_description: str
    cents: int
    gpus: int
    vcpus: int
    memory_gib: int
    storage_gib: int
    gpu_mib: int
    regions: tuple[str, ...] = ()
    """Where it is to be had; without one it is sold out."""

    def shown(self, cents: int) -> dict[str, object]:
        description = f"{self.gpus}x {self.gpu_description}" if self.gpus else f"{self.vcpus}x CPU"
        return {
            "name": self.name,
            "description": description,
            "gpu_description": self.gpu_description,
            "price_cents_per_hour": cents,
            "specs": {
                "vcpus": self.vcpus,
                "memory_gib": self.memory_gib,
                "storage_gib": self.storage_gib,
                "gpus": self.gpus,
            },
        }


TYPES = (
    Type("gpu_1x_a10", "A10 (24 GB PCIe)", 129, 1, 30, 200, 1400, 24 << 10, ("us-east-1", "us-west-1")),
    Type("gpu_1x_rtx6000", "RTX 6000 (24 GB)", 69, 1, 14, 46, 512, 24 << 10, ("us-south-1",)),
    Type("gpu_2x_a6000", "A6000 (48 GB)", 218, 2, 28, 200, 1024, 48 << 10, ("us-south-1",)),
    Type("gpu_1x_a100_sxm4", "A100 (40 GB SXM4)", 199, 1, 30, 200, 512, 40 << 10, ("us-west-1", "asia-northeast-1")),
    Type("gpu_8x_a100_80gb_sxm4", "A100 (80 GB SXM4)", 2232, 8, 240, 1800, 20480, 80 << 10),
    Type("gpu_1x_h100_pcie", "H100 (80 GB PCIe)", 329, 1, 26, 200, 1024, 80 << 10, ("us-west-1",)),
    Type("gpu_8x_h100_sxm5", "H100 (80 GB SXM5)", 3192, 8, 208, 1800, 22528, 80 << 10, ("europe-central-1",)),
    Type("gpu_1x_gh200", "GH200 (96 GB)", 229, 1, 64, 432, 4096, 96 << 10, ("us-east-1",)),
    Type("gpu_8x_v100", "Tesla V100 (16 GB)", 632, 8, 92, 448, 6042, 16 << 10),
    Type("cpu_4x_general", "N/A", 20, 0, 4, 16, 102, 0, ("us-east-1",)),
)


def line(type_name: str, region: str) -> str:
    """Of the price list."""
    return f"{type_name}@{region}"


ITEMS: Sequence[Item] = tuple(
    Item(line(each.name, region), each.name, each.gpus, each.gpu_mib, Decimal(each.cents) / 100, region, False, "")
    for each in TYPES
    for region in REGIONS
)
