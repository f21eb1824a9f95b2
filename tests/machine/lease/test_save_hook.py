"""What is to be saved before the end."""

from __future__ import annotations

import pytest

from jupyter_gpu_bridge.agent.identity import start_of
from tests.machine.lease.rented import FIRST_LEASE, GRACE, HARD, Rented

pytestmark = [pytest.mark.timeout(90), pytest.mark.needs("dash")]


def test_what_is_to_be_saved_is_saved_before_the_end(machine: Rented) -> None:
    machine.save_hook(f"sleep 0.5; echo saved > {machine.home}/saved; exit 3")
    machine.boot()
    machine.advance(FIRST_LEASE)
    machine.until("it ends", machine.is_ended)
    assert (machine.home / "saved").exists()
    assert "The save hook has ended with 3." in machine.log


def test_a_save_hook_that_hangs_is_cut(machine: Rented) -> None:
    machine.save_hook(f"echo $$ > {machine.home}/hook; sleep 1000")
    machine.boot()
    machine.advance(FIRST_LEASE)
    machine.until("it saves", (machine.home / "hook").exists)
    machine.advance(GRACE - 1)
    assert not machine.is_ended()
    machine.advance(1)
    machine.until("it ends", machine.is_ended)
    hook = int((machine.home / "hook").read_text())
    machine.until("nothing of the hook is left", lambda: not start_of(hook))
    assert "was cut" in machine.log


def test_saving_is_over_when_the_deadline_comes(machine: Rented) -> None:
    machine.save_hook(f"echo $$ > {machine.home}/hook; sleep 1000")
    machine.boot()
    machine.grant(2 * HARD)
    machine.look()
    machine.advance(HARD - GRACE)
    machine.until("it saves", (machine.home / "hook").exists)
    machine.advance(GRACE)
    machine.until("it ends", machine.is_ended)


def test_whoever_comes_back_while_it_saves_has_the_machine_again(machine: Rented) -> None:
    machine.save_hook(f"echo $$ > {machine.home}/hook; sleep 1000")
    machine.boot()
    machine.advance(FIRST_LEASE)
    machine.until("it saves", (machine.home / "hook").exists)
    machine.grant(600)
    machine.until("it lives", lambda: machine.phase == "living")
    machine.advance(599)
    assert not machine.is_ended()


def test_a_daemon_that_is_killed_while_it_saves_waits_for_the_same_hook(machine: Rented) -> None:
    machine.save_hook(f"echo $$ >> {machine.home}/hook; until [ -e {machine.home}/go ]; do sleep 0.05; done")
    machine.boot()
    machine.advance(FIRST_LEASE)
    machine.until("it saves", (machine.home / "hook").exists)
    first = machine.holder("daemon")
    machine.kill(first)
    machine.until("there is another one", lambda: machine.holder("daemon") not in (0, first))
    machine.look()
    assert not machine.is_ended()
    (machine.home / "go").touch()
    machine.until("it ends", machine.is_ended)
    assert len((machine.home / "hook").read_text().splitlines()) == 1
