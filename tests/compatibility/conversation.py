"""Talking to a kernel as a front end does: ask, gather what it says until it is idle, and never wait for ever."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from queue import Empty
from typing import Any

from jupyter_client.blocking.client import BlockingKernelClient

Message = dict[str, Any]

DEADLINE = 30.0


class NoAnswer(AssertionError):
    """The kernel did not say in time what was waited for."""


@dataclass(slots=True)
class Ran:
    """What came of one cell."""

    reply: Message
    outputs: list[Message] = field(default_factory=list)

    @property
    def status(self) -> str:
        return str(self.reply["content"]["status"])

    @property
    def stdout(self) -> str:
        return self.stream("stdout")

    def stream(self, name: str) -> str:
        mine = (each["content"] for each in self.of_type("stream") if each["content"]["name"] == name)
        return "".join(content["text"] for content in mine)

    def of_type(self, kind: str) -> list[Message]:
        return [each for each in self.outputs if each["msg_type"] == kind]


def run(client: BlockingKernelClient, code: str, *, deadline: float = DEADLINE, **options: Any) -> Ran:
    """Execute a cell and wait for its reply and for idle."""
    return gather(client, client.execute(code, **options), deadline=deadline)


def gather(client: BlockingKernelClient, msg_id: str, *, deadline: float = DEADLINE) -> Ran:
    """Everything that belongs to a request on the shell channel, until its reply and its idle."""
    until = time.monotonic() + deadline
    outputs = outputs_until_idle(client, msg_id, deadline=deadline)
    return Ran(reply_to(client.get_shell_msg, msg_id, deadline=until - time.monotonic()), outputs)


def outputs_until_idle(
    client: BlockingKernelClient,
    msg_id: str,
    *,
    deadline: float = DEADLINE,
    on_output: Callable[[Message], None] | None = None,
) -> list[Message]:
    """What is published because of one request, without the status messages."""
    until = time.monotonic() + deadline
    found: list[Message] = []
    while True:
        message = next_message(client.get_iopub_msg, until)
        if message["parent_header"].get("msg_id") != msg_id:
            continue
        if message["msg_type"] == "status":
            if message["content"]["execution_state"] == "idle":
                return found
            continue
        found.append(message)
        if on_output is not None:
            on_output(message)


def reply_to(get: Callable[..., Message], msg_id: str, *, deadline: float = DEADLINE) -> Message:
    """The reply to one request; `get` reads the channel that it was sent on."""
    until = time.monotonic() + deadline
    while True:
        message = next_message(get, until)
        if message["parent_header"].get("msg_id") == msg_id:
            return message


def next_message(get: Callable[..., Message], until: float) -> Message:
    """The next message of a channel, or `NoAnswer` when the moment `until` has passed."""
    try:
        return get(timeout=max(0.0, until - time.monotonic()))
    except Empty:
        raise NoAnswer("the kernel said nothing more in time") from None


def wait_for_output(client: BlockingKernelClient, msg_id: str, text: str, *, deadline: float = DEADLINE) -> None:
    """Return when the cell has written `text` to stdout."""
    until = time.monotonic() + deadline
    seen = ""
    while text not in seen:
        message = next_message(client.get_iopub_msg, until)
        if message["msg_type"] == "stream" and message["parent_header"].get("msg_id") == msg_id:
            seen += message["content"]["text"]


def request(client: BlockingKernelClient, channel: str, kind: str, content: Message, **options: Any) -> Message:
    """Send any request on `shell` or `control` and wait for its reply."""
    message: Message = client.session.msg(kind, content, **options)
    getattr(client, f"{channel}_channel").send(message)
    return reply_to(getattr(client, f"get_{channel}_msg"), message["header"]["msg_id"])
