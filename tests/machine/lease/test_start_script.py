"""The start script: the lease first, then the host key; harmless when it is run again, and silent about secrets."""

from __future__ import annotations

import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from jupyter_gpu_bridge.machine import lease
from jupyter_gpu_bridge.machine.lease import HostKey, LeasePlan, start_script
from jupyter_gpu_bridge.model import PowerOff, SelfRemovalCall
from tests.machine.lease.rented import FIRST_LEASE, HARD, Rented, rented
from tests.sshd import Sshd, make_key, program, public_half

pytestmark = [pytest.mark.timeout(60), pytest.mark.needs("dash")]

HOUR = timedelta(hours=1)
SOURCE = Path(lease.__file__).parent


@pytest.fixture
def host_key(tmp_path: Path) -> HostKey:
    made = make_key(tmp_path / "key")
    return HostKey(made.read_text(), public_half(made))


# the host key --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_public_given", [True, False])
def test_the_machine_has_the_host_key_that_we_made(machine: Rented, host_key: HostKey, is_public_given: bool) -> None:
    machine.plan_with(host_key=host_key if is_public_given else HostKey(host_key.private))
    machine.boot()
    assert machine.host_key.read_text() == host_key.private
    assert machine.host_key.stat().st_mode & 0o777 == 0o600
    assert public_half(machine.host_key) == host_key.public
    assert machine.said == ""


def test_a_server_that_runs_already_shows_the_new_key(host_key: HostKey, tmp_path: Path) -> None:
    pid_file = tmp_path / "sshd.pid"
    with rented() as machine, Sshd(tmp_path / "sshd", options=(f"PidFile {pid_file}",)) as sshd:
        assert _shown(sshd) != host_key.public
        machine.environment["GPU_BRIDGE_HOST_KEY"] = str(sshd.host_key)
        machine.environment["GPU_BRIDGE_SSHD_PID_FILE"] = str(pid_file)
        machine.plan_with(host_key=host_key)
        machine.boot()
        machine.until("it shows the new key", lambda: _shown(sshd) == host_key.public)


def test_a_process_that_only_has_the_number_of_a_server_is_left_alone(host_key: HostKey, tmp_path: Path) -> None:
    with rented() as machine, subprocess.Popen(["sleep", "1000"]) as bystander:
        (tmp_path / "pid").write_text(f"{bystander.pid}\n")
        machine.environment["GPU_BRIDGE_SSHD_PID_FILE"] = str(tmp_path / "pid")
        machine.plan_with(host_key=host_key)
        assert machine.boot() == 0
        assert bystander.poll() is None
        bystander.kill()


def test_a_host_key_that_cannot_be_installed_does_not_keep_the_lease_from_running(host_key: HostKey) -> None:
    with rented() as machine:
        machine.plan_with(host_key=host_key)
        machine.environment["GPU_BRIDGE_HOST_KEY"] = "/proc/nowhere/key"
        assert machine.boot() == 0
        assert machine.said == "jupyter-gpu-bridge: its host key could not be installed.\n"
        machine.advance(FIRST_LEASE)
        machine.until("it ends", machine.is_ended)


def _shown(sshd: Sshd) -> str:
    argv = [program("ssh-keyscan"), "-p", str(sshd.port), "-t", "ed25519", "127.0.0.1"]
    said = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False).stdout
    return " ".join(said.split()[1:3])


# run again -----------------------------------------------------------------------------------------------------------


def test_run_again_it_extends_nothing_and_knows_no_less(machine: Rented, host_key: HostKey) -> None:
    machine.plan_with(host_key=host_key)
    machine.boot()
    machine.advance(600)
    settings = (machine.lease / "settings").read_text()
    bare = {name: value for name, value in machine.environment.items() if not name.startswith("SANDBOX_")}
    machine.crash()
    machine.boot(environment=bare)
    machine.until("it is taken up again", lambda: "Taken up again" in machine.log)
    assert machine.lease_end == 1000 + FIRST_LEASE
    assert (machine.lease / "settings").read_text() == settings
    machine.advance(600)
    machine.until("it ends", machine.is_ended)


def test_what_another_machine_left_on_the_disk_is_not_meant_for_this_one(machine: Rented) -> None:
    machine.boot()
    machine.die()
    machine.until("it ends", machine.is_ended)
    machine.crash()
    machine.api.calls.clear()
    machine.plan = LeasePlan(
        "gpb-test-2", timedelta(seconds=FIRST_LEASE), timedelta(seconds=HARD), pace=machine.plan.pace
    )
    machine.boot()
    machine.until("it has a lease of its own", lambda: machine.phase == "living")
    machine.look()
    assert not machine.is_ended()


# where things are missing --------------------------------------------------------------------------------------------


