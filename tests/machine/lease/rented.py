"""This computer as a rented machine: its own home and shell, and a clock that stands until it is moved."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import psutil

from jupyter_gpu_bridge.agent.identity import start_of
from jupyter_gpu_bridge.machine.lease import HostKey, LeasePlan, Pace, start_script
from jupyter_gpu_bridge.model import RemovalStep, WhenBusy
from jupyter_gpu_bridge.providers.sandbox import Sandbox
from tests.faults.processes import below
from tests.machine.lease.api import Api
from tests.missing_programs import find_program

DEADLINE = 20.0
TOKEN = "s3cret-of-this-machine"
SHELLS = ("dash", "bash", "busybox")
FIRST_LEASE, HARD, GRACE = 1200, 10_000, 100
FIRST_RETRY, LAST_RETRY = 30, 240
TICK = 0.02
QUIET = 0.5
QUIET_LOOKS = 25
"""In so many looks without a word of a busy kernel none is busy any more."""


class Rented:
    """Times are those of its own clock, which begins at 1000 and stands."""

    def __init__(self, folder: Path, shell: str, api: Api) -> None:
        self.home = folder / "home"
        self.home.mkdir()
        self.bin = _programs(folder / "bin", shell)
        self.lease = self.home / ".jupyter-gpu-bridge" / "lease"
        self.host_key = folder / "host_key"
        self.api = api
        self.said = ""
        """What the start script wrote to standard error."""
        self._uptime = folder / "uptime"
        self._boot_id = folder / "boot_id"
        self._boot_id.write_text("first\n")
        self._pauses = folder / "pauses"
        """A byte for each pause between two looks."""
        self._pauses.touch()
        self.set_clock(1000)
        self.plan = LeasePlan(
            "gpb-test-1",
            timedelta(seconds=FIRST_LEASE),
            timedelta(seconds=HARD),
            grace=timedelta(seconds=GRACE),
            removal=Sandbox().traits.removal,
            pace=Pace(
                tick=TICK,
                beat=0.1,
                quiet=QUIET,
                kernel_patience=10,
                first_retry=FIRST_RETRY,
                last_retry=LAST_RETRY,
                call=3,
                state_every=5,
                pause_with=str(_pauser(folder / "pause", self._pauses)),
                clock=str(self._uptime),
                boot_id=str(self._boot_id),
            ),
        )
        self.environment = {
            "HOME": str(self.home),
            "PATH": f"{self.bin}:{os.environ['PATH']}",
            "GPU_BRIDGE_HOST_KEY": str(self.host_key),
            "SANDBOX_API": api.url,
            "SANDBOX_MACHINE_ID": "m-1",
            "SANDBOX_MACHINE_KEY": TOKEN,
        }

    def plan_with(
        self,
        *,
        when_busy: WhenBusy | None = None,
        removal: tuple[RemovalStep, ...] | None = None,
        host_key: HostKey | None = None,
        call: int | None = None,
    ) -> None:
        self.plan = replace(
            self.plan,
            pace=self.plan.pace if call is None else replace(self.plan.pace, call=call),
            when_busy=when_busy or self.plan.when_busy,
            removal=self.plan.removal if removal is None else removal,
            host_key=host_key or self.plan.host_key,
        )

    # its boot ------------------------------------------------------------------------------------------------------

    def boot(self, *options: str, environment: Mapping[str, str] | None = None) -> int:
        """Run the start script; its exit status."""
        ran = self.begin_boot(*options, environment=environment)
        out, said = ran.communicate(timeout=DEADLINE)
        self.said += said
        assert out == ""
        return ran.returncode

    def begin_boot(self, *options: str, environment: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        script = self.home / "start"
        _replace(script, start_script(self.plan))
        return subprocess.Popen(
            [str(self.bin / "sh"), *options, str(script)],
            env=self.environment if environment is None else environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def crash(self) -> None:
        """As when its power fails: every process is gone."""
        while found := below(self.home):  # again, for what was started while we looked
            self.kill(*(each.pid for each in found))

    def kill(self, *pids: int) -> None:
        """As `kill -9` does; a corpse that nobody has buried yet is dead enough."""
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.until("they are dead", lambda: not any(start_of(pid) for pid in pids))

    # its clock -----------------------------------------------------------------------------------------------------

    def set_clock(self, now: float, boot: str | None = None) -> None:
        self.now = now
        _replace(self._uptime, f"{now:.2f} 0.00\n")
        if boot is not None:
            _replace(self._boot_id, boot + "\n")

    def advance(self, seconds: float) -> None:
        """So much time passes at once; returns when the daemon has looked."""
        self.set_clock(self.now + seconds)
        self.look()

    def look(self, times: int = 1) -> None:
        """Returns when the daemon has looked, and has done what follows."""
        # The first pause from now on may follow a look that began before.
        enough = self._pauses.stat().st_size + times + 1
        self.until("the daemon has looked", lambda: self._pauses.stat().st_size >= enough)

    def break_clock(self) -> None:
        self._uptime.unlink()

    # what others tell it -------------------------------------------------------------------------------------------

    def grant(self, seconds: object, serial: object = "a", version: object = 1, more: str = "") -> None:
        _replace(self.lease / "grant", f"{version} {serial} {seconds}{more}\n")

    def die(self) -> None:
        (self.lease / "die").write_text("1\n")

    def tell_busy(self, word: str = "busy") -> None:
        _replace(self.lease / "busy", f"1 {time.time_ns()} {word}\n")

    @contextmanager
    def busy(self) -> Iterator[None]:
        """A kernel is busy: said over and over, as the agent does."""
        over = threading.Event()

        def tell() -> None:
            while not over.wait(TICK):
                self.tell_busy()

        self.tell_busy()
        thread = threading.Thread(target=tell)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def save_hook(self, text: str) -> None:
        hook = self.lease / "save-hook"
        self.lease.mkdir(mode=0o700, parents=True, exist_ok=True)
        hook.write_text(f"#!/bin/sh\n{text}\n")
        hook.chmod(0o700)

    def has(self, program: str, text: str) -> None:
        """A program of its own instead of the system's."""
        path = self.bin / program
        path.unlink(missing_ok=True)
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o700)

    # what it does --------------------------------------------------------------------------------------------------

    @property
    def log(self) -> str:
        path = self.lease / "log"
        return path.read_text() if path.exists() else ""

    def state(self) -> Sequence[str]:
        path = self.lease / "state"
        return path.read_text().split() if path.exists() else ()

    @property
    def lease_end(self) -> int:
        return int(self.state()[2])

    @property
    def phase(self) -> str:
        return self.state()[6]

    def is_ended(self) -> bool:
        """It has asked for that, in the right way."""
        for call in self.api.calls:
            assert (call.method, call.path) == ("DELETE", "/v1/machines/m-1")
            assert call.authorization == f"Bearer {TOKEN}"
        return bool(self.api.calls)

    def until(self, what: str, is_so: Callable[[], bool]) -> None:
        give_up = time.monotonic() + DEADLINE
        while not is_so():
            assert time.monotonic() < give_up, f"it never came to be that {what}; its log:\n{self.log}"
            time.sleep(0.02)

    def processes(self, what: str) -> list[psutil.Process]:
        """Daemons (`run`) or supervisors (`supervise`)."""
        ours = [str(self.lease / "daemon.sh"), str(self.lease), what]
        return [each for each in below(self.home) if _arguments(each)[-3:] == ours]

    def holder(self, name: str) -> int:
        """The process that has this lock; 0 while none has."""
        path = self.lease / f"{name}.lock"
        try:
            return int(path.read_text().split()[0])
        except FileNotFoundError:  # it is being taken
            return 0


