"""How long things usually take, by provider and GPU: from the stages that the ledger has of each rental."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import timedelta

from sqlalchemy import Connection, func, select

from jupyter_gpu_bridge.db import tables

_RECENT = 20
UNTIL_ENTERED = ("renting", "booting", "connecting")

_S = tables.stages


def stage_times(
    connection: Connection, providers: Collection[str], gpu: str | None = None
) -> Mapping[tuple[str, str], Mapping[str, timedelta]]:
    """By provider and GPU, for each stage the median of the last times that it was measured; of this GPU, or of all."""
    place = (_S.c.provider, _S.c.gpu, _S.c.name)
    age = func.row_number().over(partition_by=place, order_by=_S.c.number.desc()).label("age")
    wanted = _S.c.provider.in_(providers) if gpu is None else _S.c.provider.in_(providers) & (_S.c.gpu == gpu)
    aged = select(*place, _S.c.took, age).where(wanted).subquery()
    measured: defaultdict[tuple[str, str], defaultdict[str, list[timedelta]]] = defaultdict(lambda: defaultdict(list))
    recent = select(aged.c.provider, aged.c.gpu, aged.c.name, aged.c.took).where(aged.c.age <= _RECENT)
    for provider, its_gpu, name, took in connection.execute(recent):
        measured[provider, its_gpu][name].append(took)
    return {place: {name: _median(times) for name, times in stages.items()} for place, stages in measured.items()}


def _median(times: list[timedelta]) -> timedelta:
    times = sorted(times)
    return (times[(len(times) - 1) // 2] + times[len(times) // 2]) // 2
