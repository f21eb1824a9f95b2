"""Time that is paid for goes on evenly, whatever becomes of this computer's clock and of the process that counts."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from jupyter_gpu_bridge.rentals.clock import _OF_THIS_COMPUTER, AnchoredClock, Sources

NOON = datetime(2026, 11, 20, 12, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)


@dataclass
class Computer:
    """With a clock on its wall, and one that nobody can set."""

    folder: Path
    set_by: timedelta = timedelta(0)
    elapsed: timedelta = field(default=timedelta(days=3))
    start: str = "first"

    def process(self) -> AnchoredClock:
        sources = Sources(
            wall=lambda: NOON + self.elapsed + self.set_by,
            counted=lambda: self.elapsed,
            start=lambda: self.start,
        )
        return AnchoredClock(self.folder / "home" / "clock.json", sources)

    def true_now(self) -> datetime:
        return NOON + self.elapsed


@pytest.fixture
def computer(tmp_path: Path) -> Computer:
    return Computer(tmp_path)


@pytest.mark.parametrize("days", [-2, 2])
def test_a_leap_of_the_clock_is_no_time(computer: Computer, days: int) -> None:
    living = computer.process()
    computer.elapsed += HOUR
    computer.set_by = timedelta(days=days)
    successor = computer.process()
    computer.elapsed += HOUR
    assert living.now() == successor.now() == computer.process().now() == computer.true_now()


def test_a_correction_is_followed_by_those_that_come_later(computer: Computer) -> None:
    computer.process()
    computer.set_by = timedelta(seconds=40)
    assert computer.process().now() == computer.true_now() + timedelta(seconds=40)


def test_after_a_start_of_the_computer_its_clock_counts(computer: Computer) -> None:
    computer.process()
    computer.set_by, computer.start = timedelta(days=2), "second"
    assert computer.process().now() == computer.true_now() + timedelta(days=2)


def test_when_nothing_is_rented_its_clock_counts_again(computer: Computer) -> None:
    computer.process()
    computer.set_by = timedelta(days=2)
    clock = computer.process()
    assert clock.now() == computer.true_now()
    clock.trust_the_wall()
    assert clock.now() == computer.process().now() == computer.true_now() + timedelta(days=2)


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"start": "first", "wall": "2026-11-20", "counted_s": 1}'])
def test_a_file_that_is_broken_is_written_anew(computer: Computer, content: bytes) -> None:
    clock = computer.process()
    file = computer.folder / "home" / "clock.json"
    file.write_bytes(content)
    assert computer.process().now() == clock.now()
    assert file.read_bytes() != content


def test_where_it_cannot_be_kept_each_process_counts_for_itself(computer: Computer) -> None:
    (computer.folder / "home").write_text("no folder")
    assert computer.process().now() == computer.true_now()


def test_the_clock_of_this_computer_goes(tmp_path: Path) -> None:
    clock = AnchoredClock(tmp_path / "clock.json", _OF_THIS_COMPUTER)
    assert abs(clock.now() - datetime.now(timezone.utc)) < timedelta(seconds=5)
