"""What a client heard of one request, all of it: so that what came twice, or late, or for nobody shows as well."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from jupyter_client.blocking.client import BlockingKernelClient

from tests.compatibility.conversation import Message, NoAnswer

DEADLINE = 30.0


@dataclass(slots=True)
class Heard:
    """Of one request, or of all together."""

    outputs: list[Message] = field(default_factory=list)
    replies: list[Message] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(each["content"]["text"] for each in self.outputs if each["msg_type"] == "stream")

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    @property
    def idles(self) -> int:
        return sum(1 for each in self.outputs if each["content"].get("execution_state") == "idle")

    @property
    def has_ended(self) -> bool:
        return bool(self.replies) and self.idles > 0


def hear(client: BlockingKernelClient, *asked: str, deadline: float = DEADLINE) -> dict[str, Heard]:
    """Until all these requests have ended, and then until the kernel has done one thing more."""
    heard = {each: Heard() for each in asked}
    give_up = time.monotonic() + deadline
    while not all(each.has_ended for each in heard.values()):
        _take(client, heard, give_up)
    fence = client.execute("pass")
    heard[fence] = Heard()
    while not heard[fence].has_ended:
        _take(client, heard, give_up)
    del heard[fence]
    return heard


def hear_one(client: BlockingKernelClient, asked: str, *, deadline: float = DEADLINE) -> Heard:
    """As `hear`; that there is one reply and one idle is seen to."""
    heard = hear(client, asked, deadline=deadline)[asked]
    assert len(heard.replies) == heard.idles == 1
    return heard


def _take(client: BlockingKernelClient, heard: dict[str, Heard], give_up: float) -> None:
    if time.monotonic() > give_up:
        raise NoAnswer(f"not everything came; so far: { {key: value.lines[-3:] for key, value in heard.items()} }")
    if client.iopub_channel.socket.poll(20):
        message: dict[str, Any] = client.get_iopub_msg(timeout=1)
        key = message["parent_header"].get("msg_id", "")
        if key in heard:
            heard[key].outputs.append(message)
    while client.shell_channel.socket.poll(0):
        reply: dict[str, Any] = client.get_shell_msg(timeout=1)
        key = reply["parent_header"].get("msg_id", "")
        if key in heard:
            heard[key].replies.append(reply)
