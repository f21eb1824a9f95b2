from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_gpu_bridge.gpus import Figures, estimate, identify, models
from tests.gpus.sheet import rows

_figures = st.floats(min_value=0.1, max_value=1e6)


def _of(name: str) -> Figures:
    figures = identify(name).figures
    assert figures is not None
    return figures


def test_the_two_seeds_are_exact() -> None:
    assert (_of("RTX 4090").raw, _of("RTX 4090").score) == (100.0, 100)
    assert (_of("H100 SXM").raw, _of("H100 SXM").score) == (150.0, 150)
    assert _of("H100 SXM").badge == "150"


@given(tflops=_figures, bandwidth=_figures, more=st.floats(min_value=1.0, max_value=100.0))
def test_a_score_never_falls_when_a_figure_rises(tflops: float, bandwidth: float, more: float) -> None:
    before = Figures(tflops, bandwidth)
    for after in (Figures(tflops * more, bandwidth), Figures(tflops, bandwidth * more)):
        assert after.raw >= before.raw - 1e-9
        assert after.score >= before.score
        assert 0 <= after.score <= 150


def test_above_the_end_of_the_scale_the_raw_value_still_orders() -> None:
    assert _of("B200").badge == "150 (capped)"
    assert _of("MI355X").raw > _of("B200").raw > _of("H200 SXM").raw > 150 > _of("H100 NVL").raw
    beyond = {model.name for model in models() if model.figures.raw > 150}
    assert beyond == {row.name for row in rows() if int(row.cells["Raw"]) > 150}


@pytest.mark.parametrize(
    ("name", "capability", "factor"),
    [
        ("GTX 1070", "6.1", 1),
        ("GTX 1650", "7.5", 2),
        ("RTX 2050", "7.5", 4),
        ("Quadro RTX 3000", "7.5", 8),
        ("RTX 5090 D", "12.0", 2),
        ("RTX PRO 2000", "12.0", 4),
        ("RTX 3000 Ada", "8.9", 4),
        ("RX 7600", "gfx1102", 2),
        ("RX 9060", "gfx1200", 4),
        ("MI308X", "gfx942", 16),
        ("something new", "", 1),
        ("something new", "99.9", 1),
    ],
)
def test_an_unknown_model_is_estimated_from_its_offer_and_says_so(name: str, capability: str, factor: int) -> None:
    assert not identify(name).is_known
    found = estimate(name, fp32_tflops=10, bandwidth=500, capability=capability)
    assert found == Figures(10 * factor, 500, is_estimated=True)
    assert found.badge.endswith("(estimated)")


@pytest.mark.parametrize(
    ("tflops", "bandwidth"), [(0, 500), (-1, 500), (10, 0), (float("nan"), 500), (10, float("inf"))]
)
def test_nonsense_is_estimated_as_nothing(tflops: float, bandwidth: float) -> None:
    assert estimate("something new", fp32_tflops=tflops, bandwidth=bandwidth) is None


def test_the_estimate_of_a_known_consumer_card_is_near_its_figures() -> None:
    found = estimate("RTX 4090", fp32_tflops=82.6, bandwidth=1008, capability="8.9")
    assert found is not None
    assert round(found.raw) == 100
