"""The wall clock of either end jumps by a day, both ways, in the middle of everything: nobody notices."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.compatibility.conversation import run, wait_for_output
from tests.faults.hearing import hear_one
from tests.faults.processes import kill
from tests.faults.scene import INSIDE, Kernel, Scene

pytestmark = pytest.mark.timeout(60)

_DAY = 86400.0
_CELL = "import time\nfor number in range(40):\n    print('line', number, flush=True)\n    time.sleep(0.1)"


class Clocks:
    """The two wall clocks."""

    def __init__(self, folder: Path) -> None:
        self.here, self.far = folder / "here", folder / "far"
        self.move(0, 0)

    def move(self, here: float, far: float) -> None:
        for path, seconds in ((self.here, here), (self.far, far)):
            fresh = path.with_suffix(".new")
            fresh.write_text(str(seconds))
            fresh.replace(path)


@pytest.fixture(scope="module")
def clocks() -> Iterator[Clocks]:
    with tempfile.TemporaryDirectory() as folder:
        yield Clocks(Path(folder))


@pytest.fixture(scope="module")
def shared_scene(clocks: Clocks) -> Iterator[Scene]:
    moved = {"PYTHONPATH": str(INSIDE)}
    with Scene(
        "openssh", here={**moved, "GPB_CLOCK": str(clocks.here)}, far={**moved, "GPB_CLOCK": str(clocks.far)}
    ) as scene:
        yield scene


@pytest.mark.parametrize(("here", "far"), [(_DAY, 0), (-_DAY, 0), (0, _DAY), (0, -_DAY)])
def test_a_clock_that_jumps_changes_nothing(
    scene: Scene, kernel: Kernel, clocks: Clocks, here: float, far: float
) -> None:
    clocks.move(0, 0)
    asked = kernel.client.execute(_CELL)
    wait_for_output(kernel.client, asked, "line 3\n")
    clocks.move(here, far)
    wait_for_output(kernel.client, asked, "line 10\n")
    scene.sshd.cut_sessions()
    wait_for_output(kernel.client, asked, "line 20\n")
    kill(*scene.links())
    assert hear_one(kernel.client, asked).lines[-15:] == [f"line {number}" for number in range(25, 40)]
    endless = kernel.client.execute("print('begun', flush=True)\nwhile True: time.sleep(0.01)")
    wait_for_output(kernel.client, endless, "begun")
    kernel.manager.interrupt_kernel()
    assert hear_one(kernel.client, endless).replies[0]["content"]["ename"] == "KeyboardInterrupt"
    moved = float(run(kernel.client, "print(time.time() - time.clock_gettime(time.CLOCK_REALTIME))").stdout)
    assert abs(moved - far) < 60, "the clock was not moved"
    assert kernel.ask_pid() == kernel.pid
