"""RunPod on the wire, as its facts say it: REST v2 under /v2, and GraphQL under /graphql, with sandbox machines.

What a test may change besides the faults of the sandbox goes to `POST /control/runpod`: see `State`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from typing import Any

from jupyter_gpu_bridge.sandbox.clock import moment
from jupyter_gpu_bridge.sandbox.cloud import is_same
from jupyter_gpu_bridge.sandbox.errors import No, bad
from jupyter_gpu_bridge.sandbox.faults import Kind
from jupyter_gpu_bridge.sandbox.front import Call, Front
from jupyter_gpu_bridge.sandbox.http import Answer, Request
from jupyter_gpu_bridge.sandbox.records import Record, Status
from tests.clouds import runpod_goods as goods
from tests.clouds.runpod_catalog import data_centers, gpu_types, of_graphql
from tests.clouds.runpod_graphql import BadQuery, Document, Selected, parse, pick
from tests.clouds.runpod_orders import Said, of_input, of_rest, unfit
from tests.clouds.runpod_pods import GONE, Ordered, as_graphql, billing, environment, shown, status_of
from tests.clouds.runpod_state import State
from tests.clouds.simulators import Simulator

_PROBLEM = "application/problem+json"
_TITLES = {400: "Bad Request", 401: "Unauthorized", 402: "Payment Required", 403: "Forbidden", 404: "Not Found"}
_TITLES |= {405: "Method Not Allowed", 409: "Conflict", 422: "Unprocessable Entity", 429: "Too Many Requests"}
_PER_MINUTE = 60
_MOST_LOG = 5000

_ROUTES: Sequence[tuple[str, Mapping[str, str]]] = (
    (r"/v2/pods", {"GET": "list", "POST": "create"}),
    (r"/v2/pods/([^/]+)", {"GET": "get", "DELETE": "destroy", "PATCH": "update"}),
    (r"/v2/pods/([^/]+)/action", {"POST": "action"}),
    (r"/v2/pods/([^/]+)/logs", {"GET": "logs"}),
    (r"/v2/account/ssh-keys", {"GET": "keys", "PUT": "set-keys"}),
    (r"/v2/catalog/gpus", {"GET": "offers"}),
    (r"/v2/catalog/gpus/(.+)", {"GET": "offer"}),
    (r"/v2/catalog/datacenters", {"GET": "data-centers"}),
    (r"/v2/billing", {"GET": "billing"}),
    (r"/v2/billing/pods", {"GET": "billing"}),
)
_ACTIONS = {"stop": "stop", "start": "start", "restart": "restart", "terminate": "destroy"}
_OPERATIONS = {
    "gpuTypes": "offers",
    "dataCenters": "offers",
    "countryCodes": "offers",
    "cpuFlavors": "offers",
    "myself": "account",
    "pod": "get",
    "podFindAndDeployOnDemand": "create",
    "podStop": "stop",
    "podResume": "start",
    "podTerminate": "destroy",
    "updateUserSettings": "set-keys",
}


@dataclass(slots=True)
class _GraphCall(Call):
    document: Document | None = None


class RunPod(Front):
    def __init__(self, *what: Any) -> None:
        super().__init__(*what)
        self.state = State(**(self.cloud.store.fact("runpod") or {}))
        self._asked: dict[tuple[str, int], int] = {}

    # around every request ------------------------------------------------------------------------------------------

    async def handle(self, request: Request) -> Answer:
        if request.path == "/graphql" and not request.token and "api_key" in request.query:
            request = replace(request, token=request.query["api_key"])
        answer = await super().handle(request)
        if request.path.startswith("/control"):
            return answer
        if self.state.html and not answer.hangs_up:
            self.state.html -= 1
            page = b"<html><head><title>400 Bad Request</title></head></html>"
            return Answer(400, raw=page, headers={"Content-Type": "text/html"})
        if request.path == "/graphql":
            answer = _as_graphql(answer)
        return replace(answer, headers={**answer.headers, **self._budget_headers(request.token)})

    async def _controlled(self, request: Request) -> Answer:
        if request.path != "/control/runpod" or not is_same(request.token, self._control_key):
            return await super()._controlled(request)
        for name, value in (request.body or {}).items():
            setattr(self.state, name, value)
        self._remember()
        return Answer(200, asdict(self.state))

    def find(self, request: Request) -> Call:
        self._count(request.token)
        if request.path == "/graphql":
            return self._find_graphql(request)
        for pattern, verbs in _ROUTES:
            found = re.fullmatch(pattern, request.path)
            if found is None:
                continue
            if request.method not in verbs:
                raise Said(405, "method not allowed", headers={"Allow": ", ".join(verbs)})
            verb = verbs[request.method]
            if verb == "action":
                verb = _ACTIONS.get(str((request.body or {}).get("action")), "")
                if not verb:
                    raise unfit("$.action: value must be one of 'start', 'stop', 'restart', 'terminate'")
            call = Call(verb, found[1] if found.groups() and verb != "offer" else "")
            return self._named(call, request.body)
        raise No(404, "", "resource not found")

    def _find_graphql(self, request: Request) -> Call:
        if request.method != "POST" or not isinstance(request.body, dict):
            raise Said(400, "POST body missing, invalid Content-Type, or JSON object has no keys.")
        try:
            document = parse(str(request.body.get("query") or ""), request.body.get("variables") or {})
        except BadQuery as error:
            raise Said(400, str(error)) from None
        name = document.fields[0].name
        if name not in _OPERATIONS:
            kind = "Mutation" if document.kind == "mutation" else "Query"
            raise Said(400, f'Cannot query field "{name}" on type "{kind}".')
        ref = document.argument("input", "podId")
        call = _GraphCall(_OPERATIONS[name], str(ref or ""), is_open=_OPERATIONS[name] == "offers", document=document)
        return self._named(call, document.argument("input"))

    def _named(self, call: Call, body: Any) -> Call:
        if call.verb == "create" and isinstance(body, dict):
            call.name = str(body.get("name", ""))
        elif call.machine_id:
            call.name = self.name_of(call.machine_id)
        return call

    # what is asked -------------------------------------------------------------------------------------------------

    async def do(self, request: Request, call: Call) -> Answer:
        if self.state.forbids == call.verb:
            raise No(403, "", "access denied")
        self._start_again()
        if isinstance(call, _GraphCall):
            if call.document is None:
                raise bad("nothing was asked")
            return await self._do_graphql(call, call.document)
        if call.key == "machine" and not self.state.machine_keys:
            raise No(401, "", "missing bearer token")
        return await self._do_rest(request, call)

    async def _do_rest(self, request: Request, call: Call) -> Answer:
        ref, account = call.machine_id, call.account
        match call.verb:
            case "list":
                return Answer(200, {"pods": [self._shown(each) for each in self.cloud.shown(account)]})
            case "create":
                if self.state.quarrels:
                    self.state.quarrels -= 1
                    raise No(400, "", "mounts.persistent is only valid for GPU pods")
                order = of_rest(request.body)
                return Answer(201, self._shown(self._create(account, order, call)))
            case "get":
                return Answer(200, self._shown(self.cloud.get(account, ref)))
            case "destroy":
                await self._destroy(call)
                return Answer(204)
            case "stop" | "start" | "restart":
                await self._switch(call)
                return Answer(200, self._shown(self.cloud.get(account, ref)))
            case "update":
                return Answer(200, self._shown(self._update(call, request.body)))
            case "logs":
                told = _log(self.cloud.console(account, ref), request.query, moment(self.cloud.clock.now()))
                return replace(told, goes_on=not self.state.logs_end)
            case "keys" | "set-keys":
                if call.verb == "set-keys":
                    self.state.ssh_keys = list((request.body or {}).get("keys", []))
                    self._remember()
                return Answer(200, {"keys": self.state.ssh_keys})
            case "offers":
                return Answer(200, {"gpus": gpu_types(request.query, self._list_price)})
            case "offer":
                found = [
                    each for each in gpu_types({}, self._list_price) if f"/v2/catalog/gpus/{each['id']}" == request.path
                ]
                if not found:
                    raise No(404, "", "resource not found")
                return Answer(200, found[0])
            case "data-centers":
                return Answer(200, {"dataCenters": data_centers(request.query)})
            case "billing":
                return Answer(200, billing(self.cloud.billing(account), request.query.get("podId")))
        raise No(404, "", "resource not found")

    async def _do_graphql(self, call: _GraphCall, document: Document) -> Answer:
        first = document.fields[0]
        value: Any
        if call.verb == "create":
            if self.state.graphql_fails:
                raise Said(200, self.state.graphql_fails)
            order = of_input(document.argument("input"))
            value = self._as_graphql(self._create(call.account, order, call))
        elif call.verb == "offers":
            return _answered(document.fields, of_graphql(document, self._list_price))
        elif call.verb == "account":
            value = self._myself(call.account)
        elif call.verb == "get":
            record = next((each for each in self.cloud.shown(call.account) if each.machine_id == call.machine_id), None)
            value = None if record is None else self._as_graphql(record)
        elif call.verb == "destroy":
            await self._destroy(call)
            value = None
        elif call.verb in ("stop", "start"):
            await self._switch(call)
            value = self._as_graphql(self.cloud.get(call.account, call.machine_id))
        else:
            self.state.ssh_keys = str(document.argument("input", "pubKey") or "").splitlines()
            self._remember()
            value = self._myself(call.account)
        return _answered([first], {first.name: value})

    def refusal(self, no: No) -> Answer:
        status, errors, headers = no.status, getattr(no, "errors", []), getattr(no, "headers", {})
        detail = no.message
        if no.code == "unauthorized":
            detail = "missing bearer token"
        elif no.code in ("no_capacity", "no_such_offer"):
            status, detail = 400, GONE
        elif no.code == "not_found":
            detail = "pod not found"
        elif no.code == "forbidden":
            detail = "access denied"
        content: dict[str, Any] = {"title": _TITLES.get(status, "Internal Server Error"), "status": status}
        content["detail"] = detail
        if errors:
            content["errors"] = errors
        return Answer(status, content, headers={"Content-Type": _PROBLEM, **headers})

    # pods ----------------------------------------------------------------------------------------------------------

    def _create(self, account: str, order: Ordered, call: Call) -> Record:
        gpu = goods.find(order.gpu_id)
        if gpu is None or order.count < 1 or gpu.availability(order.cloud, order.count, order.places) == "NONE":
            raise No(400, "", GONE)
        if not gpu.meets(order.cloud, order.least_cuda, order.allowed_cuda):
            raise No(400, "", GONE)
        if self._balance(account) < self._price(gpu.gpu_id, order.cloud, order.count):
            raise No(402, "", "Insufficient balance to cover one hour of this pod.")
        item = goods.item_id(order.cloud, order.count, gpu.gpu_id)
        if self.strikes(Kind.PRICE_CHANGED, call):
            self.cloud.market.push(item)
        where = gpu.places(order.places)
        order = replace(order, places=where[:1])
        given = environment(order, self.state.ssh_keys)
        record = self.cloud.create(
            account,
            {
                "offer_id": item,
                "name": order.name,
                "public_key": given.get("PUBLIC_KEY", ""),
                "start_script": order.script(),
                "environment": given,
                "login": "root",
                "limit_seconds": order.seconds_left,
            },
        )
        self._agree(record, self._price(gpu.gpu_id, order.cloud, order.count))
        record.has_ssh = record.has_ssh and order.has_sshd
        call.machine_id = record.machine_id
        self.state.pods[record.machine_id] = order.plain()
        self._remember()
        return record

    def _agree(self, record: Record, price: Decimal) -> None:
        """List prices stay as they are, unlike those of the sandbox."""
        factor = Decimal(record.billed_price) / Decimal(record.price)
        record.price, record.billed_price = str(price), str((price * factor).normalize())
        record.segments.clear()
        record.bill_from(record.created, record.billed_price)

    async def _destroy(self, call: Call) -> None:
        if self.state.is_cluster:
            raise No(409, "", "pod belongs to a cluster")
        await self.cloud.destroy(
            call.account, call.machine_id, "asked by the machine" if call.key == "machine" else "asked"
        )

    async def _switch(self, call: Call) -> None:
        """Container disks are free while a pod is stopped; its public port is another one afterwards."""
        ref = call.machine_id
        record = self.cloud.get(call.account, ref)
        status = status_of(record, self.cloud.clock.now(), is_broken=self.state.is_broken)
        fits = status == "EXITED" if call.verb == "start" else status in ("RUNNING", "PROVISIONING", "STARTING")
        if not fits or (call.verb == "restart" and status != "RUNNING"):
            raise No(409, "", f"cannot {call.verb} a pod that is {status}")
        if call.verb != "start":
            self.state.stopped.append(ref)
            self._remember()
            await self.cloud.stop(call.account, ref)
            record.bill_from(self.cloud.clock.now(), "0")
        if call.verb != "stop":
            self._start(record)

    def _start(self, record: Record) -> None:
        self.state.stopped = [each for each in self.state.stopped if each != record.machine_id]
        self._remember()
        record.port = 0
        self.cloud.start(record.account, record.machine_id)

    def _start_again(self) -> None:
        """A pod whose first process has ended is started again, and billed all the time."""
        for each in self.cloud.all():
            if each.status is Status.OFF and each.machine_id not in self.state.stopped:
                self._start(each)

    def _update(self, call: Call, body: Any) -> Record:
        record = self.cloud.get(call.account, call.machine_id)
        strange = set(body or {}) - {"name", "image", "args", "disk", "ports", "env", "registry", "mounts", "locked"}
        if strange:
            raise unfit(*(f"$: additional properties '{each}' not allowed" for each in sorted(strange)))
        if "name" in body:
            record.name = str(body["name"])
        kept = {name: value for name, value in body.items() if name in ("image", "args", "disk", "ports", "env")}
        self.state.pods[record.machine_id] |= kept
        self._remember()
        return record

    def _ordered(self, record: Record) -> Ordered:
        plain = self.state.pods.get(record.machine_id)
        return Ordered(record.name, "unknown", "", 0, "SECURE") if plain is None else Ordered(**plain)

    def _shown(self, record: Record) -> dict[str, Any]:
        return shown(
            self._ordered(record),
            record,
            self.cloud.clock.now(),
            ports_after=self.state.ports_after,
            is_broken=self.state.is_broken,
        )

    def _as_graphql(self, record: Record) -> dict[str, Any]:
        return as_graphql(self._ordered(record), record, self._shown(record))

    # money and budgets ---------------------------------------------------------------------------------------------

    def _list_price(self, gpu_id: str, cloud: str) -> Decimal:
        """Of one GPU."""
        return self._price(gpu_id, cloud, 1)

    def _price(self, gpu_id: str, cloud: str, count: int) -> Decimal:
        gpu = goods.find(gpu_id)
        pushed = self.cloud.market.pushes.get(goods.item_id(cloud, count, gpu_id), 0)
        if gpu is None:
            raise bad("no such GPU")
        return (gpu.price(cloud) * count * Decimal("1.1") ** pushed).normalize()

    def _balance(self, account: str) -> Decimal:
        billed = sum((Decimal(str(each["amount"])) for each in self.cloud.billing(account)), Decimal(0))
        return Decimal(self.state.balance) - billed

    def _myself(self, account: str) -> dict[str, Any]:
        pods = [self._as_graphql(each) for each in self.cloud.shown(account)]
        return {
            "id": f"user_{account}",
            "email": "somebody@example.org",
            "pubKey": "\n".join(self.state.ssh_keys),
            "networkVolumes": [],
            "clientBalance": float(self._balance(account)),
            "currentSpendPerHr": sum(each["costPerHr"] for each in pods),
            "spendLimit": 80,
            "pods": pods,
        }

    def _count(self, token: str) -> None:
        if token not in self._accounts:
            return
        minute = int(self.cloud.clock.now() // 60)
        asked = self._asked.get((token, minute), 0) + 1
        self._asked[(token, minute)] = asked
        if self.state.per_minute and asked > self.state.per_minute:
            wait = str(60 - int(self.cloud.clock.now() % 60))
            raise Said(429, "rate limit exceeded for the minute window", headers={"Retry-After": wait})

    def _budget_headers(self, token: str) -> Mapping[str, str]:
        if token not in self._accounts:
            return {}
        now, quota = self.cloud.clock.now(), self.state.per_minute or _PER_MINUTE
        left = max(0, quota - self._asked.get((token, int(now // 60)), 0))
        rest = 60 - int(now % 60)
        return {
            "RateLimit": f'"minute";r={left};t={rest}, "hour";r=2999;t=1812, "day";r=49999;t=50000',
            "RateLimit-Policy": f'"minute";q={quota};w=60, "hour";q=3000;w=3600, "day";q=50000;w=86400',
        }

    def _remember(self) -> None:
        self.cloud.store.note("runpod", asdict(self.state))


def _answered(fields: Sequence[Selected], value: Mapping[str, Any]) -> Answer:
    try:
        return Answer(200, {"data": pick(dict(value), fields, "Query")})
    except BadQuery as error:
        raise Said(400, str(error)) from None


def _log(console: str, asked: Mapping[str, str], now: str) -> Answer:
    """As events; what is said later would follow."""
    tail = asked.get("tail", "100")
    if not tail.isdigit() or not 1 <= int(tail) <= _MOST_LOG:
        raise unfit(f"tail: must be a number from 1 to {_MOST_LOG}")
    told = [{"ts": now, "source": "container", "line": line} for line in console.splitlines()[-int(tail) :]]
    events = "".join(f"id: {now}\ndata: {json.dumps(each)}\n\n" for each in told)
    return Answer(200, raw=events.encode(), headers={"Content-Type": "text/event-stream"})


def _as_graphql(answer: Answer) -> Answer:
    """A refusal in its words: mostly with status 200."""
    content = answer.content
    if answer.hangs_up or not isinstance(content, dict) or "detail" not in content:
        return answer
    status = int(content["status"])
    codes = {401: "UNAUTHENTICATED", 403: "FORBIDDEN", 400: "BAD_USER_INPUT"}
    if content["detail"] == GONE:
        status, code = 200, "RUNPOD"
    else:
        code = codes.get(status, "INTERNAL_SERVER_ERROR")
    kept = status if status in (400, 401, 429) or status >= 500 else 200
    error = {"message": content["detail"], "extensions": {"code": code}}
    body: dict[str, Any] = {"errors": [error]} if kept != 200 else {"errors": [error], "data": None}
    headers = {name: value for name, value in answer.headers.items() if name == "Retry-After"}
    return Answer(kept, body, headers=headers)


SIMULATOR = Simulator(RunPod, goods.ITEMS)
