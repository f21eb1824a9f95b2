"""The pretend cloud's API: who may ask what, what is done, and the faults that are switched on for it."""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jupyter_gpu_bridge.sandbox.clock import moment
from jupyter_gpu_bridge.sandbox.cloud import Cloud, is_same, shown
from jupyter_gpu_bridge.sandbox.control import Control
from jupyter_gpu_bridge.sandbox.errors import No, bad, not_found
from jupyter_gpu_bridge.sandbox.faults import Kind
from jupyter_gpu_bridge.sandbox.http import Answer, Request
from jupyter_gpu_bridge.sandbox.records import Record

_MACHINE = re.compile(r"/v1/machines/([^/]+)(?:/([a-z]+))?")


@dataclass(slots=True)
class _Call:
    """What is being asked, and by whom: what the log says of it."""

    verb: str = ""
    machine_id: str = ""
    name: str = ""
    key: str = "none"
    """`account`, `machine`, `control`, `wrong`, `none`: never the key itself."""
    account: str = ""
    fault: str = ""


class Api:
    """Answers requests; `on_request` hears of each."""

    def __init__(self, cloud: Cloud, control_key: str, end: Callable[[], None]) -> None:
        self._cloud = cloud
        self._control_key = control_key
        self._control = Control(cloud, end)
        self._accounts = {key: account for account, _, key in cloud.store.accounts()}
        self.on_request: Callable[[], None] = lambda: None

    async def handle(self, request: Request) -> Answer:
        """One request, whatever comes of it."""
        self.on_request()
        if request.path.startswith("/control"):
            return await self._controlled(request)
        call = _Call()
        try:
            answer = await self._handle(request, call)
        except No as no:
            answer = _refusal(no)
        except Exception:
            traceback.print_exc()  # into the log
            answer = _broken()
        self._log(request, call, answer)
        return answer

    async def _controlled(self, request: Request) -> Answer:
        if not is_same(request.token, self._control_key):
            return _refusal(No(401, "unauthorized", "That is not the control key."))
        try:
            answer = await self._control.handle(request)
        except No as no:
            return _refusal(no)
        self._accounts = {key: account for account, _, key in self._cloud.store.accounts()}
        return answer

    async def _handle(self, request: Request, call: _Call) -> Answer:
        machine = self._recognise(request, call)
        self._find_verb(request, call)
        if machine is not None:
            if self._strikes(Kind.EGRESS_BLOCKED, call, machine):
                return Answer(0, hangs_up=True)
            if call.verb not in ("get", "destroy") or call.machine_id != machine.machine_id:
                raise No(403, "forbidden", "The key of a machine is only good to read and to delete that machine.")
        if self._strikes(Kind.API_DOWN, call):
            return Answer(503, {"error": {"code": "unavailable", "message": "Down for maintenance."}})
        if self._strikes(Kind.ERROR_BEFORE, call):
            return _broken()
        answer = await self._do(request, call)
        if fault := self._cloud.strikes(Kind.SLOW_ANSWER, verb=call.verb, name=call.name or call.machine_id):
            call.fault = fault.kind.value
            await self._cloud.clock.sleep(fault.value)
        if self._strikes(Kind.ERROR_AFTER, call):
            return _broken()
        if self._strikes(Kind.GARBAGE, call):
            return Answer(200, raw=b"<html>It works!</html>")
        if self._strikes(Kind.ANSWER_LOST, call):
            return Answer(0, hangs_up=True)
        return answer

    # who asks what -------------------------------------------------------------------------------------------------

    def _recognise(self, request: Request, call: _Call) -> Record | None:
        """The machine that asks, when it is one; raises `No` for a key that is not good."""
        account = self._accounts.get(request.token)
        if account is not None:
            call.key, call.account = "account", account
            if self._strikes(Kind.KEY_REVOKED, call):
                raise No(401, "unauthorized", "The key has been revoked.")
            return None
        machine = self._cloud.find_key(request.token) if request.token else None
        if machine is None:
            call.key = "wrong" if request.token else "none"
            raise No(401, "unauthorized", "There is no such key.")
        call.key, call.account = "machine", machine.account
        return machine

    def _find_verb(self, request: Request, call: _Call) -> None:
        plain = {
            ("GET", "/v1/account"): "account",
            ("GET", "/v1/offers"): "offers",
            ("GET", "/v1/billing"): "billing",
            ("GET", "/v1/machines"): "list",
            ("POST", "/v1/machines"): "create",
        }
        one = {("GET", None): "get", ("DELETE", None): "destroy", ("GET", "console"): "console"}
        one |= {("POST", "stop"): "stop", ("POST", "start"): "start"}
        found = _MACHINE.fullmatch(request.path)
        verb = plain.get((request.method, request.path)) or (one.get((request.method, found[2])) if found else None)
        if verb is None:
            raise No(404, "no_such_route", f"There is no {request.method} {request.path}.")
        call.verb = verb
        call.machine_id = found[1] if found else ""
        if verb == "create" and isinstance(request.body, dict):
            call.name = str(request.body.get("name", ""))
        elif call.machine_id:
            call.name = next((each.name for each in self._cloud.all() if each.machine_id == call.machine_id), "")

    def _strikes(self, kind: Kind, call: _Call, machine: Record | None = None) -> bool:
        fault = self._cloud.faults.strikes(
            kind,
            self._cloud.clock.now(),
            verb=call.verb,
            names=(machine.machine_id, machine.name) if machine else (call.machine_id, call.name, call.account),
        )
        if fault is None:
            return False
        self._cloud.note()
        call.fault = fault.kind.value
        return True

    # what is done --------------------------------------------------------------------------------------------------

    async def _do(self, request: Request, call: _Call) -> Answer:
        cloud, account, machine_id = self._cloud, call.account, call.machine_id
        if call.verb == "account":
            title = next(title for name, title, _ in cloud.store.accounts() if name == account)
            return Answer(200, {"account": account, "title": title, "balance": "1000.00", "pretend": True})
        if call.verb == "offers":
            return Answer(200, {"offers": [each for each in cloud.offers() if _fits(each, request.query)]})
        if call.verb == "billing":
            return Answer(200, {"machines": cloud.billing(account)})
        if call.verb == "list":
            return Answer(200, {"machines": [shown(each) for each in cloud.shown(account)]})
        if call.verb == "create":
            record = cloud.create(account, _object(request.body))
            call.machine_id = record.machine_id
            return Answer(201, shown(record))
        if call.verb == "get":
            return Answer(200, shown(cloud.get(account, machine_id)))
        if call.verb == "console":
            return Answer(200, {"console": cloud.console(account, machine_id)})
        if call.verb == "destroy":
            await cloud.destroy(account, machine_id, "asked by the machine" if call.key == "machine" else "asked")
        elif call.verb == "stop":
            await cloud.stop(account, machine_id)
        elif call.verb == "start":
            cloud.start(account, machine_id)
        else:
            raise not_found(machine_id)
        return Answer(200, {"id": machine_id})

    def _log(self, request: Request, call: _Call, answer: Answer) -> None:
        self._cloud.store.log(
            {
                "at": moment(self._cloud.clock.now()),
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


def _fits(offer: dict[str, object], query: dict[str, str]) -> bool:
    """The market's few filters, all optional: `gpu`, `region`, `spot`."""
    spot = {"true": True, "false": False}.get(query.get("spot", ""))
    return (
        query.get("gpu", offer["gpu"]) == offer["gpu"]
        and query.get("region", offer["region"]) == offer["region"]
        and spot in (None, offer["spot"])
    )


def _object(body: Any) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise bad("The body is no JSON object.")
    return body


def _refusal(no: No) -> Answer:
    return Answer(no.status, {"error": {"code": no.code, "message": no.message}})


def _broken() -> Answer:
    return Answer(500, {"error": {"code": "internal", "message": "Something went wrong."}})
