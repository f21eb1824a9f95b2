"""The nine traps that other projects have fallen into."""

from __future__ import annotations

import pytest

from jupyter_gpu_bridge.gpus import identify
from jupyter_gpu_bridge.gpus.unknown import UnknownNames


def _title(name: str) -> str | None:
    found = identify(name)
    return found.title if found.is_known else None


@pytest.mark.parametrize(
    ("spellings", "title"),
    [
        (("RTX 4080S", "RTX4080S", "RTX 4080 S", "RTX 4080 SUPER", "GeForce RTX 4080 Super"), "RTX 4080 SUPER"),
        (("RTX 4070S Ti", "RTX 4070 Ti SUPER", "RTX4070TiSUPER", "4070 Ti S"), "RTX 4070 Ti SUPER"),
        (("RTX 4070S", "rtx4070s", "4070 SUPER"), "RTX 4070 SUPER"),
        (("RTX 2060S", "RTX 2060 SUPER"), "RTX 2060 SUPER"),
    ],
)
def test_1_super_is_spelled_in_both_ways(spellings: tuple[str, ...], title: str) -> None:
    assert {_title(spelling) for spelling in spellings} == {title}


@pytest.mark.parametrize(
    "name",
    [
        "A10", "L4", "L40", "L40S", "H100 NVL", "RTX 4000 Ada", "RTX A6000", "RTX 6000 Ada", "RTX A4000", "A10G",
        "RTX 4070", "RTX 4070 Ti", "RTX 3060 Ti", "RX 7900 XT", "RX 7900 XTX", "RTX PRO 4000", "MI300A", "MI300X",
    ],
)  # fmt: skip
def test_2_a_beginning_is_never_enough(name: str) -> None:
    assert _title(name) == name


def test_2_cards_with_the_same_number_are_told_apart() -> None:
    said = ("RTX 6000", "RTX A6000", "RTX 6000 Ada", "RTX PRO 6000", "A6000", "Quadro P6000")
    assert [_title(name) for name in said] == [
        "Quadro RTX 6000", "RTX A6000", "RTX 6000 Ada", "RTX PRO 6000", "RTX A6000", "Quadro P6000",
    ]  # fmt: skip
    assert _title("6000") is None
    assert _title("RTX 40904090") is None
    assert _title("A100X") is None
    assert _title("H100 Foo") is None


def test_3_short_names_are_whole_words() -> None:
    assert _title("T4G") is None
    assert [_title(name) for name in ("P4", "P40", "P4000")] == ["P4", "P40", "Quadro P4000"]
    assert [_title(name) for name in ("A2", "A2000", "A16", "A10", "A100")] == [
        None, "RTX A2000", "A16", "A10", "A100",
    ]  # fmt: skip
    assert (_title("MI250"), _title("MI250X")) == ("MI250", "MI250X")


@pytest.mark.parametrize(
    ("name", "reported", "gib"),
    [
        ("RTX 4090", 24_564, 24),
        ("RTX 4090", 22_889, 24),
        ("H200", 143_771, 141),
        ("B200", 183_359, 180),
        ("B200", 192 * 1024, 180),
        ("B300", 270 * 1024, 288),
        ("A100 SXM4", 40_960, 40),
        ("A100 SXM4", 81_251, 80),
        ("A100 PCIE", 76_294, 80),
        ("Tesla T4", 15_360, 16),
    ],
)
def test_4_memory_is_corrected_to_a_size_that_is_sold_and_kept_as_it_was(name: str, reported: int, gib: int) -> None:
    found = identify(name, memory_mib=reported, provider="vast")
    assert (found.memory_mib, found.reported_mib) == (gib * 1024, reported)


def test_4_memory_that_is_no_size_of_the_model_is_left_as_it_was() -> None:
    twice = identify("RTX 4090", memory_mib=49_140)
    assert (twice.title, twice.memory_mib, twice.figures) == ("RTX 4090", 49_140, identify("RTX 4090").figures)
    half = identify("RTX 4090", memory_mib=12_000)
    assert (half.title, half.memory_mib, half.figures) == ("RTX 4090", 12_000, None)
    assert identify("RTX 3060", memory_mib=8192).figures is None  # slower than the one with 12 GB, nobody says how much


@pytest.mark.parametrize(
    ("name", "provider", "mib"),
    [
        ("Tesla T4", "vast", 15_079),
        ("Tesla P4", "vast", 7_611),
        ("Q RTX 6000", "vast", 22_698),
        ("RTX 6000", None, 22_698),
    ],
)
def test_4_error_correction_takes_more_than_that_and_makes_no_other_card(
    name: str, provider: str | None, mib: int
) -> None:
    found = identify(name, provider=provider, memory_mib=mib)
    assert found.figures == identify(name, provider=provider).figures
    assert (found.is_known, found.memory_mib, found.reported_mib) == (True, mib, mib)


