from __future__ import annotations

from jupyter_gpu_bridge.rentals.ledger import Ledger
from tests.rentals.ledger.scene import HOUR, NOON


def test_a_bad_host_is_avoided_for_a_while(ledger: Ledger) -> None:
    ledger.avoid("vast", "h-9", NOON + 2 * HOUR, "Its port was closed.")
    ledger.avoid("vast", "h-8", NOON + HOUR, "It never booted.")
    ledger.avoid("other", "h-9", NOON + 9 * HOUR, "It never booted.")
    assert ledger.avoided("vast", NOON) == {"h-8", "h-9"}
    assert ledger.avoided("vast", NOON + HOUR) == {"h-9"}
    assert ledger.avoided("vast", NOON + 2 * HOUR) == set()


def test_the_later_end_holds(ledger: Ledger) -> None:
    ledger.avoid("vast", "h-9", NOON + 2 * HOUR, "Its port was closed.")
    ledger.avoid("vast", "h-9", NOON + HOUR, "It never booted.")
    assert ledger.avoided("vast", NOON + HOUR) == {"h-9"}
    ledger.avoid("vast", "h-9", NOON + 3 * HOUR, "It never booted.")
    assert ledger.avoided("vast", NOON + 2 * HOUR) == {"h-9"}
