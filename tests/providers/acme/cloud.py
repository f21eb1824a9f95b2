"""Acme's cloud on the wire, renting machines of the sandbox. Only the package beside this file knows its words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from jupyter_gpu_bridge.sandbox.errors import No, bad, not_found
from jupyter_gpu_bridge.sandbox.front import Call, Front
from jupyter_gpu_bridge.sandbox.http import Answer, Request
from jupyter_gpu_bridge.sandbox.market import Item
from jupyter_gpu_bridge.sandbox.records import Record, Status
from tests.clouds.simulators import Simulator

USER = "boxer"
CREDIT_CENTS = "4217.5"

_ITEMS = (
    Item("shelf-1", "NVIDIA GeForce RTX 4090", 1, 24564, Decimal("0.44"), "berlin", False, ""),
    Item("shelf-2", "NVIDIA H100 80GB HBM3", 1, 81559, Decimal("2.51"), "oslo", False, ""),
)
_VERBS = {
    ("GET", "/me"): "account",
    ("GET", "/shelf"): "offers",
    ("GET", "/boxes"): "list",
    ("POST", "/boxes"): "create",
}
_OF_ONE = {("GET", ""): "get", ("DELETE", ""): "destroy", ("GET", "/console"): "console"}
_BOX = re.compile(r"/boxes/([^/]+)(/console|)")
_STATES = {
    Status.PROVISIONING: "queued",
    Status.ACTIVE: "up",
    Status.OFF: "down",
    Status.DELETING: "leaving",
}
_NO = {"no_capacity": "sold-out", "price_changed": "dearer-now", "no_such_offer": "sold-out"}
"""What the sandbox calls it: as Acme says it."""
_OWN = {"ACME_API": "{api}", "ACME_BOX": "{machine}", "ACME_BOX_KEY": "{key}"}
"""What a box is told of itself."""


class Acme(Front):
    def __init__(self, *about: Any) -> None:
        super().__init__(*about)
        self.cloud.market.is_steady = True

    def find(self, request: Request) -> Call:
        verb = _VERBS.get((request.method, request.path))
        one = _BOX.fullmatch(request.path)
        if verb is None and one is not None:
            verb = _OF_ONE.get((request.method, one[2]))
        if verb is None:
            raise No(404, "no_such_route", f"There is no {request.method} {request.path}.")
        call = Call(verb, one[1] if one is not None else "")
        call.name = str(_order(request).get("label", "")) if verb == "create" else self.name_of(call.machine_id)
        return call

    async def do(self, request: Request, call: Call) -> Answer:
        cloud, account = self.cloud, call.account
        match call.verb:
            case "account":
                return Answer(200, {"customer": account, "mail": "jo@acme.example", "credit_cents": CREDIT_CENTS})
            case "offers":
                return Answer(200, {"shelf": [self._shelved(each) for each in _ITEMS]})
            case "list":
                return Answer(200, {"boxes": [_box(each) for each in cloud.shown(account)]})
            case "get":
                return Answer(200, _box(cloud.get(account, call.machine_id)))
            case "console":
                return Answer(200, {"console": cloud.console(account, call.machine_id)})
            case "destroy":
                await cloud.destroy(account, call.machine_id, f"asked by the {call.key}")
                return Answer(204)
            case "create":
                record = cloud.create(account, _asked(_order(request)))
                call.machine_id = record.machine_id
                return Answer(201, {"box": record.machine_id})
        raise not_found(call.machine_id)

    def refusal(self, no: No) -> Answer:
        return Answer(no.status, {"no": _NO.get(no.code, no.code), "why": no.message})

    def _shelved(self, item: Item) -> Mapping[str, object]:
        price = self.cloud.market.price(item, self.cloud.clock.now())
        return {
            "sku": item.offer_id,
            "card": item.gpu,
            "cards": item.gpu_count,
            "vram_gb": round(item.gpu_memory_mib / 1024),
            "cents_per_hour": str(price * 100),
            "where": item.region,
            "left": 3,
        }


def _order(request: Request) -> Mapping[str, Any]:
    return request.body if isinstance(request.body, dict) else {}


def _asked(order: Mapping[str, Any]) -> dict[str, Any]:
    """In the sandbox's words."""
    if not isinstance(order.get("minutes"), int) or not order.get("label") or not order.get("key"):
        raise bad("A box has a label, a key, and minutes.")
    return {
        "offer_id": order.get("sku"),
        "price": Decimal(str(order.get("at_most_cents"))) / 100,
        "name": order["label"],
        "public_key": order["key"],
        "start_script": order.get("boot", ""),
        "limit_seconds": order["minutes"] * 60,
        "environment": _OWN,
        "login": USER,
    }


def _box(record: Record) -> Mapping[str, object]:
    is_up = record.status is Status.ACTIVE and record.port > 0
    return {
        "box": record.machine_id,
        "label": record.name,
        "is": _STATES[record.status],
        "cents_per_hour": str(Decimal(record.billed_price) * 100),
        **({"ssh": {"host": "127.0.0.1", "port": record.port, "user": USER}} if is_up else {}),
    }


SIMULATOR = Simulator(Acme, _ITEMS)
