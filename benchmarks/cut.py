"""A hard cut: sshd and its sessions are killed, the port refuses, then all is back; meanwhile a cell goes on.

All kinds live through the same cut. Four scenes: a cell that outlasts it, one that ends within it, one that waits for
`input()`, and one that is spoken to and speaks through a comm.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from queue import Empty

from jupyter_client.blocking.client import BlockingKernelClient

from benchmarks.kernels import Kernel, Owner, owners
from benchmarks.options import count
from benchmarks.report import Benchmark, Figures, Measured, main
from benchmarks.weather import Watch, is_whole, judge
from tests.compatibility.conversation import NoAnswer, run
from tests.compatibility.world import Kind, World

_LINES = 40
_BEFORE = 5.0
"""Seconds of the cell before the cut."""
_PATIENCE = 30.0
"""Seconds after the last line should have come."""

_CELL = """
import time
for number in range({count}):
    print("line", number, flush=True)
    time.sleep(1)
"""

_ASKING = "print('answered', input('question '))"

_COMM = """
import time
from comm import create_comm
heard = []
comm = create_comm(target_name="cut")
comm.on_msg(lambda message: heard.append(message["content"]["data"]["number"]))
for number in range({count}):
    comm.send({{"number": number}})
    print("line", number, flush=True)
    time.sleep(1)
"""
_SPOKEN = 10
"""Comm messages to the kernel, sent in the middle of the cut."""


def measure(world: World, kinds: list[Kind], options: argparse.Namespace) -> dict[Kind, Figures]:
    figures: dict[Kind, Figures] = {kind: {} for kind in kinds}
    with owners(world, kinds) as all_owners:
        for scene in options.scenes.split(","):
            for kind, found in _SCENES[scene](world, all_owners, options.seconds).items():
                figures[kind][scene] = found
    return figures


def _outlasts(world: World, all_owners: list[Owner], seconds: int) -> dict[Kind, Figures]:
    return _cells(world, all_owners, seconds, _LINES)


def _ends_within(world: World, all_owners: list[Owner], seconds: int) -> dict[Kind, Figures]:
    return _cells(world, all_owners, seconds, int(_BEFORE + seconds / 2))


def _cells(world: World, all_owners: list[Owner], seconds: int, lines: int) -> dict[Kind, Figures]:
    expected = [f"line {number}" for number in range(lines)]
    with ExitStack() as stack:
        kernels = [stack.enter_context(each.start()) for each in all_owners]
        watches = [Watch(kernel, _CELL.format(count=lines)) for kernel in kernels]
        last_line = time.monotonic() + lines
        back = _cut(world, seconds)
        return _verdicts(watches, expected, back, max(back, last_line))


def _verdicts(watches: list[Watch], expected: list[str], back: float, last_line: float) -> dict[Kind, Figures]:
    for watch in watches:
        watch.wait(max(0.0, last_line + _PATIENCE - time.monotonic()))
        watch.close()
    return {watch.kernel.kind: judge(watch, expected, back) for watch in watches}


def _cut(world: World, seconds: float, meanwhile: Callable[[], None] = lambda: None) -> float:
    """Five fair seconds, then the cut; the moment at which the port answers again."""
    time.sleep(_BEFORE)
    world.sshd.stop()
    ends = time.monotonic() + seconds
    time.sleep(seconds / 2)
    meanwhile()
    time.sleep(max(0.0, ends - time.monotonic()))
    world.sshd.start()
    return time.monotonic()


def _input(world: World, all_owners: list[Owner], seconds: int) -> dict[Kind, Figures]:
    """The question stands before the cut; the answer is given one second after the port answers."""
    with ExitStack() as stack:
        clients: dict[Kind, tuple[Kernel, BlockingKernelClient, str]] = {}
        for each in all_owners:
            kernel = stack.enter_context(each.start())
            client = kernel.ready_client()
            clients[each.kind] = (kernel, client, client.execute(_ASKING, allow_stdin=True))
            client.get_stdin_msg(timeout=10)
        _cut(world, seconds)
        time.sleep(1)  # what a person takes to answer
        for _, client, _ in clients.values():
            client.input("yes")
        return {kind: _answered(*found) for kind, found in clients.items()}


def _answered(kernel: Kernel, client: BlockingKernelClient, asked: str) -> Figures:
    text, idle, replied = "", False, False
    until = time.monotonic() + _PATIENCE
    while not (idle and replied) and time.monotonic() < until:
        try:
            message = client.get_iopub_msg(timeout=0.05)
        except Empty:
            message = None
        if message is not None and message["parent_header"].get("msg_id") == asked:
            text += message["content"].get("text", "")
            idle |= message["content"].get("execution_state") == "idle"
        if client.shell_channel.msg_ready():
            replied |= client.get_shell_msg(timeout=1)["parent_header"].get("msg_id") == asked
    return {"answer": "answered yes" in text, "reply": replied, "idle": idle, "restarts": kernel.state()["restarts"]}


def _comm(world: World, all_owners: list[Owner], seconds: int) -> dict[Kind, Figures]:
    """Comm messages from the kernel all along, and to it in the middle of the cut, which it takes after the cell."""
    expected = [text.format(number) for number in range(_LINES) for text in ("comm {}", "line {}")]
    with ExitStack() as stack:
        kernels = [stack.enter_context(each.start()) for each in all_owners]
        speakers = [kernel.ready_client() for kernel in kernels]
        watches = [Watch(kernel, _COMM.format(count=_LINES)) for kernel in kernels]
        last_line = time.monotonic() + _LINES

        def speak() -> None:
            for watch, speaker in zip(watches, speakers, strict=True):
                for number in range(_SPOKEN):
                    content = {"comm_id": watch.seen.comm_id, "data": {"number": number}}
                    speaker.shell_channel.send(speaker.session.msg("comm_msg", content))

        back = _cut(world, seconds, meanwhile=speak)
        found = _verdicts(watches, expected, back, max(back, last_line))
        for watch in watches:
            found[watch.kernel.kind]["heard"] = _heard(watch.client)
    return found


def _heard(client: BlockingKernelClient) -> bool:
    try:
        return run(client, "print(*heard)").stdout.split() == [str(number) for number in range(_SPOKEN)]
    except NoAnswer:
        return False


_SCENES = {"outlasts": _outlasts, "ends_within": _ends_within, "input": _input, "comm": _comm}


def holds(figures: Figures, _: Measured) -> bool:
    cells = [figures[scene] for scene in ("outlasts", "ends_within", "comm") if scene in figures]
    # Nothing came afterwards: so it is for a kernel that no cut reaches, when its cell ends within the cut.
    whole = all(is_whole(cell) and (cell["first_output_s"] or 0) <= 1 for cell in cells)
    asked = figures.get("input", {"answer": True, "reply": True, "idle": True, "restarts": 0})
    answered = asked["answer"] and asked["reply"] and asked["idle"] and asked["restarts"] == 0
    return bool(whole and answered and figures.get("comm", {"heard": True})["heard"])


def _options(parser: argparse.ArgumentParser) -> None:
    count("seconds", 20, "how long the cut lasts")(parser)
    parser.add_argument("--scenes", default=",".join(_SCENES), help="which scenes, with commas")


BENCHMARK = Benchmark(
    name="cut",
    bar="hard cut of 20 s: each line once and in order, reply and idle, same pid, no restart, first output <= 1 s",
    measure=measure,
    holds=holds,
    options=_options,
)

if __name__ == "__main__":
    sys.exit(main(BENCHMARK))
