"""The pretend cloud's own wire."""

from __future__ import annotations

import re
from typing import Any

from jupyter_gpu_bridge.sandbox.cloud import shown
from jupyter_gpu_bridge.sandbox.errors import No, bad, not_found
from jupyter_gpu_bridge.sandbox.front import Call, Front
from jupyter_gpu_bridge.sandbox.http import Answer, Request

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,58}[a-z0-9])?")
_MACHINE = re.compile(r"/v1/machines/([^/]+)(?:/([a-z]+))?")

_PLAIN = {
    ("GET", "/v1/account"): "account",
    ("GET", "/v1/offers"): "offers",
    ("GET", "/v1/billing"): "billing",
    ("GET", "/v1/machines"): "list",
    ("POST", "/v1/machines"): "create",
}
_OF_ONE = {
    ("GET", None): "get",
    ("DELETE", None): "destroy",
    ("GET", "console"): "console",
    ("POST", "stop"): "stop",
    ("POST", "start"): "start",
    ("POST", "limit"): "put-off",
}


class Api(Front):
    def find(self, request: Request) -> Call:
        found = _MACHINE.fullmatch(request.path)
        verb = _PLAIN.get((request.method, request.path))
        if verb is None and found is not None:
            verb = _OF_ONE.get((request.method, found[2]))
        if verb is None:
            raise No(404, "no_such_route", f"There is no {request.method} {request.path}.")
        call = Call(verb, found[1] if found else "")
        if verb == "create" and isinstance(request.body, dict):
            call.name = str(request.body.get("name", ""))
        elif call.machine_id:
            call.name = self.name_of(call.machine_id)
        return call

    async def do(self, request: Request, call: Call) -> Answer:
        cloud, account, machine_id = self.cloud, call.account, call.machine_id
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
            record = cloud.create(account, _order(request.body))
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
        elif call.verb == "put-off":
            cloud.put_off(account, machine_id, _seconds(request.body))
        else:
            raise not_found(machine_id)
        return Answer(200, {"id": machine_id})

    def refusal(self, no: No) -> Answer:
        return Answer(no.status, {"error": {"code": no.code, "message": no.message}})


def _fits(offer: dict[str, object], query: dict[str, str]) -> bool:
    """The market's few filters, all optional: `gpu`, `region`, `spot`."""
    spot = {"true": True, "false": False}.get(query.get("spot", ""))
    return (
        query.get("gpu", offer["gpu"]) == offer["gpu"]
        and query.get("region", offer["region"]) == offer["region"]
        and spot in (None, offer["spot"])
    )


def _seconds(body: Any) -> int:
    limit = body.get("limit_seconds") if isinstance(body, dict) else None
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
        raise bad("The limit is no number of seconds.")
    return limit


def _order(body: Any) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise bad("The body is no JSON object.")
    name, public_key = body.get("name"), body.get("public_key")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise bad("A name has up to 60 lower-case letters, digits and dashes.")
    if not isinstance(public_key, str) or len(public_key.split()) < 2:
        raise bad("The public key is no line of authorized_keys.")
    if body.get("limit_seconds") is not None:
        _seconds(body)
    known = ("offer_id", "price", "name", "public_key", "start_script", "limit_seconds")
    return {field: body[field] for field in known if field in body}
