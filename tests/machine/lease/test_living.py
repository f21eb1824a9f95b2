"""How long a machine lives, and who may say so."""

from __future__ import annotations

import pytest

from tests.machine.lease.rented import FIRST_LEASE, FIRST_RETRY, HARD, Rented, rented

pytestmark = [pytest.mark.timeout(90), pytest.mark.needs("dash")]


def test_a_machine_that_nobody_ever_reaches_removes_itself(machine: Rented) -> None:
    assert machine.boot() == 0
    machine.advance(FIRST_LEASE - 1)
    assert not machine.is_ended()
    machine.advance(1)
    machine.until("it ends", machine.is_ended)


def test_a_machine_lives_for_as_long_as_somebody_says_so(machine: Rented) -> None:
    machine.boot()
    for number in range(6):
        machine.advance(300)
        machine.grant(600, serial=number)
        machine.until("it takes the renewal", lambda: machine.lease_end == machine.now + 600)
    assert machine.now > 1000 + FIRST_LEASE
    machine.advance(599)
    assert not machine.is_ended()
    machine.advance(1)
    machine.until("it ends", machine.is_ended)


def test_a_grant_counts_once(machine: Rented) -> None:
    machine.boot()
    machine.grant(600)
    machine.until("it takes the renewal", lambda: machine.lease_end == 1600)
    machine.advance(500)
    machine.grant(600)
    machine.advance(100)
    machine.until("it ends", machine.is_ended)


def test_a_grant_may_shorten_what_is_left(machine: Rented) -> None:
    machine.boot()
    machine.grant(10)
    machine.look()
    machine.advance(10)
    machine.until("it ends", machine.is_ended)


def test_nobody_grants_more_than_the_deadline(machine: Rented) -> None:
    machine.boot()
    machine.grant(999_999_999)
    machine.until("it takes the renewal", lambda: machine.lease_end == 1000 + HARD)
    machine.advance(HARD - 1)
    assert not machine.is_ended()
    machine.grant(999_999_999, serial="b")
    machine.advance(1)
    machine.until("it ends", machine.is_ended)


def test_a_deadline_can_be_put_off_and_each_hour_counts_once(machine: Rented) -> None:
    machine.boot()
    for serial in ("a", "b"):
        machine.grant(999_999_999, serial=serial, more=" 500")
        machine.until("it takes the renewal", lambda: machine.lease_end == 1000 + HARD + 500)
    machine.grant(999_999_999, serial="c", more=" 700")
    machine.until("it is put off further", lambda: machine.lease_end == 1000 + HARD + 700)
    machine.grant(999_999_999, serial="d")
    machine.advance(HARD + 699)
    assert not machine.is_ended()
    machine.advance(1)
    machine.until("it ends", machine.is_ended)


def test_a_newer_protocol_can_still_extend(machine: Rented) -> None:
    machine.boot()
    machine.grant(5000, version=7, more=" and why {}")
    machine.until("it takes the renewal", lambda: machine.lease_end == 6000)


@pytest.mark.parametrize(
    "line", ["", "1", "1 a", "1 a -5", "1 a 08", "1 a 99999999999999999999", "1 a $(date)", "1 a *"]
)
def test_nonsense_grants_nothing_and_does_no_harm(line: str) -> None:
    with rented() as machine:
        machine.boot()
        (machine.lease / "grant").write_text(line + "\n")
        machine.look()
        assert machine.lease_end == 1000 + FIRST_LEASE
        machine.grant(600, serial="b")
        machine.until("it takes the renewal", lambda: machine.lease_end == 1600)


def test_a_machine_that_is_told_to_die_ends_at_once_and_saves_nothing(machine: Rented) -> None:
    machine.save_hook(f"echo saved > {machine.home}/saved")
    machine.boot()
    machine.die()
    machine.until("it ends", machine.is_ended)
    assert not (machine.home / "saved").exists()


def test_what_has_begun_to_end_is_not_held_by_a_grant(machine: Rented) -> None:
    machine.api.status = 503
    machine.boot()
    machine.die()
    machine.until("it tries to end", machine.is_ended)
    machine.grant(5000)
    machine.look()
    assert machine.phase == "ending"
    before = len(machine.api.calls)
    machine.advance(2 * FIRST_RETRY)
    machine.until("it tries again", lambda: len(machine.api.calls) > before)
