"""Every name by which RunPod, Vast.ai and Lambda are known to sell a GPU, and the model that it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from jupyter_gpu_bridge.gpus import identify, identify_first, unknown_names

RUNPOD: Mapping[str, tuple[str, int]] = {
    "NVIDIA GeForce RTX 3070": ("RTX 3070", 8),
    "NVIDIA GeForce RTX 3080": ("RTX 3080", 10),
    "NVIDIA GeForce RTX 3080 Ti": ("RTX 3080 Ti", 12),
    "NVIDIA GeForce RTX 3080TI": ("RTX 3080 Ti", 12),
    "NVIDIA GeForce RTX 3090": ("RTX 3090", 24),
    "NVIDIA GeForce RTX 3090 Ti": ("RTX 3090 Ti", 24),
    "NVIDIA GeForce RTX 4070 Ti": ("RTX 4070 Ti", 12),
    "NVIDIA GeForce RTX 4080": ("RTX 4080", 16),
    "NVIDIA GeForce RTX 4080 SUPER": ("RTX 4080 SUPER", 16),
    "NVIDIA GeForce RTX 4090": ("RTX 4090", 24),
    "NVIDIA GeForce RTX 5080": ("RTX 5080", 16),
    "NVIDIA GeForce RTX 5090": ("RTX 5090", 32),
    "NVIDIA RTX A2000": ("RTX A2000", 6),
    "NVIDIA RTX A4000": ("RTX A4000", 16),
    "NVIDIA RTX A4500": ("RTX A4500", 20),
    "NVIDIA  RTX A4500": ("RTX A4500", 20),
    "NVIDIA RTX A5000": ("RTX A5000", 24),
    "NVIDIA RTX A6000": ("RTX A6000", 48),
    "NVIDIA RTX 2000 Ada Generation": ("RTX 2000 Ada", 16),
    "NVIDIA RTX 4000 Ada Generation": ("RTX 4000 Ada", 20),
    "NVIDIA RTX 5000 Ada Generation": ("RTX 5000 Ada", 32),
    "NVIDIA RTX 6000 Ada Generation": ("RTX 6000 Ada", 48),
    "NVIDIA RTX 4000 SFF Ada Generation": ("RTX 4000 SFF Ada", 20),
    "NVIDIA RTX PRO 4500 Blackwell": ("RTX PRO 4500", 32),
    "NVIDIA RTX PRO 6000 Blackwell Server Edition": ("RTX PRO 6000 Server", 96),
    "NVIDIA RTX PRO 6000 Blackwell Workstation Edition": ("RTX PRO 6000 WS", 96),
    "NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition": ("RTX PRO 6000 Max-Q", 96),
    "NVIDIA RTX PRO 6000 Blackwell Server Edition MIG 1g.24gb": ("RTX PRO 6000 Server MIG 1g.24gb", 24),
    "NVIDIA RTX PRO 6000 Blackwell Server Edition MIG 2g.48gb": ("RTX PRO 6000 Server MIG 2g.48gb", 48),
    "NVIDIA L4": ("L4", 24),
    "NVIDIA L40": ("L40", 48),
    "NVIDIA L40S": ("L40S", 48),
    "NVIDIA A30": ("A30", 24),
    "NVIDIA A40": ("A40", 48),
    "NVIDIA A100 80GB PCIe": ("A100 80GB PCIe", 80),
    "NVIDIA A100-SXM4-80GB": ("A100 80GB SXM", 80),
    "NVIDIA H100 PCIe": ("H100 PCIe", 80),
    "NVIDIA H100 80GB HBM3": ("H100 SXM", 80),
    "NVIDIA H100 NVL": ("H100 NVL", 94),
    "NVIDIA H200": ("H200 SXM", 141),
    "NVIDIA H200 NVL": ("H200 NVL", 143),
    "NVIDIA B200": ("B200", 180),
    "NVIDIA B300 SXM6 AC": ("B300", 288),
    "Tesla V100-PCIE-16GB": ("V100 16GB PCIe", 16),
    "Tesla V100-SXM2-16GB": ("V100 16GB SXM", 16),
    "Tesla V100-SXM2-32GB": ("V100 32GB SXM", 32),
    "Tesla V100-FHHL-16GB": ("V100 16GB PCIe", 16),
    "V100 FHHL": ("V100 16GB PCIe", 16),
    "AMD Instinct MI300X OAM": ("MI300X", 192),
    "RTX 3070": ("RTX 3070", 8),
    "RTX 3080": ("RTX 3080", 10),
    "RTX 3080 Ti": ("RTX 3080 Ti", 12),
    "RTX 3090": ("RTX 3090", 24),
    "RTX 3090 Ti": ("RTX 3090 Ti", 24),
    "RTX 4070 Ti": ("RTX 4070 Ti", 12),
    "RTX 4080": ("RTX 4080", 16),
    "RTX 4080 SUPER": ("RTX 4080 SUPER", 16),
    "RTX 4090": ("RTX 4090", 24),
    "RTX 5080": ("RTX 5080", 16),
    "RTX 5090": ("RTX 5090", 32),
    "RTX A2000": ("RTX A2000", 6),
    "RTX A4000": ("RTX A4000", 16),
    "RTX A4500": ("RTX A4500", 20),
    "RTX A5000": ("RTX A5000", 24),
    "RTX A6000": ("RTX A6000", 48),
    "RTX 2000 Ada": ("RTX 2000 Ada", 16),
    "RTX 4000 Ada": ("RTX 4000 Ada", 20),
    "RTX 5000 Ada": ("RTX 5000 Ada", 32),
    "RTX 6000 Ada": ("RTX 6000 Ada", 48),
    "RTX 4000 Ada SFF": ("RTX 4000 SFF Ada", 20),
    "RTX PRO 4500": ("RTX PRO 4500", 32),
    "RTX PRO 6000": ("RTX PRO 6000 Server", 96),
    "RTX PRO 6000 WK": ("RTX PRO 6000 WS", 96),
    "RTX PRO 6000 MaxQ": ("RTX PRO 6000 Max-Q", 96),
    "PRO 6000 MIG 24GB": ("RTX PRO 6000 Server MIG 1g.24gb", 24),
    "PRO 6000 MIG 48GB": ("RTX PRO 6000 Server MIG 2g.48gb", 48),
    "A100 PCIe": ("A100 80GB PCIe", 80),
    "A100 SXM": ("A100 80GB SXM", 80),
    "H100 PCIe": ("H100 PCIe", 80),
    "H100 SXM": ("H100 SXM", 80),
    "H100 NVL": ("H100 NVL", 94),
    "H200 SXM": ("H200 SXM", 141),
    "B200": ("B200", 180),
    "B300": ("B300", 288),
    "Tesla V100": ("V100", 0),
    "V100 SXM2 32GB": ("V100 32GB SXM", 32),
    "MI300X": ("MI300X", 192),
}
"""By the id and by the name that is shown for it, with the GB that it states."""

VAST: Mapping[str, tuple[str, int]] = {
    "RTX 3060": ("RTX 3060", 12),
    "RTX 3060 Ti": ("RTX 3060 Ti", 8),
    "RTX 3070": ("RTX 3070", 8),
    "RTX 3070 Ti": ("RTX 3070 Ti", 8),
    "RTX 3080": ("RTX 3080", 10),
    "RTX 3080 Ti": ("RTX 3080 Ti", 12),
    "RTX 3090": ("RTX 3090", 24),
    "RTX 3090 Ti": ("RTX 3090 Ti", 24),
    "RTX 4070S Ti": ("RTX 4070 Ti SUPER", 16),
    "RTX 4080S": ("RTX 4080 SUPER", 16),
    "RTX 4090": ("RTX 4090", 24),
    "RTX_4090": ("RTX 4090", 24),
    "RTX 4090D": ("RTX 4090 D", 24),
    "RTX 4000Ada": ("RTX 4000 Ada", 20),
    "RTX 5000Ada": ("RTX 5000 Ada", 32),
    "RTX 6000Ada": ("RTX 6000 Ada", 48),
    "RTX 5080": ("RTX 5080", 16),
    "RTX 5090": ("RTX 5090", 32),
    "RTX A2000": ("RTX A2000", 6),
    "RTX A4000": ("RTX A4000", 16),
    "RTX A4500": ("RTX A4500", 20),
    "RTX A5000": ("RTX A5000", 24),
    "RTX A5500": ("RTX A5500", 24),
    "RTX A6000": ("RTX A6000", 48),
    "RTX PRO 6000 S": ("RTX PRO 6000 Server", 96),
    "RTX PRO 6000 WS": ("RTX PRO 6000 WS", 96),
    "Q RTX 6000": ("Quadro RTX 6000", 24),
    "Q RTX 8000": ("Quadro RTX 8000", 48),
    "A100 PCIE": ("A100 40GB PCIe", 40),
    "A100 SXM4": ("A100 80GB SXM", 80),
    "H100 PCIE": ("H100 PCIe", 80),
    "H100 SXM": ("H100 SXM", 80),
    "H100 NVL": ("H100 NVL", 94),
    "H200": ("H200 SXM", 141),
    "H200 NVL": ("H200 NVL", 141),
    "B200": ("B200", 180),
    "B300": ("B300", 288),
    "B300 PC": ("B300", 288),
    "L4": ("L4", 24),
    "L40": ("L40", 48),
    "L40S": ("L40S", 48),
    "A10": ("A10", 24),
    "A40": ("A40", 48),
    "A800 PCIE": ("A800 80GB", 80),
    "Tesla T4": ("T4", 16),
    "Tesla P4": ("P4", 8),
    "Tesla P40": ("P40", 24),
    "Tesla P100": ("P100", 16),
    "Tesla V100": ("V100 32GB SXM", 32),
}
"""With the GB that are reported beside it."""

LAMBDA: Mapping[str, tuple[str, int, str]] = {
    "gpu_1x_a10": ("A10", 24, "PCIe"),
    "gpu_1x_rtx6000": ("Quadro RTX 6000", 24, ""),
    "gpu_1x_a6000": ("RTX A6000", 48, ""),
    "gpu_2x_a6000": ("RTX A6000", 48, ""),
    "gpu_4x_a6000": ("RTX A6000", 48, ""),
    "gpu_1x_a100_sxm4": ("A100 40GB SXM", 40, "SXM4"),
    "gpu_1x_a100": ("A100 40GB PCIe", 40, "PCIe"),
    "gpu_1x_a100_pcie": ("A100 40GB PCIe", 40, "PCIe"),
    "gpu_8x_a100": ("A100 40GB SXM", 40, "SXM4"),
    "gpu_8x_a100_80gb_sxm4": ("A100 80GB SXM", 80, "SXM4"),
    "gpu_1x_h100_pcie": ("H100 PCIe", 80, "PCIe"),
    "gpu_1x_h100_sxm5": ("H100 SXM", 80, "SXM5"),
    "gpu_2x_h100_sxm5": ("H100 SXM", 80, "SXM5"),
    "gpu_4x_h100_sxm5": ("H100 SXM", 80, "SXM5"),
    "gpu_8x_h100_sxm5": ("H100 SXM", 80, "SXM5"),
    "gpu_8x_h100_sxm5gdr": ("H100 SXM", 80, "SXM5"),
    "gpu_1x_gh200": ("GH200 96GB", 96, ""),
    "gpu_1x_b200_sxm6": ("B200", 180, "SXM6"),
    "gpu_2x_b200_sxm6": ("B200", 180, "SXM6"),
    "gpu_8x_b200_sxm6": ("B200", 180, "SXM6"),
    "gpu_8x_b200_sxm6gdr": ("B200", 180, "SXM6"),
    "gpu_8x_v100": ("V100 16GB SXM", 16, ""),
    "gpu_8x_v100_n": ("V100 16GB SXM", 16, ""),
}
"""With what its description says: GB, and how it is built in."""

NOBODY_KNOWS = ("A100X", "RTX 3060m", "RTX 5090m")
"""Sold at Vast.ai; none of them is the card whose name it begins with."""


@pytest.fixture(autouse=True)
def nobody_met() -> Iterator[None]:
    unknown_names.forget()
    yield
    unknown_names.forget()


@pytest.mark.parametrize("name", RUNPOD)
@pytest.mark.parametrize("says_memory", [True, False])
def test_what_runpod_sells_is_known(name: str, says_memory: bool) -> None:
    title, gb = RUNPOD[name]
    assert identify(name, memory_mib=gb * 1024 if says_memory else None, provider="runpod").title == title
    assert unknown_names.counts() == {}


@pytest.mark.parametrize("name", VAST)
def test_what_vast_sells_is_known(name: str) -> None:
    title, gb = VAST[name]
    assert identify(name, memory_mib=gb * 1024, provider="vast").title == title
    assert unknown_names.counts() == {}


@pytest.mark.parametrize("name", LAMBDA)
@pytest.mark.parametrize("is_described", [True, False])
def test_what_lambda_sells_is_known(name: str, is_described: bool) -> None:
    title, gb, form = LAMBDA[name]
    found = identify(name, provider="lambda")
    if is_described:
        found = identify(name, memory_mib=gb * 1024, form_factor=form, provider="lambda")
    assert (found.title, found.count) == (title, int(name[4]))
    assert unknown_names.counts() == {}


@pytest.mark.parametrize("name", NOBODY_KNOWS)
def test_what_is_not_in_the_catalogue_is_taken_for_nothing_else(name: str) -> None:
    assert not identify(name, provider="vast").is_known
    assert unknown_names.counts() == {f"vast: {name}": 1}


def test_a_card_that_is_slower_than_its_figures_says_so() -> None:
    assert "slower" in identify("Tesla V100-FHHL-16GB", provider="runpod").note


def test_of_several_names_of_one_thing_only_what_none_tells_is_unknown() -> None:
    assert identify_first(["gpu_1x_new", "H100"], form_factor="SXM5", provider="lambda").title == "H100 SXM"
    assert unknown_names.counts() == {}
    assert identify_first(["gpu_1x_new", "N900"], provider="lambda").title == "N900"
    assert unknown_names.counts() == {"lambda: N900": 1}
