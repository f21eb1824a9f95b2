from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_gpu_bridge.errors import PeerMisbehaved
from jupyter_gpu_bridge.market.experience.reading import read_report

GOOD: dict[str, Any] = {"name": "A100", "memory_mib": 81920, "bandwidth": 1830.0, "tflops": 260.0, "format": "bfloat16"}


def report(**gpu: Any) -> str:
    return json.dumps({"version": 1, "torch": "2.9", "gpus": [{**GOOD, **gpu}], "problem": None})


def test_an_honest_answer_is_read() -> None:
    (gpu,) = read_report(report()).gpus
    assert (gpu.name, gpu.memory_mib, gpu.bandwidth, gpu.tflops, gpu.problem) == ("A100", 81920, 1830.0, 260.0, "")


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "Segmentation fault",
        "[]",
        "{}",
        "[" * 60_000,
        '{"gpus": 3, "problem": null}',
        '{"gpus": [], "problem": null}',
        '{"gpus": [], "problem": "busy"}',
        '{"gpus": [7], "problem": null}',
        json.dumps({"gpus": [GOOD] * 17, "problem": None}),
        report(bandwidth=float("nan")),
        report(bandwidth=float("inf")),
        report(bandwidth=1e300),
        report(bandwidth=-1830.0),
        report(tflops=0),
        report(tflops=True),
        report(tflops="260"),
        report(memory_mib=-1),
        report(memory_mib=1e30),
        report(name=None),
        report(name="x" * 10_000_000),
        report(bandwidth=None),
    ],
)
def test_what_makes_no_sense_is_refused(answer: str) -> None:
    with pytest.raises(PeerMisbehaved, match="makes no sense"):
        read_report(answer)


def test_what_a_terminal_would_obey_is_taken_out() -> None:
    (gpu,) = read_report(report(name="\x1b[2J\x1b]0;mine\x07A100\n")).gpus
    assert gpu.name == "[2J ]0;mine A100"


_anything = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text("ab\x1b", max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([*GOOD, "problem"]), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["gpus", "problem", "torch"]), _anything))
def test_whatever_is_answered_it_is_read_or_refused(said: dict[str, Any]) -> None:
    try:
        check = read_report(json.dumps(said))
    except PeerMisbehaved:
        return
    assert check.problem or any(gpu.bandwidth for gpu in check.gpus)
