"""Subshells: cells that run while another one is busy (JEP 91)."""

from __future__ import annotations

import time

from tests.compatibility.conftest import Running
from tests.compatibility.conversation import Message, next_message, request, run


def test_a_subshell_runs_while_the_main_shell_is_busy(kernel: Running) -> None:
    client = kernel.client
    info = request(client, "shell", "kernel_info_request", {})["content"]
    assert "kernel subshells" in info["supported_features"]
    made = request(client, "control", "create_subshell_request", {})["content"]
    assert made["status"] == "ok"
    listed = request(client, "control", "list_subshell_request", {})["content"]
    assert listed["subshell_id"] == [made["subshell_id"]]

    run(client, "import threading; allowed = threading.Event()")
    busy = client.execute("print(allowed.wait(20))")
    message: Message = client.session.msg("execute_request", {"code": "allowed.set(); print('from the side')"})
    message["content"] |= {"silent": False, "store_history": False, "user_expressions": {}, "allow_stdin": False}
    message["header"]["subshell_id"] = made["subshell_id"]
    client.shell_channel.send(message)

    assert _said_by_both(kernel, busy, message["header"]["msg_id"]) == ["True\n", "from the side\n"]

    deleted = request(client, "control", "delete_subshell_request", {"subshell_id": made["subshell_id"]})
    assert deleted["content"]["status"] == "ok"
    assert request(client, "control", "list_subshell_request", {})["content"]["subshell_id"] == []
    assert run(client, "print('main')").stdout == "main\n"


def _said_by_both(kernel: Running, *asked: str) -> list[str]:
    """What each of the requests wrote, once all of them have replied and are idle."""
    said, idle, replied = dict.fromkeys(asked, ""), set[str](), set[str]()
    until = time.monotonic() + 20
    while idle != set(asked):
        message = next_message(kernel.client.get_iopub_msg, until)
        if (parent := message["parent_header"].get("msg_id")) in said:
            said[parent] += message["content"].get("text", "")
            if message["content"].get("execution_state") == "idle":
                idle.add(parent)
    while replied != set(asked):
        message = next_message(kernel.client.get_shell_msg, until)
        replied |= {message["parent_header"]["msg_id"]} & set(asked)
    return list(said.values())
