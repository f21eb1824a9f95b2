"""Time that is paid for goes on evenly, whatever becomes of this computer's clock and of the process that counts.

1. While this computer runs, nobody sets our clock.
2. After another start it is what a cloud says, once one was heard; nothing is judged by time before.
3. What was counted by a clock that was ahead goes on at once, and has as much time left as it had.
4. By a clock that no cloud has confirmed no more is counted than the limits of a rental allow, and a moment.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from jupyter_gpu_bridge.providers import dates
from jupyter_gpu_bridge.rentals.book import Book
from jupyter_gpu_bridge.rentals.clock import _OF_THIS_COMPUTER, AnchoredClock, Sources, Trust
from jupyter_gpu_bridge.rentals.ledger import Ledger
from jupyter_gpu_bridge.rentals.reconcile import FOUND, end_unless_kept
from tests.rentals.ledger.scene import OFFER, ORDER, Scene

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 11, 20, 12, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)


@dataclass
class Computer:
    """With a clock on its wall, and one that nobody can set."""

    folder: Path
    set_by: timedelta = timedelta(0)
    elapsed: timedelta = field(default=timedelta(days=3))
    start: str = "first"
    said: datetime | None = None
    """What a cloud says that it is."""

    def process(self) -> AnchoredClock:
        sources = Sources(
            wall=lambda: NOON + self.elapsed + self.set_by,
            counted=lambda: self.elapsed,
            start=lambda: self.start,
            said=lambda: None if self.said is None else (self.said, self.elapsed),
        )
        return AnchoredClock(self.folder / "home" / "clock.json", sources)

    def true_now(self) -> datetime:
        return NOON + self.elapsed

    def starts_anew(self, *, set_by: timedelta) -> AnchoredClock:
        """The rental goes on meanwhile, and so does the time of its cloud."""
        self.start, self.set_by, self.said = f"after {self.start}", set_by, None
        return self.process()


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


@pytest.mark.parametrize("days", [-2, 2])
def test_after_a_start_of_the_computer_a_cloud_that_was_heard_counts(computer: Computer, days: int) -> None:
    computer.process().trust_the_wall()
    clock = computer.starts_anew(set_by=timedelta(days=days))
    assert computer.process().trust is Trust.NONE
    computer.said = computer.true_now()
    assert clock.now() == computer.true_now()
    assert clock.trust is Trust.HEARD
    computer.said = None
    successor = computer.process()
    assert (successor.now(), successor.trust) == (computer.true_now(), Trust.HEARD)
    assert successor.wrong_by == timedelta(days=days)
    successor.trust_the_wall()
    assert successor.now() == computer.true_now(), "the clock is believed before the cloud"


def test_two_clouds_that_differ_do_not_throw_it_about(computer: Computer) -> None:
    clock = computer.process()
    computer.said = computer.true_now()
    assert clock.now() == computer.true_now()
    computer.said = computer.true_now() + timedelta(days=1)
    assert clock.now() == computer.true_now()
    computer.set_by = timedelta(days=1)
    assert clock.now() == computer.true_now() + timedelta(days=1), "this computer stood still, and both say so"


def test_a_nap_is_as_long_whatever_is_heard_meanwhile(computer: Computer) -> None:
    clock = computer.starts_anew(set_by=timedelta(days=2))
    began = clock.elapsed()
    computer.said = computer.true_now()
    computer.elapsed += HOUR
    assert clock.elapsed() - began == HOUR


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


def test_clouds_are_heard_and_this_computer_is_not(own_home: Path) -> None:
    dates.forget()
    try:
        clock = AnchoredClock(own_home / "clock.json", _OF_THIS_COMPUTER)
        dates.note({"Date": "Fri, 20 Nov 2026 12:00:00 GMT"}, "sandbox", is_here=True)
        dates.note({"Date": "the other day"}, "vast", is_here=False)
        assert clock.trust is Trust.NONE
        dates.note({"Date": "Fri, 20 Nov 2026 12:00:00 GMT"}, "vast", is_here=False)
        assert abs(clock.now() - NOON) < timedelta(seconds=5)
        assert abs(dates.now() - NOON) < timedelta(seconds=5)
    finally:
        dates.forget()


# what is counted ---------------------------------------------------------------------------------------------------


@pytest.fixture
def ledger(own_home: Path) -> Iterator[Ledger]:
    with Ledger.open() as opened:
        yield opened


async def test_what_was_counted_by_a_clock_that_was_ahead_goes_on_at_once(computer: Computer, ledger: Ledger) -> None:
    ahead = timedelta(days=2)
    then = computer.true_now() + ahead
    before = Scene(ledger).rental(now=then - HOUR)
    ledger.accrue(before.attempt_id, then)
    clock = computer.process()
    computer.said = computer.true_now()
    rental = await Book(ledger, clock).accrue(ledger.find_rental(before.attempt_id))
    assert rental.accrued == OFFER.price.during(HOUR)
    assert rental.deadline - clock.now() == ORDER.deadline - HOUR
    assert ledger.find_wish(rental.wish_id).asked == then - HOUR - ahead
    computer.elapsed += HOUR
    computer.said = computer.true_now()
    assert (await Book(ledger, clock).accrue(rental)).accrued == OFFER.price.during(2 * HOUR)


async def test_a_clock_that_no_cloud_confirms_counts_no_more_than_the_limits_allow(
    computer: Computer, ledger: Ledger
) -> None:
    rental = Scene(ledger).rental(now=computer.true_now())
    clock = computer.starts_anew(set_by=timedelta(days=20))
    clock.believe()
    assert clock.trust is Trust.WALL
    rental = await Book(ledger, clock).accrue(rental)
    assert rental.cap is not None
    assert rental.cap <= rental.accrued <= rental.cap + OFFER.price.during(timedelta(minutes=1))
    again = await Book(ledger, clock).accrue(rental)
    assert again.accrued <= rental.cap + OFFER.price.during(timedelta(minutes=1))


async def test_what_a_cloud_confirms_is_counted_whatever_the_limits_were(computer: Computer, ledger: Ledger) -> None:
    """Where nothing but we would have ended it, it was billed."""
    rental = Scene(ledger).rental(now=computer.true_now())
    clock = computer.starts_anew(set_by=timedelta(0))
    computer.elapsed += 20 * HOUR
    computer.said = computer.true_now()
    assert (await Book(ledger, clock).accrue(rental)).accrued == OFFER.price.during(20 * HOUR)


async def test_what_was_found_in_the_future_is_not_kept_until_then(computer: Computer, ledger: Ledger) -> None:
    wishes = {
        days: ledger.wish(f"{FOUND}{days}", ORDER, "nobody", computer.true_now() + timedelta(days=days))[0].wish_id
        for days in (0, 2, -2)
    }
    book = Book(ledger, computer.process())
    for wish_id in wishes.values():
        assert (await end_unless_kept(wish_id, book)).is_open, "it is not known what time it is"
    computer.said = computer.true_now()
    for days, wish_id in wishes.items():
        assert (await end_unless_kept(wish_id, book)).is_open is (days == 0)
