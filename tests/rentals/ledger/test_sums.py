from __future__ import annotations

from datetime import datetime, timedelta, timezone

from jupyter_gpu_bridge.model import Money
from jupyter_gpu_bridge.rentals.costs import CostRow
from jupyter_gpu_bridge.rentals.ledger import Ledger
from tests.rentals.ledger.scene import HOUR, MINUTE, NOON, Scene

dollars = Money.parse


def test_costs_by_rental_by_provider_and_by_day(ledger: Ledger, scene: Scene) -> None:
    first = scene.rental("a").attempt_id
    second = scene.rental("b", now=NOON + MINUTE).attempt_id
    ledger.accrue(first, NOON + 13 * HOUR)
    ledger.accrue(second, NOON + MINUTE + HOUR)
    assert ledger.costs() == [
        CostRow(first, "RTX 4090", "vast", 1, dollars("5.20")),
        CostRow(second, "RTX 4090", "vast", 1, dollars("0.40")),
    ]
    assert ledger.costs("provider") == [CostRow("vast", "", "vast", 2, dollars("5.60"))]
    assert ledger.costs("day") == [
        CostRow("2026-11-20", "", "", 2, dollars("5.20")),
        CostRow("2026-11-21", "", "", 1, dollars("0.40")),
    ]
    tokyo = datetime(2026, 11, 21, 9, tzinfo=timezone(timedelta(hours=9)))
    assert ledger.costs(since=tokyo) == [CostRow(first, "RTX 4090", "vast", 1, dollars("0.40"))]


def test_what_has_not_begun_has_no_row(ledger: Ledger, scene: Scene) -> None:
    scene.rental()
    assert not ledger.costs()
