"""A line on which nothing passes and nobody says so: first patience, then another connection; and nothing is lost."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.compatibility.conversation import run, wait_for_output
from tests.faults.conftest import CARRIERS
from tests.faults.hearing import hear
from tests.faults.scene import INSIDE, Kernel, Scene

pytestmark = pytest.mark.timeout(60)

_PING_EVERY, _SILENCE = 0.5, 3.0
_CELL = "import time\nfor number in range(30):\n    print('line', number, flush=True)\n    time.sleep(0.1)"


@pytest.fixture(scope="module", params=CARRIERS)
def shared_scene(request: pytest.FixtureRequest) -> Iterator[Scene]:
    place = "jupyter_gpu_bridge.machine.link.connection"
    shorter = f"{place}:PING_EVERY={_PING_EVERY} {place}:SILENCE={_SILENCE}"
    with Scene(request.param, here={"PYTHONPATH": str(INSIDE), "GPB_SHORTER": shorter}) as scene:
        yield scene


@pytest.mark.parametrize(("seconds", "reconnects"), [(_SILENCE - 1, 0), (_SILENCE + 2, 1)])
def test_nothing_is_lost_and_a_new_connection_is_made_only_when_it_has_lasted(
    scene: Scene, kernel: Kernel, seconds: float, reconnects: int
) -> None:
    proxy = scene.weather.proxy
    before = proxy.accepted
    asked = kernel.client.execute(_CELL)
    wait_for_output(kernel.client, asked, "line 3\n")
    scene.weather.stall()
    second = kernel.client.execute("print('second')")
    time.sleep(seconds)
    scene.weather.resume()
    heard = hear(kernel.client, asked, second)
    assert heard[asked].lines == [f"line {number}" for number in range(4, 30)]
    assert heard[second].lines == ["second"]
    assert all(len(each.replies) == each.idles == 1 for each in heard.values())
    assert kernel.ask_pid() == kernel.pid
    # While the line was silent its successor could not get through either, and may have tried more than once.
    assert (proxy.accepted == before) == (reconnects == 0)


def test_a_quiet_kernel_is_no_silent_line(scene: Scene, kernel: Kernel) -> None:
    before = scene.weather.proxy.accepted
    assert run(kernel.client, f"import time; time.sleep({_SILENCE + 1}); print('done')").stdout == "done\n"
    assert scene.weather.proxy.accepted == before
