"""What must hold of any run holds where pytest runs workers, too; tried on small suites in a pytest of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.ports import free_port
from tests.workers import ALONE, APART

REPOSITORY = Path(__file__).resolve().parents[1]
_PLUGINS = ("tests.missing_programs", "tests.left_behind", "tests.workers")
_IN_TWO_WORKERS = ("-n", "2", "--dist", "loadfile")

Pytest = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run_pytest(tmp_path: Path) -> Pytest:
    """Runs these files in a folder of their own."""

    def run(
        files: dict[str, str], arguments: Sequence[str], before: Callable[[], object] | None = None
    ) -> subprocess.CompletedProcess[str]:
        for name, text in files.items():
            file = tmp_path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        plugins = [word for plugin in _PLUGINS for word in ("-p", plugin)]
        return subprocess.run(
            [sys.executable, "-m", "pytest", *plugins, "-p", "no:cacheprovider", "--import-mode=importlib", *arguments],
            cwd=tmp_path,
            env={"PATH": os.defpath, "PYTHONPATH": str(REPOSITORY), "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            preexec_fn=before,
        )

    return run


_NOTES_ITS_END = """
import os, pytest

@pytest.fixture(scope="session", autouse=True)
def worker():
    yield
    with open("notes", "a") as file:
        print("the end of", os.environ["PYTEST_XDIST_WORKER"], file=file)
"""

_TAKES_NOTES = """
import os, time, pytest

@pytest.mark.parametrize("number", range(4))
def test_some(number):
    time.sleep(0.05)
    with open("notes", "a") as file:
        print(__file__, "in", os.environ["PYTEST_XDIST_WORKER"], file=file)
"""


def test_files_stay_together_and_one_comes_last_and_alone(run_pytest: Pytest, tmp_path: Path) -> None:
    files = dict.fromkeys(["test_a.py", "test_b.py", ALONE, "test_z.py"], _TAKES_NOTES)
    ran = run_pytest({"conftest.py": _NOTES_ITS_END, **files}, _IN_TWO_WORKERS)
    assert ran.returncode == 0, ran.stdout
    assert "16 passed" in ran.stdout
    notes = (tmp_path / "notes").read_text().splitlines()
    assert len({note for note in notes if " in " in note}) == 4, "each file has seen one worker"
    (alone,) = {note for note in notes if ALONE in note}
    assert notes[-5:-1] == [alone] * 4
    neighbour = "gw0" if alone.endswith("gw1") else "gw1"
    assert f"the end of {neighbour}" in notes[:-5]


def test_worlds_of_their_own_go_wherever_there_is_room(run_pytest: Pytest, tmp_path: Path) -> None:
    ran = run_pytest({"conftest.py": "", f"{APART}test_a.py": _TAKES_NOTES.replace("0.05", "0.5")}, _IN_TWO_WORKERS)
    assert ran.returncode == 0, ran.stdout
    assert "4 passed" in ran.stdout
    notes = (tmp_path / "notes").read_text().splitlines()
    assert len(notes) == 4
    assert len(set(notes)) == 2, "both workers have seen some of them"


@pytest.mark.parametrize("arguments", [(), _IN_TWO_WORKERS], ids=["no workers", "two workers"])
@pytest.mark.parametrize("files", [[ALONE], [ALONE, "test_a.py"], ["test_a.py"]], ids=", ".join)
def test_few_files_are_no_obstacle(run_pytest: Pytest, files: list[str], arguments: Sequence[str]) -> None:
    ran = run_pytest(dict.fromkeys(files, "def test_some(): pass\n"), arguments)
    assert ran.returncode == 0, ran.stdout
    assert f"{len(files)} passed" in ran.stdout


def test_the_environment_that_a_folder_leaves_changed_is_found_in_each_worker(run_pytest: Pytest) -> None:
    changes = "import os\ndef test_changes(): os.environ['{0}'] = 'left'\ndef test_more(): pass\n"
    checks = "import os\ndef test_is_clean(): assert not [name for name in os.environ if name.startswith('LEFT')]\n"
    files = {
        "a/test_a.py": changes.format("LEFT_A"),
        "b/test_b.py": changes.format("LEFT_B"),
        "c/test_c.py": checks,
        "d/test_d.py": checks,
    }
    ran = run_pytest(files, _IN_TWO_WORKERS)
    assert ran.returncode == 1
    assert "6 passed, 2 errors" in ran.stdout
    for name in ("LEFT_A", "LEFT_B"):
        assert f"these tests have left the environment changed: {name}\n" in ran.stdout


def test_an_answer_to_a_signal_that_a_test_leaves_changed_is_found_and_mended(run_pytest: Pytest) -> None:
    changes = (
        "import signal\n"
        "def test_before(): pass\n"
        "def test_changes(): signal.signal(signal.SIG{0}, signal.SIG_IGN)\n"
        "def test_after(): assert signal.getsignal(signal.SIG{0}) is not signal.SIG_IGN\n"
    )
    files = {f"test_{name}.py": changes.format(name) for name in ("INT", "TERM", "CHLD")}
    ran = run_pytest(files, _IN_TWO_WORKERS)
    assert ran.returncode == 1
    assert "9 passed, 3 errors" in ran.stdout
    for name in ("INT", "TERM", "CHLD"):
        assert f"ERROR test_{name}.py::test_changes" in ran.stdout
        assert f"this test has left other answers to signals: SIG{name}" in ran.stdout


@pytest.mark.parametrize("arguments", [(), _IN_TWO_WORKERS], ids=["no workers", "two workers"])
def test_what_tests_start_hears_ctrl_c_also_when_a_script_runs_them_in_the_background(
    run_pytest: Pytest, arguments: Sequence[str]
) -> None:
    hears = (
        "import subprocess, sys\n"
        "CODE = 'import os, signal; os.kill(os.getpid(), signal.SIGINT)'\n"
        "def test_hears(): assert subprocess.run([sys.executable, '-c', CODE], stderr=-1).returncode == -2\n"
    )
    ran = run_pytest({"test_a.py": hears}, arguments, lambda: signal.signal(signal.SIGINT, signal.SIG_IGN))
    assert ran.returncode == 0, ran.stdout


@pytest.mark.parametrize("worker", ["gw0", "gw1", "gw2", "gw3"])
def test_workers_draw_from_ports_of_their_own(monkeypatch: pytest.MonkeyPatch, worker: str) -> None:
    monkeypatch.setenv("PYTEST_XDIST_WORKER_COUNT", "3")
    monkeypatch.setenv("PYTEST_XDIST_WORKER", worker)  # the fourth has taken the place of one that crashed
    ports = {free_port() for _ in range(100)}
    assert len({port % 3 for port in ports}) == 1
