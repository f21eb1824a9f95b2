"""Vast.ai on the wire, as far as its fact sheet knows it: a market of single hosts, which rents sandbox machines."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from jupyter_gpu_bridge.sandbox.cloud import Cloud
from jupyter_gpu_bridge.sandbox.errors import No
from jupyter_gpu_bridge.sandbox.front import Call, Front
from jupyter_gpu_bridge.sandbox.http import Answer, Request
from tests.clouds.simulators import Simulator
from tests.clouds.vast_accounts import Accounts
from tests.clouds.vast_asks import ITEMS
from tests.clouds.vast_contracts import Contracts
from tests.clouds.vast_logs import Logs
from tests.clouds.vast_market import Market
from tests.clouds.vast_notes import Notes

_ROUTES = {
    r"POST /api/v0/bundles": "offers",
    r"GET /api/v0/bundles": "offers",
    r"PUT /api/v0/search/asks": "offers",
    r"GET /api/v0/gpu_names/unique": "gpu-names",
    r"GET /api/v0/gpu_types": "gpu-names",
    r"PUT /api/v0/asks/(\d+)": "create",
    r"PUT /api/v0/launch_instance": "launch",
    r"GET /api/v1/instances": "list",
    r"GET /api/v0/instances": "old-list",
    r"DELETE /api/v0/instances": "destroy-many",
    r"GET /api/v0/instances/(\d+)": "get",
    r"PUT /api/v0/instances/(\d+)": "manage",
    r"DELETE /api/v0/instances/(\d+)": "destroy",
    r"PUT /api/v0/instances/(?:reboot|recycle)/(\d+)": "reboot",
    r"PUT /api/v0/instances/bid_price/(\d+)": "change-bid",
    r"PUT /api/v0/instances/request_logs/(\d+)": "logs",
    r"GET /logs/(\d+)": "log-text",
    r"GET /api/v0/instances/(\d+)/ssh": "attached",
    r"POST /api/v0/instances/(\d+)/ssh": "attach",
    r"DELETE /api/v0/instances/(\d+)/ssh/\d+": "detach",
    r"GET /api/v0/ssh": "keys",
    r"POST /api/v0/ssh": "add-key",
    r"DELETE /api/v0/ssh/\d+": "remove-key",
    r"GET /api/v0/users/current": "account",
    r"GET /api/v0/charges": "charges",
    r"GET /api/v0/commands/schedule_job": "jobs",
    r"POST /api/v0/commands/schedule_job": "add-job",
    r"DELETE /api/v0/commands/schedule_job/\d+": "remove-job",
}
_OPEN = {"offers", "gpu-names", "log-text"}


class Vast(Front):
    name = "vast"
    machine_verbs = ("start", "stop", "destroy")

    def __init__(self, cloud: Cloud, control_key: str, end: Callable[[], None]) -> None:
        super().__init__(cloud, control_key, end)
        self.notes = Notes(cloud.store)
        self._market = Market(cloud, self.notes, self.strikes)
        self._contracts = Contracts(cloud, self.notes, self._market)
        logs = Logs(cloud)
        self._accounts_rest = Accounts(cloud, self.notes, self._contracts)
        self._answers: Mapping[str, Callable[[Request, Call], Awaitable[Answer]]] = {
            "account": self._accounts_rest.account,
            "add-job": self._accounts_rest.add_job,
            "add-key": self._accounts_rest.add_key,
            "attach": self._accounts_rest.attach,
            "attached": self._accounts_rest.attached,
            "change-bid": self._contracts.change_bid,
            "charges": self._accounts_rest.charges,
            "create": self._market.create,
            "destroy": self._contracts.destroy,
            "destroy-many": self._contracts.destroy_many,
            "detach": self._accounts_rest.detach,
            "get": self._contracts.get,
            "gpu-names": self._market.gpu_names,
            "jobs": self._accounts_rest.jobs,
            "keys": self._accounts_rest.keys,
            "label": self._contracts.label,
            "launch": self._market.launch,
            "list": self._contracts.list,
            "log-text": logs.text,
            "logs": logs.request,
            "offers": self._market.offers,
            "old-list": self._contracts.old_list,
            "reboot": self._contracts.reboot,
            "remove-job": self._accounts_rest.remove_job,
            "remove-key": self._accounts_rest.remove_key,
            "start": self._contracts.start,
            "stop": self._contracts.stop,
        }

    def close(self) -> None:
        """Nothing of it listens any more."""
        self._contracts.close()

    async def handle(self, request: Request) -> Answer:
        if not request.token and request.query.get("api_key"):
            request = replace(request, token=request.query["api_key"])
        return await super().handle(request)

    def find(self, request: Request) -> Call:
        asked = f"{request.method} {request.path}"
        found, verb = next(
            ((found, verb) for route, verb in _ROUTES.items() if (found := re.fullmatch(route, asked))), (None, "")
        )
        if found is None:
            raise No(404, "not_found", f"No route for {asked}")
        if verb == "manage":
            verb = _managed(request.body)
        call = Call(verb, is_open=verb in _OPEN)
        if verb in ("create", "launch"):
            call.name = str(request.body.get("label") or "") if isinstance(request.body, dict) else ""
        elif found.groups():
            call.machine_id, call.name = found[1], self.name_of(found[1])
        return call

    async def do(self, request: Request, call: Call) -> Answer:
        instead = self.notes.refusal(call.verb, call.key + call.account, self.cloud.clock.now())
        if instead is not None:
            return instead
        return await self._answers[call.verb](request, call)

    def refusal(self, no: No) -> Answer:
        status, code, text = no.status, no.code, no.message
        if code == "unauthorized":
            code, text = "auth_error", "Invalid user key"
        elif code == "forbidden":
            code = "auth_error"
        elif code == "not_found" and status == 404:
            code = "no_such_instance"
        body: dict[str, Any] = {"success": False, "error": code, "msg": text}
        return Answer(status, body)

    # what tests ask -------------------------------------------------------------------------------------------------

    async def control_own(self, words: Sequence[str], asked: Mapping[str, Any]) -> Answer:
        """Those of `Notes`, and `outbid` (`machine`)."""
        machine = str(asked.get("machine") or "")
        record = next((each for each in self.cloud.all() if machine in (each.machine_id, each.name)), None)
        if list(words) == ["outbid"] and record is not None:
            await self._market.stop(record, "outbid")
        else:
            self.notes.control("/".join(words), asked, "" if record is None else record.machine_id)
        return Answer(200, {})


def _managed(body: Any) -> str:
    """Which verb a change of an instance is."""
    asked = body if isinstance(body, dict) else {}
    if "label" in asked:
        return "label"
    try:
        return {"stopped": "stop", "running": "start"}[str(asked.get("state"))]
    except KeyError:
        raise No(400, "invalid_args", "There is nothing to be changed.") from None


SIMULATOR = Simulator(Vast, ITEMS)
