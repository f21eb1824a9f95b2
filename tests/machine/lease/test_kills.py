"""The lease daemon is killed, started twice, or cannot write."""

from __future__ import annotations

import os
import signal

import pytest

from tests.machine.lease.rented import DEADLINE, Rented

pytestmark = [pytest.mark.timeout(90), pytest.mark.needs("dash")]


def test_a_killed_daemon_is_there_again_and_knows_what_it_knew(machine: Rented) -> None:
    machine.boot()
    machine.grant(600)
    machine.until("it takes the renewal", lambda: machine.lease_end == 1600)
    first = machine.holder("daemon")
    machine.kill(first)
    machine.until("there is another one", lambda: machine.holder("daemon") not in (0, first))
    machine.advance(599)
    assert machine.lease_end == 1600
    assert not machine.is_ended()
    machine.advance(1)
    machine.until("it ends", machine.is_ended)


def test_a_killed_supervisor_is_there_again(machine: Rented) -> None:
    machine.boot()
    machine.until("there is a supervisor", lambda: (machine.lease / "supervisor.lock").exists())
    first, daemon = machine.holder("supervisor"), machine.holder("daemon")
    machine.kill(first)
    machine.until("there is another one", lambda: machine.holder("supervisor") not in (0, first))
    machine.kill(daemon)
    machine.until("there is another daemon", lambda: machine.holder("daemon") not in (0, daemon))


def test_started_twice_it_is_there_once(machine: Rented) -> None:
    for boots in [machine.begin_boot() for _ in range(3)]:
        boots.communicate(timeout=DEADLINE)
        assert boots.returncode == 0
    machine.until(
        "one is left of each", lambda: [len(machine.processes(each)) for each in ("run", "supervise")] == [1, 1]
    )
    daemon = machine.holder("daemon")
    machine.boot()
    machine.look()
    assert machine.holder("daemon") == daemon
    assert [each.pid for each in machine.processes("run")] == [daemon]


@pytest.mark.parametrize("signal_", [signal.SIGHUP, signal.SIGINT])
def test_the_end_of_a_session_does_not_touch_it(machine: Rented, signal_: signal.Signals) -> None:
    machine.boot()
    daemon = machine.holder("daemon")
    for each in (daemon, machine.holder("supervisor")):
        os.kill(each, signal_)
    machine.look()
    assert machine.holder("daemon") == daemon


def test_what_is_known_is_written_down_where_nothing_new_can_be(machine: Rented) -> None:
    machine.boot()
    (machine.lease / "state.new").mkdir()
    (machine.lease / "state.new" / "in the way").touch()
    machine.grant(600)
    machine.until("it takes the renewal", lambda: machine.lease_end == 1600)
