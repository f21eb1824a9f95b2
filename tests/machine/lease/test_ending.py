"""How a machine ends itself: over and over, by any program, and with its kernels."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from jupyter_gpu_bridge.agent.identity import start_of
from jupyter_gpu_bridge.model import PowerOff, SelfRemovalCall
from tests.machine.lease.rented import DEADLINE, FIRST_LEASE, FIRST_RETRY, LAST_RETRY, TOKEN, Rented, rented

pytestmark = [pytest.mark.timeout(90), pytest.mark.needs("dash")]


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
        machine.plan_with(call=1)
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
        machine.set_clock(machine.now + FIRST_LEASE)
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


@pytest.mark.parametrize("program", ["curl", "wget", "python3"])
def test_a_call_may_have_a_body_in_which_names_are_filled_in(machine: Rented, program: str) -> None:
    for each in {"curl", "wget", "python3"} - {program}:
        machine.has(each, "exit 127")
    if program == "wget":
        (machine.bin / "wget").unlink(missing_ok=True)
    body = '{"query":"mutation($id:String!){end(id:$id)}","variables":{"id":"{SANDBOX_MACHINE_ID}"}}'
    call = SelfRemovalCall("POST", "{SANDBOX_API}/graphql", "SANDBOX_MACHINE_KEY", body_template=body)
    machine.plan_with(removal=(call,))
    machine.boot()
    machine.die()
    machine.until("it has called", lambda: bool(machine.api.calls))
    (made,) = machine.api.calls
    assert (made.method, made.path, made.authorization) == ("POST", "/graphql", f"Bearer {TOKEN}")
    assert made.body == body.replace("{SANDBOX_MACHINE_ID}", "m-1")


def test_two_steps_may_need_the_same_token(machine: Rented) -> None:
    steps = [SelfRemovalCall("DELETE", "{SANDBOX_API}/" + end, "SANDBOX_MACHINE_KEY") for end in ("first", "second")]
    machine.plan_with(removal=tuple(steps))
    machine.api.status = 401
    assert machine.boot() == 0
    machine.die()
    machine.until("it has tried both", lambda: len(machine.api.calls) == 2)
    assert [call.path for call in machine.api.calls] == ["/first", "/second"]
    assert {call.authorization for call in machine.api.calls} == {f"Bearer {TOKEN}"}
    assert machine.said == ""


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
