"""How fast a model is, as one number: 100 is an RTX 4090, 150 an H100; anyone can work it out from two figures."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

MOST = 150

_BEGIN = 100
"""Of the logarithmic part, above the RTX 4090."""

_UNIT_TFLOPS, _UNIT_BANDWIDTH = 165.2, 1008.0
"""Of the RTX 4090."""

_TOP = math.sqrt((989 / _UNIT_TFLOPS) * (3350 / _UNIT_BANDWIDTH))
"""How many times as fast the H100 SXM is."""

_PROFESSIONAL = re.compile(r"\b(QUADRO|TITAN|PRO|ADA|RTX A\d{4})\b", re.IGNORECASE)

_FACTORS = (
    (re.compile(r"[3-6]\.\d"), 1, 1),
    (re.compile(r"7\.5"), 4, 8),
    (re.compile(r"(8|10|12)\.\d"), 2, 4),
    (re.compile(r"gfx11\w+"), 2, 2),
    (re.compile(r"gfx12\w+"), 4, 4),
    (re.compile(r"gfx90a"), 8, 8),
    (re.compile(r"gfx94\w"), 16, 16),
    (re.compile(r"gfx95\w"), 32, 32),
)
"""How many dense FP16 operations a generation does in the time of one FP32 operation: consumer, professional."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What a GPU can do at its peak, and what follows from it."""

    tflops: float
    """Dense FP16 with FP32 accumulation, or what stands in for it."""
    bandwidth: float
    """GB/s."""
    is_estimated: bool = False
    """Worked out from what an offer says of itself."""

    @property
    def raw(self) -> float:
        """What sorting uses: it has no upper end."""
        times = math.sqrt((self.tflops / _UNIT_TFLOPS) * (self.bandwidth / _UNIT_BANDWIDTH))
        if times <= 1:
            return _BEGIN * times
        return _BEGIN + (MOST - _BEGIN) * math.log(times) / math.log(_TOP)

    @property
    def score(self) -> int:
        """0 to 150, for people; a fast model is no faster than 150."""
        return min(MOST, round(self.raw))

    @property
    def badge(self) -> str:
        """The score, and whether it tells less than there is."""
        capped = f"{self.score} (capped)" if self.raw > MOST else str(self.score)
        return f"{capped} (estimated)" if self.is_estimated else capped


def estimate(name: str, *, fp32_tflops: float, bandwidth: float, capability: str = "") -> Figures | None:
    """For a model that is not known, from what its offer says; the lower figure wherever more than one is possible.

    `capability`: `8.9`, `gfx942`. One that says nothing of matrix units is taken to have none.
    """
    if not (0 < fp32_tflops < math.inf and 0 < bandwidth < math.inf):
        return None
    return Figures(fp32_tflops * _factor(name, capability), bandwidth, is_estimated=True)


def _factor(name: str, capability: str) -> int:
    if "GTX" in name.upper() and capability == "7.5":
        return 2  # the Turings without matrix units
    for generation, consumer, professional in _FACTORS:
        if generation.fullmatch(capability):
            return professional if _PROFESSIONAL.search(name) else consumer
    return 1
