"""kill -9 of the link, of the agent, and of both, while a cell is quiet, talks, floods, or asks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator

import pytest
from jupyter_client.manager import AsyncKernelManager

from tests.compatibility.conversation import NoAnswer, request, run, wait_for_output
from tests.faults.hearing import hear, hear_one
from tests.faults.processes import kill, until
from tests.faults.scene import Kernel, Scene

pytestmark = pytest.mark.timeout(90)

Strike = Callable[[], None]

_FLOOD = """
import sys
from IPython.display import display
for number in range({count}):
    sys.stdout.write(f"{{number}} " + "x" * 1000 + "\\n")
    if number % 100 == 0:
        display({{"text/plain": f"{{number}} " + "y" * 100_000}}, raw=True)
"""
_COUNT = 40_000


@pytest.fixture(scope="module")
def shared_scene() -> Iterator[Scene]:
    with Scene("openssh") as scene:
        yield scene


@pytest.fixture(params=["link", "agent", "both"])
def strike(request: pytest.FixtureRequest, scene: Scene) -> Strike:
    def strike() -> None:
        links, agents = scene.links(), scene.agents()
        assert len(links) == len(agents) == 1
        victims = {"link": links, "agent": agents, "both": [*links, *agents]}
        kill(*victims[request.param])

    return strike


def test_a_cell_goes_on_and_every_line_arrives_once(scene: Scene, kernel: Kernel, strike: Strike) -> None:
    code = "import time\nfor number in range(30):\n    print('line', number, flush=True)\n    time.sleep(0.1)"
    asked = kernel.client.execute(code)
    wait_for_output(kernel.client, asked, "line 3\n")
    strike()
    assert hear_one_end(kernel, asked) == [f"line {number}" for number in range(30)][4:]
    assert kernel.ask_pid() == kernel.pid
    assert len(scene.links()) == len(scene.agents()) == 1


def test_a_flood_arrives_whole_and_in_order(kernel: Kernel, strike: Strike) -> None:
    asked = kernel.client.execute(_FLOOD.format(count=_COUNT))
    message = kernel.client.get_iopub_msg(timeout=20)
    while message["msg_type"] != "stream":
        message = kernel.client.get_iopub_msg(timeout=20)
    first = message["content"]["text"]
    strike()
    heard = hear(kernel.client, asked, deadline=60)[asked]
    lines = (first + heard.text).splitlines()
    assert all(line.endswith("x" * 1000) for line in lines)
    assert [int(line.split(" ", 1)[0]) for line in lines] == list(range(_COUNT))
    shown = [each["content"]["data"]["text/plain"] for each in heard.outputs if each["msg_type"] == "display_data"]
    numbers = [int(each.split(" ", 1)[0]) for each in shown]
    assert numbers == list(range(_COUNT))[-len(numbers) * 100 :: 100]
    assert len(heard.replies) == heard.idles == 1


def test_what_is_asked_while_nobody_is_there_is_done_once_and_in_order(kernel: Kernel, strike: Strike) -> None:
    """Asked is what the link has read: what lies in its sockets when it is killed goes with them, as with any peer."""
    run(kernel.client, "import time; done = []")
    first = kernel.client.execute("print('begun', flush=True); time.sleep(1); done.append(0)")
    before = [first, *(kernel.client.execute(f"done.append({number})") for number in range(1, 5))]
    wait_for_output(kernel.client, first, "begun\n")
    strike()
    after = [kernel.client.execute(f"done.append({number})") for number in range(5, 10)]
    heard = hear(kernel.client, *before, *after)
    assert all(len(each.replies) == each.idles == 1 for each in heard.values())
    assert run(kernel.client, "print(*done)").stdout.split() == [str(number) for number in range(10)]


def test_a_question_waits_for_its_answer(kernel: Kernel, strike: Strike) -> None:
    asked = kernel.client.execute("print('heard', input('well? '))", allow_stdin=True)
    kernel.client.get_stdin_msg(timeout=10)
    strike()
    kernel.client.input("yes")
    assert hear_one(kernel.client, asked).lines == ["heard yes"]


def test_many_strikes_in_one_cell(scene: Scene, kernel: Kernel) -> None:
    code = "import time\nfor number in range(400):\n    print('line', number, flush=True)\n    time.sleep(0.01)"
    asked = kernel.client.execute(code)
    wait_for_output(kernel.client, asked, "line 3\n")
    for victims in (scene.links, scene.agents, scene.links, scene.agents):
        until("there was somebody to kill", lambda find=victims: len(find()) == 1)  # type: ignore[misc]
        kill(*victims())
        time.sleep(0.3)
    lines = hear_one_end(kernel, asked)
    assert lines == [f"line {number}" for number in range(400)][-len(lines) :]
    assert len(lines) > 380
    assert kernel.ask_pid() == kernel.pid


def test_a_killed_keeper_takes_its_kernel_along_and_the_client_hears_of_it(scene: Scene, kernel: Kernel) -> None:
    kill(*scene.keepers())
    until("the kernel was dead for its client", lambda: not kernel.manager.is_alive())
    until("the kernel had gone", lambda: not scene.kernels())
    kernel.manager.restart_kernel(now=True)
    fresh = kernel.new_client()
    assert run(fresh, "print('new life')").stdout == "new life\n"


def test_a_kernel_that_is_killed_from_outside_is_dead_for_its_client(scene: Scene, kernel: Kernel) -> None:
    asked = kernel.client.execute("import time; print('here', flush=True); time.sleep(60)")
    wait_for_output(kernel.client, asked, "here\n")  # a request that comes when it is dead is for the next life
    kill(kernel.pid)
    until("the kernel was dead for its client", lambda: not kernel.manager.is_alive())
    assert scene.keepers(), "the keeper stays, to restart it in its place"
    kernel.manager.restart_kernel(now=True)
    fresh = kernel.new_client()
    assert run(fresh, "print('new life')").stdout == "new life\n"


def test_what_no_client_took_yet_outlasts_a_cut_and_then_a_killed_link(scene: Scene, kernel: Kernel) -> None:
    """The link has it and nobody else has: a new carrier must not make the keeper forget it."""
    ended = scene.folder / "ended"
    show = "display({'text/plain': f'{number} ' + 'z' * 20_000}, raw=True)"
    code = f"from IPython.display import display\nfor number in range(100): {show}\nopen({str(ended)!r}, 'w').close()"
    kernel.client.execute(f"import time; time.sleep(0.5)\n{code}")
    kernel.client.stop_channels()
    until("the cell had ended", ended.exists)
    scene.sshd.cut_sessions()
    until("the carrier was back", lambda: scene.sshd.session_count() > 0)
    time.sleep(0.5)
    kill(*scene.links())
    late = kernel.manager.blocking_client()
    late.start_channels()
    shown: list[int] = []
    while len(shown) < 100:
        message = late.get_iopub_msg(timeout=20)
        if message["msg_type"] == "display_data":
            shown.append(int(message["content"]["data"]["text/plain"].split(" ")[0]))
    late.stop_channels()
    assert shown == list(range(100))


def hear_one_end(kernel: Kernel, asked: str) -> list[str]:
    heard = hear(kernel.client, asked)[asked]
    assert len(heard.replies) == heard.idles == 1
    return heard.lines


def test_a_request_on_control_is_answered(kernel: Kernel, strike: Strike) -> None:
    strike()
    try:
        reply = request(kernel.client, "control", "kernel_info_request", {})
    except NoAnswer:
        pytest.fail("the control lane stayed silent")
    assert reply["content"]["status"] == "ok"


@pytest.mark.parametrize("moment", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_a_start_goes_on_when_link_and_agent_are_killed_in_the_middle_of_it(scene: Scene, moment: float) -> None:
    async def start() -> AsyncKernelManager:
        manager = AsyncKernelManager(kernel_name=f"gpu-bridge-{scene.machine.name}")
        starting = asyncio.ensure_future(manager.start_kernel())
        await asyncio.wait([starting], timeout=moment)
        await asyncio.to_thread(kill, *scene.links(), *scene.agents())
        await starting
        return manager

    async def end(manager: AsyncKernelManager) -> None:
        await manager.shutdown_kernel(now=True)

    manager = asyncio.run(start())
    client = manager.blocking_client()
    client.start_channels()
    client.wait_for_ready(timeout=20)
    assert run(client, "print('here')").stdout == "here\n"
    assert len(scene.keepers()) == len(scene.kernels()) == 1
    client.stop_channels()
    asyncio.run(end(manager))
