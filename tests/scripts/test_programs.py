"""`scripts/test_programs.sh`, with other programs on its PATH than this computer has: it brings what it can or says so.

And what pytest then makes of programs that are still missing.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
SCRIPT = REPOSITORY / "scripts" / "test_programs.sh"
ALL = ("chromium", "ssh", "sshd", "postgres")


class Computer:
    """A PATH, and what was called on it."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"
        self.bin.mkdir()
        self._calls = folder / "calls"
        for name in ("sh", "env"):
            found = shutil.which(name)
            assert found is not None
            (self.bin / name).symlink_to(found)

    def has(self, *names: str, does: str = "exit 0") -> None:
        for name in names:
            program = self.bin / name
            program.write_text(f'#!/bin/sh\necho "{name} $*" >> {self._calls}\n{does}\n')
            program.chmod(0o755)

    def is_used_by(self, number: int) -> None:
        self.has("id", does=f"echo {number}")

    def run(self) -> subprocess.CompletedProcess[str]:
        # sshd and PostgreSQL are looked for in these folders as well, where this computer may have them.
        text = SCRIPT.read_text()
        for folder in ("/usr/sbin", "/usr/lib/postgresql"):
            text = text.replace(folder, str(self.bin / "elsewhere"))
        return subprocess.run(
            ["/bin/sh", "-c", text],
            env={"PATH": str(self.bin)},
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )

    def calls(self, of: str) -> Sequence[str]:
        lines = self._calls.read_text().splitlines() if self._calls.exists() else []
        return [line for line in lines if line.startswith(of)]


@pytest.fixture
def computer(tmp_path: Path) -> Computer:
    """It has the shells that are tested, what reads their scripts, a database server, and what runs timers."""
    computer = Computer(tmp_path)
    computer.has("fish", "zsh", "busybox", "dash", "shellcheck", "postgres", "cron", "systemd-analyze")
    return computer


@pytest.mark.parametrize("browser", ["chromium", "chromium-browser", "google-chrome"])
def test_nothing_is_done_where_nothing_is_missing(computer: Computer, browser: str) -> None:
    computer.has(browser, "ssh", "sshd", "apt-get", "sudo")
    ran = computer.run()
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert not computer.calls("apt-get")
    assert not computer.calls("sudo")


@pytest.mark.parametrize(
    ("missing", "packages"),
    [
        ("chromium", "chromium fonts-dejavu-core"),
        ("ssh", "openssh-client"),
        ("sshd", "openssh-server"),
        ("zsh", "zsh"),
        ("fish", "fish"),
        ("postgres", "postgresql"),
        ("busybox", "busybox"),
        ("shellcheck", "shellcheck"),
        ("cron", "cron"),
        ("systemd-analyze", "systemd"),
    ],
)
def test_root_installs_what_is_missing_and_nothing_else(computer: Computer, missing: str, packages: str) -> None:
    computer.is_used_by(0)
    computer.has("apt-get", *ALL)
    (computer.bin / missing).unlink()
    ran = computer.run()
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, f"Installing: {packages}\n", "")
    update, install = computer.calls("apt-get")
    assert update == "apt-get update -qq"
    assert install == f"apt-get install -y -qq --no-install-recommends {packages}"


def test_whoever_is_not_root_installs_with_sudo(computer: Computer) -> None:
    computer.is_used_by(1000)
    computer.has("apt-get", "ssh", "chromium")
    computer.has("sudo", does='[ "$1" = -n ] && exit 0\nexec "$@"')
    ran = computer.run()
    assert (ran.returncode, ran.stderr) == (0, "")
    assert computer.calls("sudo") == [
        "sudo -n true",
        "sudo env apt-get update -qq",
        "sudo env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends "
        "openssh-server",
    ]
    assert len(computer.calls("apt-get")) == 2


@pytest.mark.parametrize("sudo", ["none", "asks for a password"])
def test_whoever_may_not_install_is_told_what_is_missing(computer: Computer, sudo: str) -> None:
    computer.is_used_by(1000)
    computer.has("apt-get")
    if sudo != "none":
        computer.has("sudo", does="echo 'sudo: a password is required' >&2; exit 1")
    ran = computer.run()
    assert ran.returncode == 0
    assert ran.stdout == ""
    assert ran.stderr == (
        "Not installed, and neither root nor sudo without a password to do it: "
        "chromium fonts-dejavu-core openssh-client openssh-server\n"
    )
    assert not computer.calls("apt-get")


def test_where_there_are_no_debian_packages_it_is_said(computer: Computer) -> None:
    computer.has("ssh", "sshd")
    ran = computer.run()
    assert ran.returncode == 0
    assert ran.stderr == "Not installed, and not to be installed with apt-get: chromium fonts-dejavu-core\n"


def test_postgres_is_found_where_debian_hides_it(computer: Computer) -> None:
    computer.has("apt-get", *ALL)
    hidden = computer.bin / "elsewhere" / "15" / "bin"
    hidden.mkdir(parents=True)
    (computer.bin / "postgres").rename(hidden / "postgres")
    assert computer.run().stdout == ""
    assert not computer.calls("apt-get")


@pytest.mark.parametrize("failing", ["update", "install"])
def test_an_installation_that_fails_is_said_and_is_not_the_end(computer: Computer, failing: str) -> None:
    computer.is_used_by(0)
    computer.has("chromium", "ssh")
    computer.has("apt-get", does=f"[ $1 != {failing} ] || {{ echo 'E: no network' >&2; exit 100; }}")
    ran = computer.run()
    assert ran.returncode == 0
    assert ran.stderr == "E: no network\napt-get could not install: openssh-server\n"


# what pytest makes of it ---------------------------------------------------------------------------------------------

_NEEDS_IT = """
import pytest

@pytest.mark.needs("no-such-program")
def test_that_needs_it():
    raise AssertionError("this should not run")
"""

_DOES_NOT = """
def test_that_does_not():
    pass
"""


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize(("allowed", "status"), [(None, 1), ("0", 1), ("1", 0)])
def test_a_run_without_a_program_fails_unless_that_is_fine(
    tmp_path: Path, allowed: str | None, status: int, workers: int
) -> None:
    ran = _run_pytest(tmp_path, _NEEDS_IT + _DOES_NOT, allowed, workers)
    assert ran.returncode == status, ran.stdout
    assert ran.stdout.count("not run, for want of no-such-program") == 1
    assert ran.stdout.count("test_some.py::test_that_needs_it") == 1
    assert ran.stdout.splitlines()[-1].startswith("1 passed")


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize(("allowed", "status"), [(None, 1), ("1", 0)])
def test_a_run_of_nothing_but_tests_that_are_left_out_is_judged_alike(
    tmp_path: Path, allowed: str | None, status: int, workers: int
) -> None:
    ran = _run_pytest(tmp_path, _NEEDS_IT, allowed, workers)
    assert ran.returncode == status, ran.stdout
    assert ran.stdout.count("test_some.py::test_that_needs_it") == 1


def _run_pytest(folder: Path, tests: str, allowed: str | None, workers: int) -> subprocess.CompletedProcess[str]:
    (folder / "test_some.py").write_text(tests)
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(REPOSITORY), "HOME": str(folder)}
    if allowed is not None:
        environment["ALLOW_MISSING"] = allowed
    plugins = ["-p", "tests.missing_programs", "-p", "no:cacheprovider"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", f"-n{workers}", *plugins, "test_some.py"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
