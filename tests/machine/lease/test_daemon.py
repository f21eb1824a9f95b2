"""The lease daemon alone, under each shell, with a clock that stands until it is moved and an API on loopback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jupyter_gpu_bridge.agent.identity import start_of
from jupyter_gpu_bridge.model import PowerOff, SelfRemovalCall, WhenBusy
from tests.machine.lease.rented import (
    DEADLINE,
    FIRST_LEASE,
    FIRST_RETRY,
    GRACE,
    HARD,
    LAST_RETRY,
    QUIET,
    TOKEN,
    Rented,
    rented,
)

pytestmark = [pytest.mark.timeout(90), pytest.mark.needs("dash")]

DAYS = 2 * 24 * 3600


# how long it lives ---------------------------------------------------------------------------------------------------


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


# busy kernels --------------------------------------------------------------------------------------------------------


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
    time.sleep(2 * QUIET)
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
        for _ in range(10):
            machine.tell_busy("busy")
            time.sleep(QUIET / 4)
            machine.tell_busy("idle")
            time.sleep(QUIET / 4)
        assert machine.phase == "overtime"


# clocks --------------------------------------------------------------------------------------------------------------


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
        time.sleep(2 * QUIET)
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


# what may happen to it -----------------------------------------------------------------------------------------------


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


# the save hook -------------------------------------------------------------------------------------------------------


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


# the end -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("trouble", ["refused", "503", "401"])
def test_the_end_is_tried_for_ever_at_growing_intervals(trouble: str) -> None:
    with rented() as machine:
        machine.api.status = int(trouble) if trouble != "refused" else 204
        machine.boot()
        if trouble == "refused":
            machine.api.stop()
        machine.die()
        machine.until("it tries", lambda: "DELETE" in machine.log)
        for pause in (FIRST_RETRY, 2 * FIRST_RETRY, 4 * FIRST_RETRY, LAST_RETRY, LAST_RETRY):
            tries = machine.log.count("DELETE")
            machine.until("it has said when it tries again", lambda: machine.log.count("tried again") == tries)  # noqa: B023
            machine.advance(0.8 * pause - 2)
            assert machine.log.count("DELETE") == tries
            machine.advance(0.4 * pause + 4)
            machine.until("it tries again", lambda: machine.log.count("DELETE") == tries + 1)  # noqa: B023
        if trouble == "refused":
            machine.api.start()
        machine.api.status = 204
        machine.api.calls.clear()
        machine.advance(2 * LAST_RETRY)
        machine.until("it ends", machine.is_ended)


def test_an_api_that_hangs_is_given_up_and_tried_again() -> None:
    with rented() as machine:
        machine.api.may_answer.clear()
        machine.boot()
        machine.die()
        machine.until("it has given up", lambda: "DELETE" in machine.log)
        assert ": 000" in machine.log
        machine.api.may_answer.set()
        before = len(machine.api.calls)
        machine.advance(2 * FIRST_RETRY)
        machine.until("it tries again", lambda: len(machine.api.calls) > before)
        assert machine.is_ended()


@pytest.mark.parametrize("program", ["curl", "wget", "python3"])
def test_any_of_three_programs_can_call(machine: Rented, program: str) -> None:
    broken = {"curl", "wget", "python3"} - {program}
    for each in broken:
        machine.has(each, "exit 127")
    if program == "wget":
        (machine.bin / "wget").unlink(missing_ok=True)  # busybox's cannot delete
    machine.boot()
    machine.die()
    machine.until("it ends", machine.is_ended)
    machine.until("it says so", lambda: f": 204 (with {program.rstrip('3')})" in machine.log)
    assert len(machine.api.calls) == 1


@pytest.mark.parametrize("program", ["curl", "wget", "python3"])
def test_the_token_is_nowhere_to_be_seen(program: str) -> None:
    with rented() as machine:
        for each in {"curl", "wget", "python3"} - {program}:
            machine.has(each, "exit 127")
        machine.save_hook(f"env > {machine.home}/environment")
        machine.api.may_answer.clear()
        machine.boot("-x")
        machine.advance(FIRST_LEASE)
        assert machine.api.holding.wait(DEADLINE)
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                assert TOKEN.encode() not in path.read_bytes(), path
            except (FileNotFoundError, ProcessLookupError):
                continue
        for process in machine.processes("run") + machine.processes("supervise"):
            assert TOKEN not in str(process.environ())
        assert TOKEN not in (machine.home / "environment").read_text()
        machine.api.may_answer.set()
        machine.until("it ends", lambda: ": 204" in machine.log)
        assert TOKEN not in machine.log + machine.said
        holding = [path for path in machine.lease.iterdir() if path.is_file() and TOKEN in path.read_text()]
        assert [path.name for path in holding] == ["token-1"]
        assert holding[0].stat().st_mode & 0o777 == 0o600


def test_a_token_in_a_file_is_read_anew_for_each_call() -> None:
    with rented() as machine:
        token = machine.home / "token"
        token.write_text("old")
        call = SelfRemovalCall("DELETE", "{SANDBOX_API}/v1/machines/{SANDBOX_MACHINE_ID}", token_file=str(token))
        machine.plan_with(removal=(call,))
        machine.boot()
        token.write_text(TOKEN)
        machine.die()
        machine.until("it ends", machine.is_ended)


@pytest.mark.parametrize("is_told", [True, False])
def test_a_machine_switches_itself_off_only_where_it_is_told_to(is_told: bool) -> None:
    with rented() as machine:
        for program in ("poweroff", "systemctl", "shutdown"):
            machine.has(program, f"echo {program} >> {machine.home}/off")
        machine.plan_with(removal=(*machine.plan.removal, *((PowerOff(),) if is_told else ())))
        machine.boot()
        machine.die()
        machine.until("it ends", machine.is_ended)
        machine.look()
        assert not (machine.home / "off").exists(), "the call is thought to have worked"
        machine.advance(2 * FIRST_RETRY)
        machine.until("it tries again", lambda: len(machine.api.calls) == 2)
        machine.look()
        assert (machine.home / "off").exists() == is_told


@pytest.mark.parametrize("manners", ["good", "bad"])
def test_kernels_are_stopped_while_it_ends(machine: Rented, manners: str) -> None:
    machine.api.status = 503
    kernel = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True)
    ignoring = "signal.signal(15, signal.SIG_IGN)" if manners == "bad" else ""
    keeper = subprocess.Popen(
        [sys.executable, "-c", f"import signal\n{ignoring}\nprint(flush=True)\ninput()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    bystander = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True)
    try:
        assert keeper.stdout is not None
        keeper.stdout.readline()
        elsewhere = machine.home / "other agent"
        for home, processes, starts in (
            (elsewhere, (keeper, kernel), [start_of(keeper.pid), start_of(kernel.pid)]),
            (machine.lease.parent, (bystander, bystander), ["17", "17"]),
        ):
            folder = home / "kernels" / "k"
            folder.mkdir(parents=True)
            pairs = zip(processes, starts, strict=True)
            (folder / "pids").write_text(" ".join(f"{each.pid} {start}" for each, start in pairs) + "\n")
        machine.boot()
        (machine.lease / "homes").write_text(f"{machine.lease.parent}\n{elsewhere}\n")
        machine.advance(FIRST_LEASE)
        if manners == "good":
            machine.until("the keeper was asked to end", lambda: keeper.poll() == -signal.SIGTERM)
            assert kernel.poll() is None, "that is the keeper's to do"
        machine.until("it tries to end", machine.is_ended)
        machine.advance(10)
        machine.until("both were ended", lambda: keeper.poll() is not None and kernel.poll() == -signal.SIGKILL)
        assert bystander.poll() is None
    finally:
        for each in (kernel, keeper, bystander):
            each.kill()
            each.communicate()


def test_its_log_stays_small() -> None:
    with rented() as machine:
        machine.boot()
        (machine.lease / "log").write_text("x" * 70_000 + "\n")
        machine.grant(1)
        machine.look()
        machine.advance(1)
        machine.until("it ends", machine.is_ended)
        assert len(machine.log) < 1000
        assert (machine.lease / "log.before").stat().st_size > 70_000
