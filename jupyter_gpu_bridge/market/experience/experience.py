"""The memory of what became of rentals; it is kept where the ledger is, and read by whoever ranks offers."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import insert, select

from jupyter_gpu_bridge.db import Database, tables
from jupyter_gpu_bridge.market.experience.reputations import CheckedGpu, Happened, judged
from jupyter_gpu_bridge.market.experience.stage_times import UNTIL_ENTERED, stage_times
from jupyter_gpu_bridge.model import GpuCompared, Outcome, Place, Rental, Reputation
from jupyter_gpu_bridge.model.experience import REMEMBERED_FOR

_MOST_WHY = 300
_O, _C, _R = tables.outcomes, tables.gpu_checks, tables.rentals


class _Tier(msgspec.Struct):
    """What of an offer is written nowhere but in the ledger."""

    tier: str = ""


_tiers = msgspec.json.Decoder(_Tier)


class Experience:
    """Every method is one transaction, and waits for the disk: call it in a thread. Raises `LedgerBroken`."""

    def __init__(self, database: Database) -> None:
        """As `db.open_database` gives it, or the one that somebody has open already."""
        self._database = database

    def happened(self, rental: Rental, what: Outcome, why: str, now: datetime) -> None:
        """Told again of the same attempt, nothing is added."""
        this = (_O.c.attempt_id == rental.attempt_id) & (_O.c.what == what.value)
        with self._database.writing() as connection:
            if connection.execute(select(_O.c.number).where(this)).first() is None:
                said = {"at": now, "what": what.value, "why": why.rstrip(".")[:_MOST_WHY]}
                connection.execute(insert(_O).values({**_whose(rental), **said}))

    def measured(self, rental: Rental, compared: Sequence[GpuCompared], torch: str, now: datetime) -> None:
        """What the GPUs of a machine did; those that could not be measured are left out."""
        rows = [
            {
                "at": now,
                **_whose(rental),
                "device": device,
                "name": each.measured.name,
                "memory_mib": each.measured.memory_mib,
                "is_another": each.is_another,
                "mb_per_second": _thousandths(each.measured.bandwidth),
                "mb_per_second_claimed": _thousandths(each.bandwidth),
                "gflops": _thousandths(each.measured.tflops),
                "gflops_claimed": _thousandths(each.tflops),
                "format": each.measured.format,
                "torch": torch,
            }
            for device, each in enumerate(compared)
            if each.measured.bandwidth is not None
        ]
        if rows:
            with self._database.writing() as connection:
                connection.execute(insert(_C), rows)

    def reputations(self, providers: Collection[str], now: datetime) -> Mapping[Place, Reputation]:
        """Of every place of these providers of which anything is known: look up `Place.of(offer)`."""
        since = now - REMEMBERED_FOR
        told = select(_O, _R.c.offer).join(_R).where(_O.c.provider.in_(providers), _O.c.at > since)
        checks = select(_C, _R.c.offer).join(_R).where(_C.c.provider.in_(providers), _C.c.at > since)
        with self._database.reading() as connection:
            outcomes = connection.execute(told.order_by(_O.c.at, _O.c.number)).all()
            measured = connection.execute(checks.order_by(_C.c.at, _C.c.number)).all()
        return judged(
            [
                Happened(
                    row.provider,
                    row.host,
                    row.gpu,
                    _tier(row.offer),
                    row.attempt_id,
                    row.what,
                    row.why,
                    row.at,
                )
                for row in outcomes
            ],
            [
                CheckedGpu(
                    row.provider,
                    row.host,
                    row.gpu,
                    _tier(row.offer),
                    row.attempt_id,
                    row.at,
                    _share(row.mb_per_second, row.mb_per_second_claimed),
                    _share(row.gflops, row.gflops_claimed),
                    row.is_another,
                )
                for row in measured
            ],
        )

    def boot_times(self, providers: Collection[str]) -> Mapping[tuple[str, str], timedelta]:
        """By provider and GPU: how long it usually is from the request until a machine can be entered."""
        with self._database.reading() as connection:
            found = stage_times(connection, providers)
        return {
            place: sum((times[stage] for stage in UNTIL_ENTERED), timedelta())
            for place, times in found.items()
            if times.keys() >= set(UNTIL_ENTERED)
        }


def _whose(rental: Rental) -> dict[str, str]:
    offer = rental.offer
    return {"provider": rental.provider, "host": offer.host, "gpu": offer.gpu, "attempt_id": rental.attempt_id}


def _tier(offer: str) -> str:
    """Of the rental's offer, as the ledger has it; what cannot be read has none."""
    try:
        return _tiers.decode(offer).tier
    except msgspec.MsgspecError:
        return ""


def _thousandths(figure: float | None) -> int | None:
    """Whole numbers only are written down: MB/s, and GFLOPS."""
    return None if figure is None else max(1, round(figure * 1000))


def _share(measured: int, claimed: int | None) -> float | None:
    return measured / claimed if claimed else None
