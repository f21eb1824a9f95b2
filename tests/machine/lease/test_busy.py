"""A machine whose kernel is busy when its lease runs out."""

from __future__ import annotations

import pytest

from jupyter_gpu_bridge.model import WhenBusy
from tests.machine.lease.rented import FIRST_LEASE, HARD, QUIET_LOOKS, Rented, rented

pytestmark = [pytest.mark.timeout(90), pytest.mark.needs("dash")]


def test_a_busy_kernel_may_finish(machine: Rented) -> None:
    machine.boot()
    with machine.busy():
        machine.advance(FIRST_LEASE + 500)
        machine.until("it goes on because a kernel is busy", lambda: machine.phase == "overtime")
        machine.look()
        assert not machine.is_ended()
    machine.tell_busy("idle")
    machine.until("it ends", machine.is_ended)


def test_a_busy_kernel_finishes_up_to_the_deadline(machine: Rented) -> None:
    machine.boot()
    with machine.busy():
        machine.advance(HARD - 1)
        machine.until("it goes on because a kernel is busy", lambda: machine.phase == "overtime")
        machine.advance(1)
        machine.until("it ends", machine.is_ended)


def test_whoever_comes_back_while_a_kernel_finishes_has_the_machine_again(machine: Rented) -> None:
    machine.boot()
    with machine.busy():
        machine.advance(FIRST_LEASE + 500)
        machine.until("it goes on because a kernel is busy", lambda: machine.phase == "overtime")
        machine.grant(600)
        machine.until("it lives", lambda: machine.phase == "living")
    machine.look(times=QUIET_LOOKS + 5)
    assert not machine.is_ended()


def test_a_busy_kernel_does_not_finish_where_it_is_to_stop(machine: Rented) -> None:
    machine.plan_with(when_busy=WhenBusy.STOP)
    machine.boot()
    with machine.busy():
        machine.advance(FIRST_LEASE)
        machine.until("it ends", machine.is_ended)


def test_a_kernel_of_which_nobody_tells_any_more_is_not_busy(machine: Rented) -> None:
    machine.boot()
    machine.tell_busy()
    machine.look()
    machine.advance(FIRST_LEASE)
    machine.until("it ends", machine.is_ended)


def test_a_moment_between_two_cells_is_not_the_end_of_a_notebook() -> None:
    with rented() as machine:
        machine.boot()
        machine.set_clock(machine.now + FIRST_LEASE)
        for _ in range(5):
            machine.tell_busy("busy")
            machine.look(times=QUIET_LOOKS // 4)
            machine.tell_busy("idle")
            machine.look(times=QUIET_LOOKS // 4)
        assert machine.phase == "overtime"
