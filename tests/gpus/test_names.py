"""What each provider calls its GPUs."""

from __future__ import annotations

from collections import Counter

import pytest

from jupyter_gpu_bridge.gpus import identify, identify_each, models
from jupyter_gpu_bridge.gpus.catalogue import aliases
from tests.gpus.sheet import Row, Said, names, rows

_TIMES = Counter((said.provider, said.name.casefold()) for said in names() if not said.is_open)


def _stands_alone(said: Said) -> bool:
    """Neither memory nor form has to decide."""
    return not said.is_open and said.form is None and _TIMES[said.provider, said.name.casefold()] == 1


@pytest.mark.parametrize("said", [said for said in names() if not said.is_open], ids=str)
def test_a_name_of_the_sheet_means_its_row_and_no_other(said: Said) -> None:
    found = identify(said.name, provider=said.provider, memory_mib=said.gib * 1024, form_factor=said.form)
    if found.variant_is_unknown:
        assert (said.provider, said.name) == ("vast", "Tesla V100")
        assert [model.name for model in found.models] == ["V100 16GB SXM", "V100 16GB PCIe"]
    else:
        assert found.model is not None
        assert found.model.name == said.row


@pytest.mark.parametrize("said", [said for said in names() if _stands_alone(said)], ids=str)
def test_a_name_that_stands_in_one_row_needs_nothing_else(said: Said) -> None:
    found = identify(said.name.swapcase(), provider=said.provider.upper())
    assert found.model is not None
    assert found.model.name == said.row


def test_what_a_name_may_give_beyond_what_is_paid_for_is_never_counted_on() -> None:
    assert [(said.name, said.row) for said in names() if said.is_open] == [("B200+", "B300")]
    found = identify("B200+", provider="modal")
    assert (found.title, found.note) == ("B200", "may be a B300, at the price of a B200")


def test_the_sheet_has_names_of_all_who_are_known_by_names() -> None:
    assert {said.provider for said in names()} == set(aliases())


@pytest.mark.parametrize("row", [row for row in rows() if row.cells["gpuhunt"] != "—"], ids=lambda row: row.name)
def test_a_name_that_a_common_library_uses_does_not_exclude_the_row(row: Row) -> None:
    found = identify(row.cells["gpuhunt"].partition(" (")[0], memory_mib=row.gib * 1024)
    if row.name == "RTX 4000 SFF Ada":  # that library does not tell it from the larger card
        assert found.title == "RTX 4000 Ada"
    else:
        assert row.name in [model.name for model in found.models]


@pytest.mark.parametrize("provider", aliases())
def test_every_name_of_the_catalogue_means_what_stands_beside_it(provider: str) -> None:
    for alias in aliases()[provider].values():
        found = identify(alias.name.replace("*", "2"), provider=provider)
        assert (found.models, found.slice) == (alias.models, alias.slice)
        assert found.is_known or found.count == 0


@pytest.mark.parametrize(
    ("provider", "name", "title", "count"),
    [
        ("lambda", "gpu_8x_a100_80gb_sxm4", "A100 80GB SXM", 8),
        ("lambda", "gpu_1x_a100_sxm4", "A100 40GB SXM", 1),
        ("lambda", "gpu_8x_a100", "A100 40GB SXM", 8),
        ("lambda", "gpu_2x_a100", "A100 40GB PCIe", 2),
        ("lambda", "gpu_8x_v100_n", "V100 16GB SXM", 8),
        ("lambda", "gpu_16x_b200_sxm6", "B200", 16),
        ("lambda", "8x Tesla V100 (16 GB)", "V100 16GB", 8),
        ("lambda", "gpu_8x_h300", "gpu_8x_h300", 8),
        ("vast", "8xH100 SXM", "H100 SXM", 8),
        ("paperspace", "A100-80Gx8", "A100 80GB SXM", 8),
        ("paperspace", "V100-32Gx4", "V100 32GB SXM", 4),
        ("paperspace", "RTX5000x2", "Quadro RTX 5000", 2),
        ("paperspace", "A4000", "RTX A4000", 1),
        ("replicate", "gpu-l40s-4x", "L40S", 4),
        ("replicate", "gpu-2x-l40s", "L40S", 2),
        ("replicate", "gpu-a100-large-8x", "A100 80GB SXM", 8),
        ("replicate", "Nvidia A100 (80GB) GPU", "A100 80GB", 1),
        ("modal", "H100:8", "H100 SXM", 8),
        ("modal", "h100!:2", "H100 SXM", 2),
        ("modal", "B200+:4", "B200", 4),
        ("ionet", "H100 80GB SXM5", "H100 SXM", 1),
        ("flexai", "nvidia-rtx-4090", "RTX 4090", 1),
        ("vast", "RTX_4090", "RTX 4090", 1),
        ("runpod", "NVIDIA  RTX A4500", "RTX A4500", 1),
        ("runpod", "NVIDIA GeForce RTX 3080TI", "RTX 3080 Ti", 1),
        ("lambda", "cpu_4x_general", "", 0),
        ("replicate", "CPU", "", 0),
    ],
)
def test_names_of_several_gpus_give_their_number(provider: str, name: str, title: str, count: int) -> None:
    found = identify(name, provider=provider)
    assert (found.title, found.count) == (title, count)


@pytest.mark.parametrize("names_", [["H100:8", "A100-80GB:4"], "H100:8,A100-80GB:4", "['H100:8', 'A100-80GB:4']"])
def test_a_list_any_of_which_will_do_is_identified_each(names_: list[str] | str) -> None:
    found = identify_each(names_, provider="modal")
    assert [(each.title, each.count) for each in found] == [("H100 SXM", 8), ("A100 80GB SXM", 4)]


def test_what_a_provider_means_beyond_the_name_is_told() -> None:
    assert "H200" in identify("H100", provider="modal").note
    assert identify("A100", provider="modal").note == "may have 80 GB"


def test_the_attributes_of_a_bid_are_read_as_one_name() -> None:
    found = identify("vendor/nvidia/model/a100/ram/80Gi/interface/sxm", provider="akash")
    assert (found.title, found.memory_mib) == ("A100 80GB SXM", 81_920)


def test_a_word_of_one_provider_is_understood_where_nobody_is_named_and_nobody_disagrees() -> None:
    assert identify("GPU+").title == "Quadro M4000"
    assert identify("pro6000we").title == "RTX PRO 6000 WS"
    assert not identify("GPU+", provider="vast").is_known
    assert identify("A100").title == "A100"  # which providers disagree about


def test_no_two_models_answer_to_one_name_of_a_provider_but_variants_of_a_family() -> None:
    for provider in aliases():
        for alias in aliases()[provider].values():
            assert len({model.family for model in alias.models}) <= 1
            assert set(alias.models) <= set(models())
