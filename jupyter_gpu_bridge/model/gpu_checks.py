"""The words for what a GPU was measured to do."""

from __future__ import annotations

from dataclasses import dataclass


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
