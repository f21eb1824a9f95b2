"""Lambda's cloud as it answers on the wire, renting machines of the sandbox.

Every success is 200 and `data`; every failure is an `error` with a code. A machine boots without an address, has one
before it is active, and is listed as terminating for a while. Nothing ends it but a terminate: switched off from inside
it is unhealthy, and billed. See `Knobs` for what can be made to go wrong.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from jupyter_gpu_bridge.sandbox.cloud import is_same
from jupyter_gpu_bridge.sandbox.errors import No
from jupyter_gpu_bridge.sandbox.front import Call, Front
from jupyter_gpu_bridge.sandbox.http import Answer, Request
from jupyter_gpu_bridge.sandbox.records import Record, Status
from tests.clouds.lambda_books import Books
from tests.clouds.lambda_knobs import Knobs
from tests.clouds.lambda_order import fields_of, invalid, launch, text, unknown
from tests.clouds.lambda_stock import IMAGES, ITEMS, REGIONS, TYPES, line
from tests.clouds.lambda_words import actions, instance_id, key_pair, machine_id, token_of
from tests.clouds.simulators import Simulator

_BASE = "/api/v1"
_CONTROL = "/control/lambda"
_ROUTES = {
    ("GET", "/instance-types"): "offers",
    ("GET", "/regions"): "regions",
    ("GET", "/images"): "images",
    ("GET", "/ssh-keys"): "keys",
    ("POST", "/ssh-keys"): "add-key",
    ("GET", "/instances"): "list",
    ("POST", "/instance-operations/launch"): "create",
    ("POST", "/instance-operations/terminate"): "destroy",
    ("POST", "/instance-operations/restart"): "restart",
    ("GET", "/file-systems"): "file-systems",
    ("POST", "/filesystems"): "add-file-system",
    ("GET", "/firewall-rules"): "firewall",
    ("PUT", "/firewall-rules"): "set-firewall",
    ("GET", "/audit-events"): "audit",
}
_OF_ONE = {
    ("GET", "/instances/"): "get",
    ("POST", "/instances/"): "rename",
    ("DELETE", "/ssh-keys/"): "remove-key",
    ("DELETE", "/filesystems/"): "remove-file-system",
}
_WORDS: Mapping[str, tuple[int, str, str]] = {
    "unauthorized": (401, "global/invalid-api-key", "API key was invalid, expired, or deleted."),
    "forbidden": (401, "global/invalid-api-key", "API key was invalid, expired, or deleted."),
    "not_found": (404, "global/object-does-not-exist", "Specified instance does not exist."),
    "no_capacity": (
        400,
        "instance-operations/launch/insufficient-capacity",
        "Not enough capacity to fulfill launch request.",
    ),
    "wrong_state": (409, "global/conflict", "The instance is not in a state for that."),
    "internal": (500, "global/internal-error", "An unexpected error occurred."),
    "unavailable": (503, "provider/internal-unavailable", "The provider is unavailable."),
}
"""What the sandbox calls it: as Lambda says it."""
_SUGGESTIONS = {"instance-operations/launch/insufficient-capacity": "Choose another region, or try again later."}


class Lambda(Front):
    def __init__(self, *about: Any) -> None:
        super().__init__(*about)
        self.cloud.off_price = None
        self.cloud.market.is_steady = True
        self._books = Books(self.cloud.store)
        self._calls: list[float] = []
        self._launched: float | None = None

    async def handle(self, request: Request) -> Answer:
        if request.path == _CONTROL and is_same(request.token, self._control_key):
            return self._turned(request)
        if request.path.startswith("/control"):
            return await super().handle(request)
        if self._books.knobs.redirect:
            place = self._books.knobs.redirect + request.path
            return Answer(301, raw=b"<html>Moved</html>", headers={"Location": place, "Content-Type": "text/html"})
        return await super().handle(replace(request, token=token_of(request)))

    def find(self, request: Request) -> Call:
        path = request.path.removeprefix(_BASE)
        verb = _ROUTES.get((request.method, path), "")
        folder, _, one = path.rpartition("/")
        verb = verb or _OF_ONE.get((request.method, f"{folder}/"), "")
        if not verb or not request.path.startswith(_BASE):
            raise No(404, "global/not-found", "The requested resource was not found.")
        call = Call(verb)
        body = request.body if isinstance(request.body, dict) else {}
        if verb == "create":
            call.name = str(body.get("name", ""))
        elif verb in ("get", "rename"):
            call.machine_id = machine_id(one)
        elif verb in ("destroy", "restart"):
            named = body.get("instance_ids")
            call.machine_id = machine_id(str(named[0])) if isinstance(named, list) and named else ""
        elif one and verb.startswith("remove-"):
            call.machine_id = one
        if call.machine_id and not verb.startswith("remove-"):
            call.name = self.name_of(call.machine_id)
        return call

    async def do(self, request: Request, call: Call) -> Answer:
        if call.key == "machine":  # no machine has a key of its own here
            raise No(401, "unauthorized", "")
        self._pace(call)
        refuse = self._books.knobs.refuse
        if refuse and refuse.get("verb") in (call.verb, None):
            raise No(int(refuse["status"]), str(refuse["code"]), str(refuse.get("message", "No.")))
        doing = getattr(self, f"_{call.verb.replace('-', '_')}")
        return Answer(200, {"data": await doing(request, call)})

    def refusal(self, no: No) -> Answer:
        status, code, message = _WORDS.get(no.code, (no.status, no.code, no.message))
        refuse = self._books.knobs.refuse
        suggestion = refuse.get("suggestion") if refuse.get("code") == code else _SUGGESTIONS.get(code)
        error = {"code": code, "message": message, **({"suggestion": suggestion} if suggestion else {})}
        later = self._books.knobs.retry_after if status == 429 else ""
        return Answer(status, {"error": error}, {"Retry-After": later} if later else {})

    # what is sold --------------------------------------------------------------------------------------------------

    async def _offers(self, request: Request, call: Call) -> object:
        capacity = self._books.knobs.capacity
        return {
            each.name: {
                "instance_type": each.shown(self._cents(each.name)),
                "regions_with_capacity_available": [_region(name) for name in capacity.get(each.name, each.regions)],
            }
            for each in TYPES
        }

    def _cents(self, type_name: str) -> int:
        now, market = self.cloud.clock.now(), self.cloud.market
        prices = [market.price(item, now) for item in ITEMS if item.gpu == type_name]
        return self._books.knobs.cents.get(type_name, -int(-max(prices) * 100 // 1))

    async def _regions(self, request: Request, call: Call) -> object:
        return [_region(name) for name in REGIONS]

    async def _images(self, request: Request, call: Call) -> object:
        return [
            {
                "id": image_id,
                "created_time": "2026-06-01T00:00:00+00:00",
                "updated_time": "2026-06-01T00:00:00+00:00",
                "name": family.replace("-", " ").title(),
                "description": f"{family} for {architecture}",
                "family": family,
                "version": "22.4.0",
                "architecture": architecture,
                "region": _region(region),
            }
            for image_id, family, architecture, region in IMAGES
        ]

    # keys ----------------------------------------------------------------------------------------------------------

    async def _keys(self, request: Request, call: Call) -> object:
        return [_without_account(each) for each in self._books.keys(call.account)]

    async def _add_key(self, request: Request, call: Call) -> object:
        asked = fields_of(request.body)
        name = text(asked, "name", 64, shortest=1)
        if any(each["name"] == name for each in self._books.keys(call.account)):
            raise invalid(f"SSH key name already in use: {name}")
        if "public_key" in asked:
            public = text(asked, "public_key", 4096, shortest=1)
            if len(public.split()) < 2:
                raise invalid("public_key: Input should be an SSH public key")
            return _without_account(self._books.add_key(call.account, name, public))
        private, public = key_pair()
        return {**_without_account(self._books.add_key(call.account, name, public)), "private_key": private}

    async def _remove_key(self, request: Request, call: Call) -> object:
        key = next((each for each in self._books.keys(call.account) if each["id"] == call.machine_id), None)
        if key is None:
            raise unknown("SSH key")
        if self._books.knobs.keys_in_use and any(
            key["name"] in self._books.order(record.machine_id).get("ssh_key_names", [])
            for record in self.cloud.all()
            if record.is_there
        ):
            raise No(400, "ssh-keys/key-in-use", "SSH key is in use.")
        self._books.remove_key(key["id"])
        return {}

    # machines ------------------------------------------------------------------------------------------------------

    async def _create(self, request: Request, call: Call) -> object:
        asked = launch(request.body, self._books.keys(call.account))
        wait = self._books.knobs.launch_pause
        now = self.cloud.clock.now()
        if wait and self._launched is not None and now - self._launched < wait:
            raise No(429, "global/rate-limited", "Too many launch requests.")
        self._launched = now
        regions = self._books.knobs.capacity.get(
            asked.type_name, next(each.regions for each in TYPES if each.name == asked.type_name)
        )
        if asked.region not in regions:
            raise No(400, "no_capacity", "")
        script = asked.script
        if script and self._books.knobs.late_sshd:
            script = f"#!/bin/sh\nsleep {self._books.knobs.late_sshd}\n{script}"
        order = {
            "offer_id": line(asked.type_name, asked.region),
            "name": asked.name,
            "public_key": asked.key["public_key"],
            "start_script": script,
            "login": "ubuntu",
        }
        try:
            record = self.cloud.create(call.account, order)
        except No as no:
            if no.code != "price_changed":
                raise
            record = self.cloud.create(call.account, order)  # nobody asks what it may cost
        call.machine_id = record.machine_id
        left = self._books.knobs.boots_unhealthy
        more = {"is_unhealthy": left > 0, "settles": self._books.knobs.settles}
        self._books.turn({"boots_unhealthy": max(0, left - 1)})
        self._books.note_order(record.machine_id, {**asked.order, **more})
        return {"instance_ids": [instance_id(record.machine_id)]}

    async def _list(self, request: Request, call: Call) -> object:
        return [self._shown(each) for each in self.cloud.shown(call.account)]

    async def _get(self, request: Request, call: Call) -> object:
        with contextlib.suppress(No):
            return self._shown(self.cloud.get(call.account, call.machine_id))
        for each in self.cloud.all():
            if (each.machine_id, each.account) == (call.machine_id, call.account) and self._is_remembered(each):
                return self._shown(each)
        raise unknown("instance")

    async def _rename(self, request: Request, call: Call) -> object:
        record = self.cloud.get(call.account, call.machine_id)
        self._books.rename(record.machine_id, text(fields_of(request.body), "name", 64, shortest=1))
        return self._shown(record)

    async def _destroy(self, request: Request, call: Call) -> object:
        records = self._named(request, call)
        for each in records:
            await self.cloud.destroy(call.account, each.machine_id, "asked", takes=self._books.knobs.terminating)
        return {"terminated_instances": [self._shown(each) for each in records]}

    async def _restart(self, request: Request, call: Call) -> object:
        records = self._named(request, call)
        if any(self._status(each) != "active" for each in records):
            raise No(409, "wrong_state", "")
        for each in records:
            await self.cloud.stop(call.account, each.machine_id)
            self.cloud.start(call.account, each.machine_id)
        return {"restarted_instances": [self._shown(each) for each in records]}

    def _named(self, request: Request, call: Call) -> list[Record]:
        """All or none."""
        named = fields_of(request.body).get("instance_ids")
        if not isinstance(named, list) or not named or not all(isinstance(each, str) for each in named):
            raise invalid()
        return [self.cloud.get(call.account, machine_id(each)) for each in named]

    def _is_remembered(self, record: Record) -> bool:
        ended = record.ended
        return ended is not None and self.cloud.clock.now() - ended < self._books.knobs.readable

    def _status(self, record: Record) -> str:
        order = self._books.order(record.machine_id)
        if record.status is Status.DELETED:
            return "preempted" if record.end_reason == "reclaimed" else "terminated"
        if record.status is Status.DELETING:
            return "terminating"
        if record.status is Status.OFF:
            return "unhealthy"
        is_settled = self.cloud.clock.now() >= record.created + order.get("settles", 0.0)
        if record.status is Status.PROVISIONING or not record.port or not is_settled:
            return "booting"
        return "unhealthy" if order.get("is_unhealthy") else "active"

    def _shown(self, record: Record) -> dict[str, object]:
        knobs, status = self._books.knobs, self._status(record)
        repeated = {
            name: value
            for name, value in self._books.order(record.machine_id).items()
            if name not in ("is_unhealthy", "settles")
        }
        kind = next(each for each in TYPES if each.name == record.gpu)
        cents = knobs.cents.get(kind.name, int(Decimal(record.billed_price) * 100 + Decimal("0.5")))
        instance: dict[str, object] = {
            "id": instance_id(record.machine_id),
            "status": status,
            "ssh_key_names": [],
            "file_system_names": [],
            "region": _region(record.region),
            "instance_type": kind.shown(cents),
            "actions": actions(status),
            **repeated,
        }
        if record.status is Status.ACTIVE and record.port:
            instance["ip"] = f"127.0.0.1:{record.port}"
            instance["private_ip"] = "10.19.0.7"
            instance["jupyter_token"] = hashlib.sha256(record.mark.encode()).hexdigest()[:32]
            instance["jupyter_url"] = f"https://{record.machine_id}.lambdaspaces.example/?token=secret"
        instance["is_reserved"] = False
        if knobs.omits_private_ip:
            instance.pop("private_ip", None)
        if knobs.omits_optional:
            must = ("id", "status", "ssh_key_names", "file_system_names", "region", "instance_type", "actions", "name")
            instance = {name: value for name, value in instance.items() if name in must}
        return instance

    # the rest ------------------------------------------------------------------------------------------------------

    async def _file_systems(self, request: Request, call: Call) -> object:
        return [_without_account(each) for each in self._books.file_systems(call.account)]

    async def _add_file_system(self, request: Request, call: Call) -> object:
        asked = fields_of(request.body)
        name, region = text(asked, "name", 64, shortest=1), text(asked, "region", 64, shortest=1)
        if region not in REGIONS:
            raise unknown("region", 400)
        if any(each["name"] == name for each in self._books.file_systems(call.account)):
            raise No(400, "global/duplicate", "A filesystem of that name exists already.")
        return _without_account(self._books.add_file_system(call.account, name, _region(region)))

    async def _remove_file_system(self, request: Request, call: Call) -> object:
        if call.machine_id not in {each["id"] for each in self._books.file_systems(call.account)}:
            raise unknown("filesystem")
        self._books.remove_file_system(call.machine_id)
        return {"deleted_ids": [call.machine_id]}

    async def _firewall(self, request: Request, call: Call) -> object:
        return self._books.firewall(call.account)

    async def _set_firewall(self, request: Request, call: Call) -> object:
        rules = fields_of(request.body).get("data")
        if not isinstance(rules, list) or not all(isinstance(each, dict) for each in rules):
            raise invalid()
        if any(each.get("protocol") == "icmp" and "port_range" in each for each in rules):
            raise invalid("port_range: Not allowed for icmp")
        self._books.replace_firewall(call.account, rules)
        return rules

    async def _audit(self, request: Request, call: Call) -> object:
        return []

    # what goes wrong -----------------------------------------------------------------------------------------------

    def _turned(self, request: Request) -> Answer:
        if request.method == "DELETE":
            self._books.turn(Knobs().plain())
        if request.method == "POST" and isinstance(request.body, dict):
            try:
                self._books.turn(request.body)
            except ValueError as error:
                return Answer(422, {"error": {"code": "invalid", "message": str(error)}})
        return Answer(200, self._books.knobs.plain())

    def _pace(self, call: Call) -> None:
        """Raises `No` when it is asked too often."""
        most, now = self._books.knobs.calls_per_second, self.cloud.clock.now()
        self._calls = [each for each in self._calls if now - each < 1.0]
        if most and len(self._calls) >= most:
            raise No(429, "global/rate-limited", "Too many requests.")
        self._calls.append(now)


def _region(name: str) -> dict[str, str]:
    return {"name": name, "description": REGIONS.get(name, "Somewhere")}


def _without_account(plain: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in plain.items() if name != "account"}


SIMULATOR = Simulator(Lambda, ITEMS)
