"""Cells that ask the user."""

from __future__ import annotations

import re
import time

from jupyter_client.blocking.client import BlockingKernelClient

from tests.compatibility.conftest import Running
from tests.compatibility.conversation import Message, Ran, gather, next_message, run

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def _question(client: BlockingKernelClient) -> Message:
    message = next_message(client.get_stdin_msg, time.monotonic() + 20)
    assert message["msg_type"] == "input_request"
    content: Message = message["content"]
    return content


def _converse(client: BlockingKernelClient, code: str, *answers: tuple[str, str]) -> tuple[Ran, list[Message]]:
    """Run a cell that asks, and answer; each answer names the prompt that it is for."""
    asked = client.execute(code, allow_stdin=True)
    questions = []
    for prompt, answer in answers:
        questions.append(_question(client))
        assert questions[-1]["prompt"] == prompt
        client.input(answer)
    return gather(client, asked), questions


def test_input_gets_the_answer(kernel: Running) -> None:
    code = "first = input('first? '); second = input('second? '); print(first + second)"
    ran, questions = _converse(kernel.client, code, ("first? ", "ä"), ("second? ", "b"))
    assert ran.stdout == "äb\n"
    assert not any(question["password"] for question in questions)


def test_a_password_is_asked_for_as_one(kernel: Running) -> None:
    code = "import getpass; print(len(getpass.getpass('secret? ')))"
    ran, questions = _converse(kernel.client, code, ("secret? ", "12345"))
    assert ran.stdout == "5\n"
    assert questions[0]["password"]


def test_input_fails_where_nobody_can_answer(kernel: Running) -> None:
    ran = run(kernel.client, "input()", allow_stdin=False)
    assert ran.reply["content"]["ename"] == "StdinNotImplementedError"


def test_a_failure_can_be_examined_afterwards(kernel: Running) -> None:
    run(kernel.client, "def fail(culprit):\n    return 1 / culprit")
    assert run(kernel.client, "fail(0)").status == "error"
    ran, _ = _converse(kernel.client, "%debug", ("ipdb> ", "p culprit + 41"), ("ipdb> ", "up"), ("ipdb> ", "q"))
    assert ran.status == "ok"
    said = _COLOURS.sub("", ran.stdout)
    assert "41" in said
    assert "fail(0)" in said
