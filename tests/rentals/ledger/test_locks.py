from __future__ import annotations

from datetime import timedelta

from jupyter_gpu_bridge.rentals.ledger import Ledger
from tests.rentals.ledger.scene import MINUTE, NOON


def test_one_at_a_time_has_it(ledger: Ledger) -> None:
    assert ledger.take_lock("reconcile", "a", 2 * MINUTE, NOON)
    assert not ledger.take_lock("reconcile", "b", 2 * MINUTE, NOON + MINUTE)
    assert ledger.take_lock("reconcile", "a", 2 * MINUTE, NOON + MINUTE)
    assert ledger.take_lock("something else", "b", 2 * MINUTE, NOON)
    assert not ledger.release("reconcile", "b")
    assert ledger.release("reconcile", "a")
    assert not ledger.release("reconcile", "a")
    assert ledger.take_lock("reconcile", "b", 2 * MINUTE, NOON + MINUTE)


def test_a_heartbeat_prolongs_it_and_without_one_it_ends(ledger: Ledger) -> None:
    ledger.take_lock("reconcile", "a", 2 * MINUTE, NOON)
    assert ledger.renew("reconcile", "a", 2 * MINUTE, NOON + MINUTE)
    assert not ledger.take_lock("reconcile", "b", 2 * MINUTE, NOON + 2 * MINUTE)
    assert ledger.take_lock("reconcile", "b", 2 * MINUTE, NOON + 3 * MINUTE)
    assert not ledger.renew("reconcile", "a", 2 * MINUTE, NOON + 3 * MINUTE)
    assert not ledger.renew("nobody's", "a", 2 * MINUTE, NOON)


def test_a_clock_that_was_days_ahead_locks_nobody_out(ledger: Ledger) -> None:
    ledger.take_lock("reconcile", "a", 2 * MINUTE, NOON + timedelta(days=2))
    assert ledger.take_lock("reconcile", "b", 2 * MINUTE, NOON)


def test_clocks_that_differ_by_minutes_take_nothing_away(ledger: Ledger) -> None:
    ledger.take_lock("reconcile", "a", 2 * MINUTE, NOON + 5 * MINUTE)
    assert not ledger.take_lock("reconcile", "b", 2 * MINUTE, NOON)
