"""Time that leaps, stands, or begins anew does not make a machine live longer."""

from __future__ import annotations

import pytest

from tests.machine.lease.rented import FIRST_LEASE, HARD, QUIET_LOOKS, Rented, rented

pytestmark = [pytest.mark.timeout(90), pytest.mark.needs("dash")]

DAYS = 2 * 24 * 3600


@pytest.mark.parametrize("days", ["-2", "2"])
def test_the_date_does_not_matter(days: str) -> None:
    with rented() as machine:
        machine.boot()
        machine.has("date", f"exec /bin/date -u -d '{days} days'")
        machine.kill(machine.holder("daemon"))
        machine.until("there is a daemon again", lambda: "Taken up again" in machine.log)
        assert machine.lease_end == 1000 + FIRST_LEASE
        machine.advance(FIRST_LEASE - 1)
        assert not machine.is_ended()
        machine.advance(1)
        machine.until("it ends", machine.is_ended)


def test_a_suspend_counts(machine: Rented) -> None:
    machine.boot()
    machine.grant(600)
    machine.look()
    machine.advance(DAYS)
    machine.until("it ends", machine.is_ended)


def test_after_a_suspend_a_busy_kernel_is_asked_first(machine: Rented) -> None:
    machine.boot()
    machine.tell_busy()
    machine.look()
    machine.set_clock(machine.now + FIRST_LEASE + 3000)
    with machine.busy():
        machine.until("it goes on because a kernel is busy", lambda: machine.phase == "overtime")
        machine.look(times=QUIET_LOOKS + 5)
        assert not machine.is_ended()


def test_a_reboot_is_no_extension(machine: Rented) -> None:
    machine.boot()
    machine.grant(600)
    machine.until("it takes the renewal", lambda: machine.lease_end == 1600)
    machine.advance(400)
    machine.until("it is written down", lambda: int(machine.state()[4]) == 1400)
    machine.crash()
    machine.set_clock(30, boot="second")
    machine.boot()
    machine.until("it counts from there", lambda: machine.state()[1] == "second")
    assert "The machine has been started again" in machine.log
    assert 30 + 190 <= machine.lease_end <= 30 + 200
    assert int(machine.state()[3]) <= 30 + HARD - 400
    machine.advance(200)
    machine.until("it ends", machine.is_ended)


def test_what_was_ending_ends_after_a_reboot(machine: Rented) -> None:
    machine.api.status = 503
    machine.boot()
    machine.die()
    machine.until("it tries to end", machine.is_ended)
    machine.crash()
    (machine.lease / "die").unlink()
    machine.api.calls.clear()
    machine.set_clock(5, boot="second")
    machine.boot()
    machine.until("it tries again", machine.is_ended)


def test_a_clock_that_breaks_holds_nothing_up() -> None:
    with rented() as machine:
        machine.boot()
        machine.grant(5)
        machine.until("it takes the renewal", lambda: machine.lease_end == 1005)
        machine.break_clock()
        machine.until("it ends", machine.is_ended)
