"""A disk that is full under the ledger: nothing is rented, everything is ended, and the truth is written down later."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.small_disk import play_on_small_disk


@pytest.mark.timeout(180)
def test_with_a_full_disk_under_the_ledger_nothing_is_rented_and_everything_is_ended(tmp_path: Path) -> None:
    """With real wardens."""
    play_on_small_disk(tmp_path, "tests.rentals.renting.full_disk", megabytes=8, within=150)
