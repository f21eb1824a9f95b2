"""The debugger, asked on the control channel in the order in which JupyterLab asks."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from jupyter_client.blocking.client import BlockingKernelClient

from tests.compatibility.conftest import Running
from tests.compatibility.conversation import Message, gather, next_message, request, run

_CODE = """def double(number):
    result = number * 2
    return result

answer = double(21)
print(answer)
"""


class _Debugger:
    """JupyterLab's side of the Debug Adapter Protocol."""

    def __init__(self, client: BlockingKernelClient) -> None:
        self._client = client
        self._sequence = 0

    def ask(self, command: str, **arguments: Any) -> Message:
        self._sequence += 1
        content = {"type": "request", "seq": self._sequence, "command": command, "arguments": arguments}
        answer: Message = request(self._client, "control", "debug_request", content)["content"]
        assert answer["success"], answer
        return answer

    def event(self, name: str) -> Message:
        """Wait for an event on the iopub channel."""
        until = time.monotonic() + 20
        while True:
            message = next_message(self._client.get_iopub_msg, until)
            if message["msg_type"] == "debug_event" and message["content"]["event"] == name:
                content: Message = message["content"]
                return content


@pytest.fixture
def debugger(kernel: Running) -> Iterator[_Debugger]:
    debugger = _Debugger(kernel.client)
    who = {"clientID": "jupyterlab", "clientName": "JupyterLab", "adapterID": "", "pathFormat": "path"}
    debugger.ask("initialize", **who, linesStartAt1=True, columnsStartAt1=True, supportsVariableType=True, locale="en")
    debugger.ask("attach")
    yield debugger
    debugger.ask("disconnect", restart=False, terminateDebuggee=False)


def test_the_kernel_says_that_it_can_be_debugged(kernel: Running) -> None:
    info = request(kernel.client, "shell", "kernel_info_request", {})["content"]
    assert "debugger" in info["supported_features"]
    answer = _Debugger(kernel.client).ask("debugInfo")["body"]
    assert answer["isStarted"] is False


def test_a_breakpoint_stops_a_cell_and_shows_its_variables(kernel: Running, debugger: _Debugger) -> None:
    path = debugger.ask("dumpCell", code=_CODE)["body"]["sourcePath"]
    set_ = debugger.ask("setBreakpoints", source={"path": path}, breakpoints=[{"line": 3}], sourceModified=False)
    assert [each["verified"] for each in set_["body"]["breakpoints"]] == [True]
    debugger.ask("configurationDone")
    assert debugger.ask("debugInfo")["body"]["breakpoints"][0]["source"] == path

    asked = kernel.client.execute(_CODE)
    thread = debugger.event("stopped")["body"]["threadId"]
    frames = debugger.ask("stackTrace", threadId=thread)["body"]["stackFrames"]
    assert (frames[0]["name"], frames[0]["line"]) == ("double", 3)
    scopes = debugger.ask("scopes", frameId=frames[0]["id"])["body"]["scopes"]
    variables = debugger.ask("variables", variablesReference=scopes[0]["variablesReference"])["body"]["variables"]
    assert {"number": "21", "result": "42"}.items() <= {each["name"]: each["value"] for each in variables}.items()

    debugger.ask("next", threadId=thread)
    debugger.event("stopped")
    debugger.ask("continue", threadId=thread)
    assert gather(kernel.client, asked).stdout == "42\n"


def test_variables_are_listed_while_nothing_is_stopped(kernel: Running, debugger: _Debugger) -> None:
    run(kernel.client, "inspected = [1, 2, 3]")
    variables = debugger.ask("inspectVariables")["body"]["variables"]
    assert {each["name"]: each["value"] for each in variables}["inspected"] == "[1, 2, 3]"
