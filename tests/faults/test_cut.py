"""A hard cut: sshd and its sessions are killed, the port refuses, and a while later all is back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.compatibility.conversation import run, wait_for_output
from tests.faults.hearing import hear, hear_one
from tests.faults.scene import Kernel, Scene

pytestmark = pytest.mark.timeout(60)

COUNTING = """
import time
for number in range({count}):
    print("line", number, flush=True)
    time.sleep({pause})
"""


def lines(count: int) -> list[str]:
    return [f"line {number}" for number in range(count)]


@contextmanager
def cut(scene: Scene, seconds: float) -> Iterator[None]:
    """Nothing goes through for so long, and longer if what is done meanwhile takes longer."""
    ends = time.monotonic() + seconds
    scene.sshd.stop()
    try:
        yield
        time.sleep(max(0.0, ends - time.monotonic()))
    finally:
        scene.sshd.start()


def test_a_cell_outlasts_the_cut_and_every_line_arrives_once(scene: Scene, kernel: Kernel) -> None:
    asked = kernel.client.execute(COUNTING.format(count=40, pause=0.1))
    wait_for_output(kernel.client, asked, "line 3\n")
    with cut(scene, 2.0):
        pass
    heard = hear(kernel.client, asked)[asked]
    assert heard.lines == lines(40)[4:]
    assert len(heard.replies) == heard.idles == 1
    assert kernel.ask_pid() == kernel.pid


def test_a_cell_that_ends_within_the_cut_has_ended_when_the_line_is_back(scene: Scene, kernel: Kernel) -> None:
    asked = kernel.client.execute(COUNTING.format(count=40, pause=0.02))
    wait_for_output(kernel.client, asked, "line 3\n")
    with cut(scene, 2.0):
        pass
    assert hear_one(kernel.client, asked).lines[-30:] == lines(40)[-30:]
    assert kernel.ask_pid() == kernel.pid


@pytest.mark.parametrize("when", ["within", "after"])
def test_a_question_waits_for_its_answer(scene: Scene, kernel: Kernel, when: str) -> None:
    asked = kernel.client.execute("print('heard', input('well? '))", allow_stdin=True)
    kernel.client.get_stdin_msg(timeout=10)
    with cut(scene, 1.0):
        if when == "within":
            kernel.client.input("yes")
    if when == "after":
        kernel.client.input("yes")
    assert hear_one(kernel.client, asked).lines == ["heard yes"]


def test_a_question_that_was_asked_within_the_cut_arrives(scene: Scene, kernel: Kernel) -> None:
    asked = kernel.client.execute("import time; time.sleep(1); print('heard', input('well? '))", allow_stdin=True)
    with cut(scene, 2.0):
        pass
    assert kernel.client.get_stdin_msg(timeout=10)["content"]["prompt"] == "well? "
    kernel.client.input("yes")
    assert hear_one(kernel.client, asked).lines == ["heard yes"]


def test_comm_messages_arrive_at_both_ends(scene: Scene, kernel: Kernel) -> None:
    client = kernel.client
    made = run(client, "from comm import create_comm; heard = []; comm = create_comm(target_name='cut')")
    comm_id = made.of_type("comm_open")[0]["content"]["comm_id"]
    run(client, "comm.on_msg(lambda message: heard.append(message['content']['data']['number']))")
    talking = "import time\nfor number in range(20):\n    comm.send({'number': number})\n    time.sleep(0.1)"
    asked = client.execute(talking)
    with cut(scene, 1.5):
        for number in range(10):
            client.shell_channel.send(client.session.msg("comm_msg", {"comm_id": comm_id, "data": {"number": number}}))
    heard = hear_one(client, asked)
    spoken = [each["content"]["data"]["number"] for each in heard.outputs if each["msg_type"] == "comm_msg"]
    assert spoken == list(range(20))
    assert run(client, "print(*heard)").stdout.split() == [str(number) for number in range(10)]


def test_what_was_asked_within_the_cut_is_done_in_order(scene: Scene, kernel: Kernel) -> None:
    run(kernel.client, "done = []")
    with cut(scene, 1.0):
        asked = [kernel.client.execute(f"done.append({number}); print({number})") for number in range(20)]
    heard = hear(kernel.client, *asked)
    assert [heard[each].lines for each in asked] == [[str(number)] for number in range(20)]
    assert all(len(each.replies) == each.idles == 1 for each in heard.values())
    assert run(kernel.client, "print(*done)").stdout.split() == [str(number) for number in range(20)]


def test_an_interrupt_meant_for_the_running_cell_strikes_it_though_it_comes_late(scene: Scene, kernel: Kernel) -> None:
    asked = kernel.client.execute("import time\nprint('begun', flush=True)\nwhile True:\n    time.sleep(0.01)")
    wait_for_output(kernel.client, asked, "begun")
    with cut(scene, 2.0):
        kernel.manager.interrupt_kernel()
    heard = hear_one(kernel.client, asked)
    assert heard.replies[0]["content"]["ename"] == "KeyboardInterrupt"


def test_an_interrupt_from_within_the_cut_does_not_strike_a_later_cell(scene: Scene, kernel: Kernel) -> None:
    first = kernel.client.execute("import time; time.sleep(0.7); print('first')")
    wait = (
        "import time; begun = time.monotonic()\nwhile time.monotonic() < begun + 4: time.sleep(0.01)\nprint('second')"
    )
    second = kernel.client.execute(wait)
    time.sleep(0.3)
    with cut(scene, 2.5):
        kernel.manager.interrupt_kernel()
    heard = hear(kernel.client, first, second)
    assert heard[first].lines == ["first"]
    assert heard[second].lines == ["second"]
