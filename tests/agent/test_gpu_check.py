from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.market.hardware import A100, environment, install_driver

SCRIPT = Path(__file__).resolve().parents[2] / "jupyter_gpu_bridge" / "agent" / "gpu_check.py"
IDLE = "GPU-1, NVIDIA A100-SXM4-80GB, 81920, 4, 0"


def run(variables: dict[str, str] | None = None, *arguments: str) -> tuple[dict[str, Any], list[str], str]:
    """The report, what was said before it, and what was said besides."""
    known = {"PATH": "/usr/bin:/bin", "HOME": os.environ["HOME"]}
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *arguments],
        env={**known, **(variables or {})},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    *before, last = done.stdout.splitlines()
    return json.loads(last), before, done.stderr


def test_a_computer_without_a_gpu_and_without_torch_says_so_in_one_line() -> None:
    report, before, _ = run()
    assert (report["problem"]["code"], report["gpus"], before) == ("no-gpu", [], [])


def test_a_gpu_without_torch_is_named_and_not_judged(tmp_path: Path) -> None:
    report, _, _ = run({"PATH": f"{install_driver(tmp_path, IDLE)}:/usr/bin:/bin"})
    assert report["problem"]["code"] == "no-torch"
    assert [(gpu["name"], gpu["memory_mib"], gpu["tflops"]) for gpu in report["gpus"]] == [
        ("NVIDIA A100-SXM4-80GB", 81920, None)
    ]


def test_torch_that_cannot_use_the_gpu_of_the_driver_says_so(tmp_path: Path) -> None:
    report, _, _ = run(environment({**A100, "is_blind": True}, install_driver(tmp_path, IDLE)))
    assert report["problem"]["code"] == "blind-torch"


def test_what_the_gpu_does_is_measured_and_its_memory_given_back(tmp_path: Path) -> None:
    report, stages, said = run(environment(A100, install_driver(tmp_path, IDLE)), "--stages")
    assert report["problem"] is None
    assert report["gpus"] == [
        {
            "name": "NVIDIA A100-SXM4-80GB",
            "memory_mib": 81920,
            "bandwidth": pytest.approx(1830.0),
            "tflops": pytest.approx(260.0),
            "format": "bfloat16",
            "problem": None,
        }
    ]
    assert [json.loads(stage)["stage"] for stage in stages][2:] == [
        "measuring the memory",
        "measuring matrix products",
    ]
    assert said.splitlines()[-1].startswith("left on the GPU: 0 bytes")


def test_an_older_gpu_is_measured_in_the_format_in_which_it_is_fastest() -> None:
    report, _, _ = run(environment({**A100, "capability": (7, 5), "name": "Tesla T4"}))
    assert report["gpus"][0]["format"] == "float16"


def test_each_gpu_of_several_is_measured_and_one_in_use_is_left_alone(tmp_path: Path) -> None:
    driver = install_driver(tmp_path, IDLE, IDLE.replace("GPU-1", "GPU-2").replace(", 4, 0", ", 4, 97"))
    report, _, _ = run(environment({**A100, "count": 2}, driver))
    assert [bool(gpu["bandwidth"]) for gpu in report["gpus"]] == [True, False]
    assert report["gpus"][1]["problem"] == {"code": "busy", "text": "The GPU is in use: it is 97 % busy."}


@pytest.mark.parametrize("use", ["81920, 40000, 0", "81920, 4, 55"])
def test_a_gpu_in_use_is_not_judged(tmp_path: Path, use: str) -> None:
    driver = install_driver(tmp_path, f"GPU-1, NVIDIA A100-SXM4-80GB, {use}")
    report, _, said = run(environment(A100, driver))
    assert (report["problem"]["code"], report["gpus"][0]["bandwidth"]) == ("busy", None)
    assert "left on the GPU" not in said  # torch was not even loaded


def test_use_that_only_torch_sees_is_seen_as_well() -> None:
    report, _, _ = run(environment({**A100, "used_mib": 30_000}))
    assert report["problem"]["code"] == "busy"


def test_what_the_products_keep_for_good_is_not_the_use_of_somebody_else() -> None:
    """As it was on a real H100, whose workspace lay in a large piece of memory and held all of it."""
    report, _, _ = run(environment({**A100, "since_products": {"workspace_mib": 2048}}))
    assert report["problem"] is None
    report, _, _ = run(environment({**A100, "since_products": {"others_mib": 2048}}))
    assert report["problem"]["code"] == "busy"


@pytest.mark.parametrize("fault", ["fails", "stands_still"])
def test_a_gpu_that_fails_is_told_of_and_left_empty(fault: str) -> None:
    report, _, said = run(environment({**A100, fault: True}))
    assert report["problem"]["code"] == "failed"
    assert report["gpus"][0]["tflops"] is None
    assert said.splitlines()[-1].startswith("left on the GPU: 0 bytes")


def test_it_finds_the_modules_of_others_and_not_what_lies_beside_it(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("import memory\n")  # there is a memory.py beside the script
    report, _, _ = run({"PYTHONPATH": str(tmp_path)})
    assert "No module named 'memory'" in report["problem"]["text"]
