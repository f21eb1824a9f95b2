"""The words for what GPUs were measured to do, and for what they should."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jupyter_gpu_bridge.model.experience import is_slow
from jupyter_gpu_bridge.model.machines import MachineRef


@dataclass(frozen=True, slots=True)
class GpuMeasured:
    """One GPU, as its machine tells of it."""

    name: str
    """As its driver says."""
    memory_mib: int | None
    bandwidth: float | None = None
    """GB/s of its memory, read and written together."""
    tflops: float | None = None
    """Of dense matrix products, in the format in which it is the fastest."""
    format: str = ""
    problem: str = ""
    """Why it was not measured, as a sentence."""


@dataclass(frozen=True, slots=True)
class GpuCheck:
    """All GPUs of a machine. A machine says what it likes: no more than that it makes sense is certain."""

    gpus: tuple[GpuMeasured, ...]
    torch: str = ""
    """Its version; empty where there is none."""
    problem: str = ""
    """Why nothing was measured, as a sentence."""
    problem_code: str = ""
    """`no-gpu`, `no-torch`, `blind-torch` (it cannot use the GPU), `busy`, `failed`."""


@dataclass(frozen=True, slots=True)
class GpuCompared:
    """One GPU, beside what the catalogue says of its model."""

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


@dataclass(frozen=True, slots=True)
class GpusChecked:
    """What became of a check that somebody has asked for."""

    machine: MachineRef
    offered: str
    """The GPU as it was rented; empty for an own machine."""
    check: GpuCheck
    gpus: Sequence[GpuCompared]
    is_remembered: bool
    """It counts when offers are ranked: it is a rented machine, something was measured, and it could be kept."""


def _share(measured: float | None, claimed: float | None) -> float | None:
    return None if measured is None or not claimed else measured / claimed


def _phrase(measured: float | None, claimed: float | None, share: float | None, unit: str) -> str:
    if share is None:
        return f"{_number(measured)} {unit}"
    return f"{_number(measured)} of {_number(claimed)} {unit} ({share:.0%})".replace("%", " %")


def _number(figure: float | None) -> str:
    return f"{figure or 0:,.1f}" if (figure or 0) < 100 else f"{figure:,.0f}"
