from __future__ import annotations

from itertools import pairwise

import pytest

from jupyter_gpu_bridge.gpus import Model, Units, groups, identify, models
from jupyter_gpu_bridge.gpus.catalogue import title_of
from tests.gpus.sheet import Row, rows

_UNITS = {"": Units.MATRIX, "v": Units.VECTOR, "f32": Units.FP32}


def _model(name: str) -> Model:
    return next(model for model in models() if model.name == name)


def test_every_model_of_the_sheet_is_there_once_and_no_other() -> None:
    assert [model.name for model in models()] == [row.name for row in rows()]
    assert len({model.name.casefold() for model in models()}) == 114


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.name)
def test_a_model_has_the_figures_of_the_sheet(row: Row) -> None:
    model, cells = _model(row.name), row.cells
    tflops, _, units = cells["FP16 TFLOPS"].partition(" ")
    assert model.gib == row.gib
    assert (model.category.value, model.architecture) == (cells["Category"], cells["Arch"])
    assert model.capability == cells["CC / gfx"]
    assert (model.tflops, model.units) == (float(tflops), _UNITS[units])
    assert model.bandwidth == int(cells["GB/s"])
    assert model.has_fp8 == (cells["FP8"] == "yes")
    assert model.has_arm_host == ("Arm host" in cells["Others"])
    assert ("GPUs a" in model.note) == ("GPUs a" in cells["Others"])


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.name)
def test_the_score_that_follows_is_the_one_of_the_sheet(row: Row) -> None:
    figures = _model(row.name).figures
    assert figures.score == int(row.cells["Score"])
    assert round(figures.raw) == int(row.cells["Raw"])


@pytest.mark.parametrize(
    "row", [row for row in rows() if "variant exists" in row.cells["Others"]], ids=lambda r: r.name
)
def test_another_size_that_the_sheet_mentions_is_the_same_model_with_that_memory(row: Row) -> None:
    other = int(row.cells["Others"].split(" GB variant exists")[0].split()[-1])
    found = identify(row.name, memory_mib=other * 1024 - 300)
    assert (found.title, found.memory_mib, found.reported_mib) == (row.name, other * 1024, other * 1024 - 300)


def test_the_sizes_of_a_family_are_so_far_apart_that_memory_never_means_two() -> None:
    for model in models():
        sizes = sorted({mib for other in models() if other.family == model.family for mib in other.sizes})
        for smaller, larger in pairwise(sizes):
            assert smaller * 1.07 < larger * 0.93, model.family


def test_what_variants_have_in_common_is_a_title_that_means_just_them() -> None:
    names = {model.name for model in models()}
    assert not names & set(groups())
    for title, some in groups().items():
        assert (identify(title).title, set(identify(title).models)) == (title, set(some))
        assert title_of(some) == title


def test_a_title_means_its_own_model_however_it_is_joined() -> None:
    for model in models():
        for spelling in (model.name, model.name.lower(), model.name.replace(" ", "-"), model.name.replace(" ", "_")):
            assert identify(spelling).title == model.name


@pytest.mark.parametrize(
    ("name", "needs"),
    [
        ("K80", "older toolkit only"),
        ("TITAN V", "older toolkit only"),
        ("T4", ""),
        ("H100 SXM", ""),
        ("RTX 5090", "needs CUDA 12.8 or later"),
        ("MI300X", ""),
    ],
)
def test_a_model_says_what_it_asks_of_software(name: str, needs: str) -> None:
    assert _model(name).needs == needs
