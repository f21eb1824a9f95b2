from __future__ import annotations

import pytest

from jupyter_gpu_bridge.market.experience.comparing import compare_one
from jupyter_gpu_bridge.model.gpu_checks import GpuMeasured


def measured(name: str, mib: int, bandwidth: float, tflops: float) -> GpuMeasured:
    return GpuMeasured(name, mib, bandwidth, tflops, "bfloat16")


def test_what_was_measured_stands_beside_what_the_catalogue_says() -> None:
    found = compare_one(measured("NVIDIA A100-SXM4-80GB", 81920, 1830.0, 260.0))
    assert found.phrases == ["1,830 of 2,039 GB/s (90 %)", "260 of 312 TFLOPS (83 %)"]
    assert not found.is_bad


def test_what_is_far_slower_than_its_model_is_bad() -> None:
    assert compare_one(measured("NVIDIA A100-SXM4-80GB", 81920, 1200.0, 260.0)).is_bad
    assert compare_one(measured("NVIDIA A100-SXM4-80GB", 81920, 1830.0, 100.0)).is_bad


def test_a_small_card_that_may_not_draw_much_power_is_not_bad_for_that() -> None:
    assert not compare_one(measured("NVIDIA L4", 23034, 250.0, 60.0)).is_bad


def test_another_model_than_was_offered_is_bad_however_fast_it_is() -> None:
    found = compare_one(measured("NVIDIA GeForce RTX 3090", 24576, 990.0, 160.0), "RTX 4090", 24576)
    assert (found.is_another, found.is_bad, found.model) == (True, True, "RTX 4090")


def test_a_variant_that_was_left_open_is_the_one_that_the_driver_names() -> None:
    found = compare_one(measured("NVIDIA H100 PCIe", 81559, 1700.0, 480.0), "H100", 81920)
    assert (found.bandwidth, found.is_bad) == (2000.0, False)


def test_half_of_a_board_with_two_gpus_is_compared_with_half_of_its_figures() -> None:
    whole = compare_one(measured("AMD Instinct MI250X", 65520, 1200.0, 120.0), "MI250X", 131072)
    assert whole.bandwidth_share == pytest.approx(1200 / 1638.4, rel=0.01)


@pytest.mark.parametrize("name", ["Voodoo 5 6000", "NVIDIA A100-SXM4-40GB MIG 1g.5gb"])
def test_what_has_no_figures_is_not_judged(name: str) -> None:
    found = compare_one(measured(name, 4864, 100.0, 10.0))
    assert (found.bandwidth_share, found.is_bad, found.phrases) == (None, False, ["100 GB/s", "10.0 TFLOPS"])
