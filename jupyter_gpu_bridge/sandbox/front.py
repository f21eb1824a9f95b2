"""How a cloud takes what it is asked: whose key it is, what is meant, the faults that are switched on, and the log.

Each wire is one subclass: that of the sandbox itself (`api`), and those of simulators of other clouds, which rent the
same machines and say so in other words.
"""

from __future__ import annotations

import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jupyter_gpu_bridge.sandbox.clock import moment
from jupyter_gpu_bridge.sandbox.cloud import Cloud, is_same
from jupyter_gpu_bridge.sandbox.control import Control
from jupyter_gpu_bridge.sandbox.errors import No
from jupyter_gpu_bridge.sandbox.faults import Kind
from jupyter_gpu_bridge.sandbox.http import Answer, Request
from jupyter_gpu_bridge.sandbox.records import Record


@dataclass(slots=True)
class Call:
    """What is being asked, and by whom: what the log says of it."""

    verb: str
    """`account`, `offers`, `create`, `get`, `list`, `destroy`, `stop`, `start`, or a word of that wire alone."""
    machine_id: str = ""
    name: str = ""
    is_open: bool = False
    """Answered without a key, too."""
    key: str = "none"
    """`account`, `machine`, `control`, `wrong`, `none`: never the key itself."""
    account: str = ""
    fault: str = ""


class Front(ABC):
    """Answers requests; `on_request` hears of each."""

    name = ""
    """Of the cloud, where it is controlled by words of its own."""
    machine_verbs: Collection[str] = ("get", "destroy")
    """What the key of a machine is good for, and only for that machine."""

    def __init__(self, cloud: Cloud, control_key: str, end: Callable[[], None]) -> None:
        self.cloud = cloud
        self._control_key = control_key
        self._control = Control(cloud, end)
        self._accounts = {key: account for account, _, key in cloud.store.accounts()}
        self.on_request: Callable[[], None] = lambda: None

    async def handle(self, request: Request) -> Answer:
        """One request, whatever comes of it."""
        self.on_request()
        if request.path.startswith("/control"):
            return await self._controlled(request)
        call = Call("")
        try:
            call = self.find(request)
            answer = await self._handle(request, call)
        except No as no:
            answer = self.refusal(no)
        except Exception:
            traceback.print_exc()  # into the log
            answer = self.broken()
        self._log(request, call, answer)
        return answer

    # what each wire says in its own way ----------------------------------------------------------------------------

    @abstractmethod
    def find(self, request: Request) -> Call:
        """What is meant. Raises `No`."""

    @abstractmethod
    async def do(self, request: Request, call: Call) -> Answer:
        """It is done, for `call.account`. Raises `No`."""

    @abstractmethod
    def refusal(self, no: No) -> Answer: ...

    def broken(self) -> Answer:
        return self.refusal(No(500, "internal", "Something went wrong."))

    async def control_own(self, words: Sequence[str], asked: Mapping[str, Any]) -> Answer:
        """What tests may do to this cloud alone: `POST /control/NAME/WORDS`. Raises `No`."""
        raise No(404, "no_such_route", f"There is no control {'/'.join(words)}.")

    def down(self) -> Answer:
        return self.refusal(No(503, "unavailable", "Down for maintenance."))

    # around it -----------------------------------------------------------------------------------------------------

    async def _controlled(self, request: Request) -> Answer:
        if not is_same(request.token, self._control_key):
            return _said(No(401, "unauthorized", "That is not the control key."))
        try:
            words = request.path.split("/")[2:]
            if self.name and words[:1] == [self.name]:
                return await self.control_own(words[1:], request.body if isinstance(request.body, dict) else {})
            answer = await self._control.handle(request)
        except No as no:
            return _said(no)
        self._accounts = {key: account for account, _, key in self.cloud.store.accounts()}
        return answer

    async def _handle(self, request: Request, call: Call) -> Answer:
        machine = self._recognise(request, call)
        if machine is not None:
            if self.strikes(Kind.EGRESS_BLOCKED, call, machine):
                return Answer(0, hangs_up=True)
            if call.verb not in self.machine_verbs or call.machine_id != machine.machine_id:
                verbs = ", ".join(self.machine_verbs)
                raise No(403, "forbidden", f"The key of a machine is only good for that machine: {verbs}.")
        if self.strikes(Kind.API_DOWN, call):
            return self.down()
        if self.strikes(Kind.ERROR_BEFORE, call):
            return self.broken()
        answer = await self.do(request, call)
        if fault := self.cloud.strikes(Kind.SLOW_ANSWER, verb=call.verb, name=call.name or call.machine_id):
            call.fault = fault.kind.value
            await self.cloud.clock.sleep(fault.value)
        if self.strikes(Kind.ERROR_AFTER, call):
            return self.broken()
        if self.strikes(Kind.GARBAGE, call):
            return Answer(200, raw=b"<html>It works!</html>")
        if self.strikes(Kind.ANSWER_LOST, call):
            return Answer(0, hangs_up=True)
        return answer

    def _recognise(self, request: Request, call: Call) -> Record | None:
        """The machine that asks, when it is one; raises `No` for a key that is not good."""
        account = self._accounts.get(request.token)
        if account is not None:
            call.key, call.account = "account", account
            if self.strikes(Kind.KEY_REVOKED, call):
                raise No(401, "unauthorized", "The key has been revoked.")
            return None
        machine = self.cloud.find_key(request.token) if request.token else None
        if machine is not None:
            call.key, call.account = "machine", machine.account
            return machine
        call.key = "wrong" if request.token else "none"
        if not call.is_open:
            raise No(401, "unauthorized", "There is no such key.")
        return None

    def strikes(self, kind: Kind, call: Call, machine: Record | None = None) -> bool:
        fault = self.cloud.faults.strikes(
            kind,
            self.cloud.clock.now(),
            verb=call.verb,
            names=(machine.machine_id, machine.name) if machine else (call.machine_id, call.name, call.account),
        )
        if fault is None:
            return False
        self.cloud.note()
        call.fault = fault.kind.value
        return True

    def name_of(self, machine_id: str) -> str:
        return next((each.name for each in self.cloud.all() if each.machine_id == machine_id), "")

    def _log(self, request: Request, call: Call, answer: Answer) -> None:
        self.cloud.store.log(
            {
                "at": moment(self.cloud.clock.now()),
                "method": request.method,
                "path": request.path,
                "verb": call.verb,
                "machine": call.machine_id,
                "name": call.name,
                "key": call.key,
                "account": call.account,
                "outcome": "hung up" if answer.hangs_up else answer.status,
                "fault": call.fault,
            }
        )


def _said(no: No) -> Answer:
    return Answer(no.status, {"error": {"code": no.code, "message": no.message}})
