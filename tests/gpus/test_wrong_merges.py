"""No name is ever taken for another model: shown for all pairs of names, and for what words can be said at all."""

from __future__ import annotations

import itertools
import re
import string
import time

from hypothesis import example, given, settings
from hypothesis import strategies as st

from jupyter_gpu_bridge.gpus import Identified, identify, identify_each, models
from jupyter_gpu_bridge.gpus.catalogue import aliases
from jupyter_gpu_bridge.gpus.spelling import signatures, spelled
from tests.gpus.sheet import names

_SAID = [model.name for model in models()]
_words = st.sampled_from(sorted({word for _, each in signatures() for word in each.allowed}))
_spellings = st.sampled_from([str, str.lower, str.upper, str.title])
_joints = st.sampled_from([" ", "-", "_", "  ", "/"])


def _meant(found: Identified) -> set[str]:
    return {model.name for model in found.models}


def test_no_words_at_all_can_mean_two_families() -> None:
    """Two match the same words only if each allows all that the other requires: that holds for no pair."""
    for (one, first), (other, second) in itertools.combinations(signatures(), 2):
        both_can = first.required | second.required <= first.allowed & second.allowed
        assert one.family == other.family or not both_can, (one.name, other.name)


def test_no_two_of_all_names_are_merged_unless_the_sheet_does_so() -> None:
    """All pairs: whoever says them, with the memory of their rows and without."""
    for provider in (None, *aliases()):
        for memory_is_known in (True, False):
            found = [
                (row, identify(name, provider=provider, memory_mib=gib * 1024 if memory_is_known else None).model)
                for name, row, gib in _with_rows()
            ]
            by_model: dict[str, set[str]] = {}
            for row, model in found:
                if model is not None:
                    by_model.setdefault(model.name, set()).add(row)
            merged = {model: rows for model, rows in by_model.items() if len(rows) > 1}
            assert {model: rows for model, rows in merged.items() if not _same_word_for(rows)} == {}


def _with_rows() -> list[tuple[str, str, int]]:
    canonical = [(model.name, model.name, model.gib) for model in models()]
    return canonical + [(said.name, said.row, said.gib) for said in names() if not said.is_open]


def _same_word_for(rows: set[str]) -> bool:
    """Whether the sheet itself has one name for them, for which memory or form has to decide."""
    words: dict[str, set[str]] = {}
    for said in names():
        words.setdefault(said.name.casefold().replace("gpu_8x_", "gpu_1x_"), set()).add(said.row)
    return any(rows <= of_word for of_word in words.values())


def test_no_name_of_one_row_is_taken_for_another_whoever_says_it() -> None:
    rows_of: dict[str, set[str]] = {}
    for said in names():
        rows_of.setdefault(said.name.casefold(), set()).add(said.row)
    for said in names():
        for provider in (None, *aliases()):
            found = identify(said.name, provider=provider, memory_mib=said.gib * 1024)
            if found.model is not None and found.model.name != said.row:
                assert found.model.name in rows_of[said.name.casefold()], (said, provider, found.title)


def test_two_names_in_one_are_no_third_model() -> None:
    """All pairs: what is said of two models at once is at most a model whose words are all there."""
    covering = {model.name: each.required for model, each in signatures()}
    for first, second in itertools.permutations(_SAID, 2):
        found = identify(f"{first} {second}")
        said = {*first.lower().split(), *second.lower().split()}
        for name in _meant(found):
            assert covering[name] <= said, (first, second, name)
            assert name in (first, second) or _is_between(name, first, second), (first, second, name)


def _is_between(name: str, first: str, second: str) -> bool:
    """`RTX 4070 Ti` and `RTX 4070 SUPER` make `RTX 4070 Ti SUPER`; variants of a family stay in it."""
    family = {model.family for model in models() if model.name in (first, second)}
    is_variant = any(model.family in family for model in models() if model.name == name)
    return is_variant or set(name.split()) == {*first.split(), *second.split()}


@given(name=st.sampled_from(_SAID), spelling=_spellings, joint=_joints, brand=st.sampled_from(["", "NVIDIA ", "gpu "]))
def test_every_spelling_of_a_model_means_it(name: str, spelling: object, joint: str, brand: str) -> None:
    assert callable(spelling)
    said = str(spelling(name)).replace(" ", joint)
    if brand != "NVIDIA " or not identify(name).models[0].capability.startswith("gfx"):
        said = f"{brand}{said}"
    assert identify(said).title == name


@given(name=st.sampled_from(_SAID), more=st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=4))
def test_a_word_that_nobody_knows_makes_a_name_unknown(name: str, more: str) -> None:
    known = {word for _, each in signatures() for word in each.allowed}
    found = identify(f"{name} {more}")
    if not found.is_known:
        assert found.title == f"{name} {more}"
    elif not re.fullmatch(r"[0-9]+(g|gb|gi|gib|mb|mib)|x[1-9][0-9]?|[1-9][0-9]{0,2}x", more):
        parts = spelled(f"{name} {more}")
        assert parts is not None
        assert parts.words <= known


@settings(max_examples=300)
@given(words=st.lists(_words, min_size=1, max_size=5), memory=st.sampled_from(["", " 24GB", " 80GB", " 16 GB"]))
def test_what_is_made_of_known_words_means_one_family_or_nothing(words: list[str], memory: str) -> None:
    found = identify(" ".join(words) + memory)
    assert len({model.family for model in found.models}) <= 1
    for model in found.models:
        required = next(each.required for known, each in signatures() if known == model)
        assert required <= {*words, *(["super", "server"] if "s" in words else []), *(["maxq"] if "q" in words else [])}


@settings(max_examples=500)
@given(
    name=st.text(max_size=200),
    memory=st.none() | st.integers(),
    form=st.none() | st.text(max_size=10),
    provider=st.none() | st.sampled_from(["vast", "lambda", "modal", "nobody"]),
)
@example("9" * 5000 + "GB", None, None, None)
@example("gpu_999x_" * 40, None, None, "lambda")
@example("RTX 4090 " + "9" * 7 + "GB", -5, "", "vast")
@example("\ud800 MIG 1g.5gb", None, None, None)
def test_any_text_is_answered(name: str, memory: int | None, form: str | None, provider: str | None) -> None:
    found = identify(name, memory_mib=memory, form_factor=form, provider=provider)
    assert found.is_known or found.title in (name, "")
    assert len({model.family for model in found.models}) <= 1
    identify_each(name)


def test_a_hostile_name_costs_no_time() -> None:
    began = time.perf_counter()
    for name in (
        "sdv" * 13,
        "rtx" * 39,
        "x" * 120,
        "8x" * 60,
        " ".join("s" * 60),
        "1g." * 40,
        "(" * 10**6,
        "a x" * 10**5,
    ):
        identify(name)
    assert time.perf_counter() - began < 2