def test_where_the_home_cannot_be_written_it_says_so_and_works_elsewhere(machine: Rented) -> None:
    temporary = machine.home / "tmp"
    temporary.mkdir()
    (machine.home / ".jupyter-gpu-bridge").write_text("in the way")
    machine.environment["TMPDIR"] = str(temporary)
    assert machine.boot() == 0
    assert machine.said == f"jupyter-gpu-bridge: nothing can be written in {machine.lease}.\n"
    (machine.lease,) = temporary.glob("*/lease")
    machine.advance(FIRST_LEASE)
    machine.until("it ends", machine.is_ended)


def test_a_folder_of_somebody_else_is_not_used() -> None:
    with rented() as machine:
        elsewhere = machine.home / "theirs"
        elsewhere.mkdir()
        (machine.home / ".jupyter-gpu-bridge").symlink_to(elsewhere)
        machine.environment["TMPDIR"] = str(machine.home / "tmp")
        assert machine.boot() == 0
        assert "nothing can be written in" in machine.said
        assert not list(elsewhere.iterdir())


@pytest.mark.parametrize("name", ["SANDBOX_API", "SANDBOX_MACHINE_ID", "SANDBOX_MACHINE_KEY"])
def test_what_its_removal_needs_and_the_cloud_has_not_told_is_named(machine: Rented, name: str) -> None:
    del machine.environment[name]
    assert machine.boot() == 0
    assert machine.said.startswith(f"jupyter-gpu-bridge: it does not know its {name}, ")
    assert len(machine.said.splitlines()) == 1
    machine.until("it lives all the same", lambda: machine.phase == "living")


def test_what_cannot_be_in_a_url_gets_into_none() -> None:
    with rented() as machine:
        machine.environment["SANDBOX_MACHINE_ID"] = f"'; touch {machine.home}/harm; '"
        machine.boot()
        assert "it does not know its SANDBOX_MACHINE_ID" in machine.said
        machine.die()
        machine.until("it says that it cannot", lambda: "Nothing is known here that ends this machine." in machine.log)
        assert not (machine.home / "harm").exists()


def test_without_a_home_in_the_environment_the_user_s_is_taken() -> None:
    with rented() as machine:
        environment = {name: value for name, value in machine.environment.items() if name != "HOME"}
        environment["GPU_BRIDGE_LEASE_DIR"] = str(machine.lease)
        machine.lease.parent.mkdir()
        try:
            assert machine.boot(environment=environment) == 0
            machine.advance(FIRST_LEASE)
            machine.until("it ends", machine.is_ended)
        finally:
            machine.kill(machine.holder("supervisor"), machine.holder("daemon"))


# what is in it -------------------------------------------------------------------------------------------------------


def test_the_private_key_is_not_printed_even_to_whoever_looks_on(machine: Rented, host_key: HostKey) -> None:
    machine.plan_with(host_key=host_key)
    machine.boot("-x")
    assert "has_host_key=yes" in machine.said
    for line in host_key.private.splitlines()[1:-1]:
        assert line not in machine.said


def test_a_plan_does_not_show_its_private_key(host_key: HostKey) -> None:
    assert host_key.private not in repr(LeasePlan("m", HOUR, HOUR, host_key=host_key))


def test_it_fits_into_what_clouds_take() -> None:
    assert len(start_script(LeasePlan("m", HOUR, HOUR)).encode()) < 20_000


@pytest.mark.needs("shellcheck")
@pytest.mark.parametrize("name", ["daemon.sh", "start.sh"])
def test_shellcheck_has_nothing_to_say(name: str) -> None:
    ran = subprocess.run(["shellcheck", str(SOURCE / name)], capture_output=True, text=True, timeout=60, check=False)
    assert (ran.returncode, ran.stdout) == (0, "")


@pytest.mark.parametrize("name", ["", "a b", "a'b", "$(date)", "-n"])
def test_a_name_is_a_plain_word(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be the name of a machine"):
        LeasePlan(name, HOUR, HOUR)


@pytest.mark.parametrize(
    "call",
    [
        ("delete", "https://x/{A}", "T", ""),
        ("DELETE", "https://x/{A B}", "T", ""),
        ("DELETE", "https://x/$(date)", "T", ""),
        ("DELETE", "https://x/'", "T", ""),
        ("DELETE", "https://x/", "T;date", ""),
        ("DELETE", "https://x/", "", "relative"),
        ("DELETE", "https://x/", "", "/a'b"),
        ("POST", "https://x/", "", "", "{'a': 1}"),
        ("POST", "https://x/", "", "", "{\n}"),
    ],
)
def test_a_call_that_a_shell_could_take_amiss_is_refused(call: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="is no"):
        SelfRemovalCall(*call)


def test_steps_are_described_in_their_order() -> None:
    plan = LeasePlan("m", HOUR, HOUR, removal=(SelfRemovalCall("DELETE", "https://x/{A}", "T"), PowerOff()))
    lines = [line.strip() for line in start_script(plan).splitlines()]
    at = lines.index("describe_removal() {")
    assert lines[at + 1 : at + 3] == ["step_call 'DELETE' 'https://x/{A}' 'T' ''", "step_poweroff"]
