"""Comms, as ipywidgets and other live outputs use them, with buffers large and small."""

from __future__ import annotations

import hashlib
import os
import time

from jupyter_client.blocking.client import BlockingKernelClient

from tests.compatibility.conftest import Running
from tests.compatibility.conversation import Message, next_message, outputs_until_idle, run

_ECHO = """
import hashlib
def _opened(comm, message):
    @comm.on_msg
    def _received(message):
        received = [bytes(buffer) for buffer in message["buffers"]]
        digest = hashlib.sha256(b"".join(received)).hexdigest()
        comm.send({"digest": digest, "count": len(received)}, buffers=received)
get_ipython().kernel.comm_manager.register_target("echo", _opened)
"""


def _send(client: BlockingKernelClient, kind: str, content: Message, buffers: list[bytes] | None = None) -> str:
    message: Message = client.session.msg(kind, content)
    client.session.send(client.shell_channel.socket, message, buffers=buffers)
    return str(message["header"]["msg_id"])


def test_a_widget_follows_both_sides(kernel: Running) -> None:
    made = run(kernel.client, "import ipywidgets; slider = ipywidgets.IntSlider(value=3); slider")
    opened = {each["content"]["data"]["state"]["_model_name"]: each["content"] for each in made.of_type("comm_open")}
    slider = opened["IntSliderModel"]
    assert slider["data"]["state"]["value"] == 3
    view = made.of_type("execute_result")[0]["content"]["data"]["application/vnd.jupyter.widget-view+json"]
    assert view["model_id"] == slider["comm_id"]

    moved = {"method": "update", "state": {"value": 7}, "buffer_paths": []}
    _send(kernel.client, "comm_msg", {"comm_id": slider["comm_id"], "data": moved})
    assert run(kernel.client, "print(slider.value)").stdout == "7\n"

    updates = run(kernel.client, "slider.value = 9").of_type("comm_msg")
    assert [each["content"]["data"]["state"] for each in updates] == [{"value": 9}]


def test_the_front_end_opens_a_comm_and_closes_it(kernel: Running) -> None:
    run(kernel.client, "open_comms = lambda: sorted(get_ipython().kernel.comm_manager.comms)")
    run(kernel.client, _ECHO)
    _send(kernel.client, "comm_open", {"comm_id": "from-here", "target_name": "echo", "data": {}})
    assert "from-here" in run(kernel.client, "print(*open_comms())").stdout.split()
    _send(kernel.client, "comm_close", {"comm_id": "from-here", "data": {}})
    assert "from-here" not in run(kernel.client, "print(*open_comms())").stdout.split()


def test_an_unknown_target_closes_the_comm(kernel: Running) -> None:
    asked = _send(kernel.client, "comm_open", {"comm_id": "nobody", "target_name": "no-such-target", "data": {}})
    said = outputs_until_idle(kernel.client, asked)
    assert [each["content"]["comm_id"] for each in said if each["msg_type"] == "comm_close"] == ["nobody"]


def test_large_and_empty_buffers_go_both_ways_unchanged(kernel: Running) -> None:
    run(kernel.client, _ECHO)
    _send(kernel.client, "comm_open", {"comm_id": "buffers", "target_name": "echo", "data": {}})
    sent = [os.urandom(16_000_000), b"", bytes(range(256)), os.urandom(4_000_001)]
    asked = _send(kernel.client, "comm_msg", {"comm_id": "buffers", "data": {}}, sent)
    until = time.monotonic() + 30
    while True:
        message = next_message(kernel.client.get_iopub_msg, until)
        if message["msg_type"] == "comm_msg" and message["parent_header"]["msg_id"] == asked:
            break
    assert message["content"]["data"] == {"digest": hashlib.sha256(b"".join(sent)).hexdigest(), "count": len(sent)}
    assert [bytes(buffer) for buffer in message["buffers"]] == sent