def test_4_memory_never_makes_a_model_of_a_name_that_is_short_for_another() -> None:
    for name, mib in (("RTX 6000", 49_140), ("A6000", 24_564), ("A100 SXM4", 65_536), ("V100 PCIe 32GB", 32_768)):
        found = identify(name, memory_mib=mib)
        assert (found.is_known, found.title, found.memory_mib) == (False, name, mib)


def test_5_a_variant_that_cannot_be_decided_stays_open_with_the_lowest_figures() -> None:
    found = identify("H100")
    assert (found.title, found.model, found.variant_is_unknown) == ("H100", None, True)
    assert {model.name for model in found.models} == {"H100 SXM", "H100 PCIe", "H100 NVL"}
    assert found.figures == identify("H100 PCIe").figures
    volta = identify("Tesla V100", memory_mib=16_160, provider="vast").figures
    assert volta is not None
    assert (volta.tflops, volta.bandwidth) == (112, 900)


def test_5_memory_and_form_decide_as_far_as_they_can() -> None:
    assert identify("H100", memory_mib=95_830).title == "H100 NVL"
    assert identify("H100", memory_mib=81_559).title == "H100 80GB"
    assert identify("H100", form_factor="PCIe").title == "H100 PCIe"
    assert identify("h100", form_factor="SXM5", provider="akash").title == "H100 SXM"
    assert identify("v100", form_factor="pcie", memory_mib=16_384, provider="akash").title == "V100 16GB PCIe"
    assert [identify(name, form_factor="PCIe").title for name in ("T4", "RTX 4090")] == ["T4", "RTX 4090"]


def test_6_of_boards_with_several_gpus_it_is_said_what_the_figures_are_of() -> None:
    for name in ("K80", "A16"):
        (model,) = identify(name).models
        assert "the figures are for one" in model.note
    whole, half = identify("MI250"), identify("MI250", memory_mib=65_520)
    assert whole.figures is not None
    assert half.figures is not None
    assert "the figures are for the card" in whole.models[0].note
    assert (half.memory_mib, half.figures.tflops * 2) == (65_536, whole.figures.tflops)


@pytest.mark.parametrize(
    "name", ["RTX 3060m", "RTX 5090m", "RTX 4090 Laptop GPU", "RTX 2080 Max-Q", "RTX 5090 D", "RTX 5090D", "A100-40C"]
)
def test_7_other_chips_with_a_similar_name_are_not_the_card(name: str) -> None:
    assert _title(name) is None


def test_7_variants_that_have_a_row_of_their_own_are_that_row() -> None:
    assert [_title(name) for name in ("4090D", "RTX 4090 D", "H20", "H800")] == [
        "RTX 4090 D", "RTX 4090 D", "H20", "H800 SXM",
    ]  # fmt: skip


def test_8_superchips_are_marked() -> None:
    said = ("GH200", "NVIDIA GH200 480GB", "GB200", "GB300", "gpu_1x_gh200")
    assert all(identify(name).has_arm_host for name in said)
    assert not any(identify(name).has_arm_host for name in ("H200", "B200", "MI300A"))


def test_9_an_unknown_name_is_kept_counted_and_never_guessed(caplog: pytest.LogCaptureFixture) -> None:
    found = identify("NVIDIA Rubin X1", memory_mib=300_000)
    assert (found.title, found.model, found.models, found.figures) == ("NVIDIA Rubin X1", None, (), None)
    assert (found.memory_mib, found.reported_mib) == (300_000, 300_000)
    unknown = UnknownNames()
    for _ in range(3):
        unknown.met("NVIDIA Rubin X1", "vast")
    assert unknown.counts() == {"vast: NVIDIA Rubin X1": 3}
    assert [record.getMessage().count("Rubin X1") for record in caplog.records] == [1]


@pytest.mark.parametrize(
    ("name", "provider", "title", "mib"),
    [
        ("PRO 6000 MIG 24GB", "runpod", "RTX PRO 6000 Server MIG 1g.24gb", 24_576),
        (
            "NVIDIA RTX PRO 6000 Blackwell Server Edition MIG 2g.48gb", "runpod",
            "RTX PRO 6000 Server MIG 2g.48gb", 49_152,
        ),
        ("NVIDIA A100-SXM4-40GB MIG 1g.5gb", None, "A100 40GB SXM MIG 1g.5gb", 5_120),
        ("H100 80GB HBM3 MIG 20GB", None, "H100 SXM MIG 20GB", 20_480),
    ],
)  # fmt: skip
def test_a_slice_is_never_the_whole_card(name: str, provider: str | None, title: str, mib: int) -> None:
    found = identify(name, provider=provider)
    assert (found.title, found.memory_mib, found.model, found.figures) == (title, mib, None, None)
    assert found.slice
    assert found.is_known
