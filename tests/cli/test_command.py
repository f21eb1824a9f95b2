from __future__ import annotations

import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest

from jupyter_gpu_bridge import __version__
from tests.bridges import ScriptedBridge
from tests.cli.calls import Call

GPU = [sys.executable, "-m", "jupyter_gpu_bridge.cli"]


def test_what_is_not_known_is_answered_with_the_nearest_and_status_2(call: Call) -> None:
    answer = call("hots")
    assert answer.status == 2
    assert "Did you mean 'hosts'?" in answer.err
    assert call("hosts", "chek", "box", "--json").data["error"] == "usage"
    assert call("hosts").status == 2
    assert call("profiles", "add").status == 2


def test_json_may_be_said_first_or_last(call: Call) -> None:
    said = call("hosts", "list", "--json").data
    assert call("--json", "hosts", "list").data == call("hosts", "--json", "list").data == said


@pytest.mark.parametrize("words", [("kernels", "stpo"), ("kernels", "stops"), ("hosts", "remov"), ("profiles", "rm")])
def test_what_destroys_is_never_suggested(call: Call, words: tuple[str, str]) -> None:
    answer = call(*words)
    assert answer.status == 2
    assert "Did you mean" not in answer.err
    assert "Known: " in answer.err


def test_the_package_says_that_it_is_typed() -> None:
    assert (resources.files("jupyter_gpu_bridge") / "py.typed").is_file()
    assert "Typing :: Typed" in (Path(__file__).parents[2] / "pyproject.toml").read_text()


def test_help_and_version_are_no_errors(call: Call) -> None:
    assert call("--help").status == 0
    assert call("--version").out == f"jupyter-gpu-bridge {__version__}\n"


@pytest.mark.timeout(30)
def test_help_does_not_load_what_it_does_not_need(own_home: Path) -> None:
    program = (
        "import sys\n"
        "from jupyter_gpu_bridge.cli import main\n"
        "assert main(['--help']) == 0\n"
        "heavy = {'asyncio', 'jupyter_client', 'paramiko', 'traitlets', 'zmq', 'jupyter_gpu_bridge.bridge'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=20, stdout=subprocess.DEVNULL)


def test_an_interrupt_is_a_sentence_and_status_130(
    bridge: ScriptedBridge, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(bridge, "hosts", interrupted)
    answer = call("hosts", "list")
    assert answer.status == 130
    assert answer.err.startswith("\nInterrupted")


def test_a_refusal_of_the_system_is_a_sentence(
    bridge: ScriptedBridge, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full() -> None:
        raise OSError(28, "No space left on device", "/somewhere")

    monkeypatch.setattr(bridge, "hosts", full)
    answer = call("hosts", "list")
    assert (answer.status, answer.err.split("\n", 1)[0][:45]) == (1, "The system refused: No space left on device (")
    assert call("hosts", "list", "--json").data["error"] == "failed"


@pytest.mark.timeout(30)
def test_the_doctor_examines_the_case_to_which_it_is_called(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_GPU_BRIDGE_HOME", "/proc/x")
    refused = subprocess.run([*GPU, "hosts", "list"], capture_output=True, text=True, timeout=20, check=False)
    assert "See: jupyter gpu doctor" in refused.stderr
    told = subprocess.run([*GPU, "doctor"], capture_output=True, text=True, timeout=20, check=False)
    assert (told.returncode, told.stderr) == (1, "")
    assert "WRONG  data folder" in told.stdout
    assert "Set JUPYTER_GPU_BRIDGE_HOME" in told.stdout


@pytest.mark.timeout(30)
def test_a_reader_that_goes_away_is_no_traceback(own_home: Path) -> None:
    with subprocess.Popen([*GPU, "hosts", "list"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as gpu:
        assert gpu.stdout is not None
        assert gpu.stderr is not None
        gpu.stdout.close()
        said = gpu.stderr.read()
        gpu.wait(timeout=20)
    assert b"Traceback" not in said
    assert b"Exception" not in said