@contextmanager
def rented(shell: str = "dash") -> Iterator[Rented]:
    """One with its API; at the end nothing of it runs."""
    folder = Path(tempfile.mkdtemp(prefix="gl-", dir="/tmp"))
    machine: Rented | None = None

    def clock() -> float:
        return machine.now if machine is not None else 0.0

    try:
        with Api(clock) as api:
            machine = Rented(folder, shell, api)
            try:
                yield machine
            finally:
                machine.crash()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _pauser(path: Path, pauses: Path) -> Path:
    """Notes the pauses between two looks; the longer ones of the supervisor, whole seconds, it makes shorter."""
    path.write_text(
        f"""#!/bin/sh
case $1 in
    *.*) printf . >>{pauses}; exec sleep "$1" ;;
    *) exec sleep "0.$1" ;;
esac
"""
    )
    path.chmod(0o700)
    return path


def _programs(folder: Path, shell: str) -> Path:
    """A folder for the PATH in which `sh` is this shell; with busybox, everything that it can be is busybox."""
    folder.mkdir()
    program = find_program(shell)
    assert program is not None
    names = ["sh"]
    if shell == "busybox":
        listed = subprocess.run([program, "--list"], capture_output=True, text=True, check=True).stdout.split()
        names += [name for name in listed if name not in ("sh", "poweroff", "reboot", "halt")]
    for name in names:
        (folder / name).symlink_to(program)
    return folder


def _replace(path: Path, text: str) -> None:
    fresh = path.with_name(path.name + ".fresh")
    fresh.write_text(text)
    os.replace(fresh, path)


def _arguments(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []
