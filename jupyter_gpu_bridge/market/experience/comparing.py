"""Sets what GPUs were measured to do beside what the catalogue says of their models."""

from __future__ import annotations

from collections.abc import Sequence

from jupyter_gpu_bridge import gpus
from jupyter_gpu_bridge.model import GpuCheck, GpuCompared, GpuMeasured


def compare(check: GpuCheck, offered: str = "", offered_mib: int = 0) -> Sequence[GpuCompared]:
    """Each GPU of a machine, with what was offered there if anything was."""
    return [compare_one(each, offered, offered_mib) for each in check.gpus]


def compare_one(measured: GpuMeasured, offered: str = "", offered_mib: int = 0) -> GpuCompared:
    seen = gpus.identify(measured.name, memory_mib=measured.memory_mib)
    sold = gpus.identify(offered, memory_mib=offered_mib or None)
    meant = sold if offered and sold.is_known else seen
    if not meant.is_known or meant.slice or seen.slice:
        return GpuCompared(measured, "")
    same = set(seen.models) & set(meant.models)
    figures = [_of_one(model, measured.memory_mib) for model in same or meant.models]
    return GpuCompared(
        measured,
        meant.title,
        min(float(each.bandwidth) for each in figures),
        min(each.tflops for each in figures),
        is_another=seen.is_known and not same,
    )


def _of_one(model: gpus.Model, mib: int | None) -> gpus.Figures:
    """What one of the devices that a program sees should do; less memory than it has is no excuse for being slower."""
    size = None if mib is None else model.size_of(mib) or mib
    return model.figures_with(size) or model.figures
