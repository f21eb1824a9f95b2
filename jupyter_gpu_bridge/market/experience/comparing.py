"""What a GPU was measured to do, beside what the catalogue says of its model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jupyter_gpu_bridge import gpus
from jupyter_gpu_bridge.model.experience import is_slow
from jupyter_gpu_bridge.model.gpu_checks import GpuCheck, GpuMeasured


@dataclass(frozen=True, slots=True)
class Compared:
    """One GPU."""

    measured: GpuMeasured
    model: str
    """What it should be: as it was offered, otherwise as its driver says; empty where the catalogue has no figures."""
    bandwidth: float | None = None
    """GB/s that it should have."""
    tflops: float | None = None
    is_another: bool = False
    """Its driver names another model than was offered."""

    @property
    def bandwidth_share(self) -> float | None:
        return _share(self.measured.bandwidth, self.bandwidth)

    @property
    def tflops_share(self) -> float | None:
        return _share(self.measured.tflops, self.tflops)

    @property
    def is_bad(self) -> bool:
        return self.is_another or is_slow(self.bandwidth_share, self.tflops_share)

    @property
    def phrases(self) -> Sequence[str]:
        """`1,830 of 2,039 GB/s (90 %)`; nothing where nothing was measured."""
        pairs = (
            (self.measured.bandwidth, self.bandwidth, self.bandwidth_share, "GB/s"),
            (self.measured.tflops, self.tflops, self.tflops_share, "TFLOPS"),
        )
        return [_phrase(*pair) for pair in pairs if pair[0] is not None]


def compare(check: GpuCheck, offered: str = "", offered_mib: int = 0) -> Sequence[Compared]:
    """Each GPU of a machine, with what was offered there if anything was."""
    return [compare_one(each, offered, offered_mib) for each in check.gpus]


def compare_one(measured: GpuMeasured, offered: str = "", offered_mib: int = 0) -> Compared:
    seen = gpus.identify(measured.name, memory_mib=measured.memory_mib)
    sold = gpus.identify(offered, memory_mib=offered_mib or None)
    meant = sold if offered and sold.is_known else seen
    if not meant.is_known or meant.slice or seen.slice:
        return Compared(measured, "")
    is_another = seen.is_known and not set(seen.models) & set(meant.models)
    known = set(seen.models) & set(meant.models) or set(meant.models)
    figures = [_of_one(model, measured.memory_mib) for model in known]
    return Compared(
        measured,
        meant.title,
        min(float(each.bandwidth) for each in figures),
        min(each.tflops for each in figures),
        is_another,
    )


def _of_one(model: gpus.Model, mib: int | None) -> gpus.Figures:
    """What one of the devices that a program sees should do; less memory than it has is no excuse for being slower."""
    size = None if mib is None else model.size_of(mib) or mib
    return model.figures_with(size) or model.figures


def _share(measured: float | None, claimed: float | None) -> float | None:
    return None if measured is None or not claimed else measured / claimed


def _phrase(measured: float | None, claimed: float | None, share: float | None, unit: str) -> str:
    if share is None:
        return f"{_number(measured)} {unit}"
    return f"{_number(measured)} of {_number(claimed)} {unit} ({share:.0%})".replace("%", " %")


def _number(figure: float | None) -> str:
    return f"{figure or 0:,.1f}" if (figure or 0) < 100 else f"{figure:,.0f}"
