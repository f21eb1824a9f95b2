"""The simulated Vast.ai's market: what is searched for, and what is rented, or only left behind."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from jupyter_gpu_bridge.sandbox.cloud import Cloud
from jupyter_gpu_bridge.sandbox.errors import No
from jupyter_gpu_bridge.sandbox.faults import Kind
from jupyter_gpu_bridge.sandbox.front import Call
from jupyter_gpu_bridge.sandbox.http import Answer, Request
from jupyter_gpu_bridge.sandbox.records import Record, Status
from tests.clouds.vast_asks import ASKS, CARDS, Query
from tests.clouds.vast_instances import Extra
from tests.clouds.vast_notes import Notes
from tests.clouds.vast_order import Order, order_of

Strikes = Callable[[Kind, Call], bool]


class Market:
    def __init__(self, cloud: Cloud, notes: Notes, strikes: Strikes) -> None:
        self.cloud = cloud
        self.notes = notes
        self.strikes = strikes

    async def offers(self, request: Request, call: Call) -> Answer:
        if call.key == "wrong":
            return Answer(404, {"success": False, "error": "not_found", "msg": "Invalid user key"})
        asked = request.body if request.method != "GET" else json.loads(request.query.get("q", "{}"))
        if isinstance(asked, dict) and isinstance(asked.get("q"), dict):
            asked = asked["q"]
        if not isinstance(asked, dict):
            raise No(400, "invalid_request", "The query is no object.")
        return Answer(200, {"offers": self._search(asked)})

    def _search(self, asked: dict[str, Any]) -> list[dict[str, Any]]:
        query, now, market = Query(asked), self.cloud.clock.now(), self.cloud.market
        taken = self._taken()
        rows = []
        for ask in ASKS.values():
            price, lowest_bid = market.price(ask.item, now), market.price(ask.bid_item, now)
            found = ask.row(price, lowest_bid, query.disk, query.kind, now)
            lasts = float(self.notes.switches.get("lasts") or found["duration"])
            ends = {"duration": lasts, "end_date": now + lasts}
            rows.append({**found, **ends, "rented": ask.number in taken, "rentable": ask.number not in taken})
        return query.found(rows, as_asked=not self.notes.switches.get("stray"))

    def _taken(self) -> set[int]:
        """What somebody has on demand: a bid is no obstacle."""
        return {
            extra.ask
            for record, extra in self._all()
            if record.is_there and record.status is not Status.OFF and extra.bid is None
        }

    async def gpu_names(self, request: Request, call: Call) -> Answer:
        return Answer(200, {"gpu_names": sorted(card.name for card in CARDS)})

    async def create(self, request: Request, call: Call) -> Answer:
        found = re.search(r"\d+$", request.path)
        return await self._rent(int(found[0]) if found else 0, request.body, call)

    async def launch(self, request: Request, call: Call) -> Answer:
        body = request.body if isinstance(request.body, dict) else {}
        offers = self._search({**(body.get("q") or {}), "type": "on-demand"})
        if not offers:
            raise No(404, "no_such_ask", "no_such_ask Nothing fits.")
        return await self._rent(offers[0]["id"], body, call)

    async def _rent(self, number: int, body: Any, call: Call) -> Answer:
        order = order_of(body)
        if self.notes.credit <= 0:
            raise No(400, "missing_billing", "Please add credit or a card to your account first.")
        if number not in ASKS:
            text = f"error 404/3603: no_such_ask Instance type by id {number} is not available."
            return Answer(404, {"success": False, "error": "invalid_args", "msg": text, "ask_id": number})
        is_low = order.bid is not None and order.bid < float(self._lowest_bid(number))
        is_gone = number in self._taken() or self.strikes(Kind.NO_CAPACITY, call)
        failure = self.notes.failure_of_create()
        if is_gone and order.cancels:
            return _taken_while_renting(number)
        if order.bid is None and not is_gone:
            await self._outbid_at(number)
        record = self._made(number, order, call)
        answer = {"success": True, "new_contract": int(record.machine_id), "instance_api_key": record.key}
        if is_low or is_gone or failure:
            await self.stop(record, "unavailable")
        if is_low or failure:
            no = {"success": False, "error": "invalid_price", "msg": "Bid is too low."}
            return Answer(failure or 400, {**no, "new_contract": int(record.machine_id)})
        return Answer(200, answer)

    def _lowest_bid(self, number: int) -> Decimal:
        return self.cloud.market.price(ASKS[number].bid_item, self.cloud.clock.now())

    def _made(self, number: int, order: Order, call: Call) -> Record:
        account_keys = "\n".join(each["public_key"] for each in self.notes.keys.get(call.account, []))
        asked = {
            "machine_id": self._free_number(),
            "offer_id": (ASKS[number].bid_item if order.bid is not None else ASKS[number].item).offer_id,
            "name": order.label,
            "public_key": account_keys,
            "start_script": order.onstart,
            "login": "root",
            "environment": {**order.environment, **_container(ASKS[number].count, account_keys)},
        }
        try:
            record = self.cloud.create(call.account, asked)
        except No as no:
            if no.code != "price_changed":
                raise
            record = self.cloud.create(call.account, asked)  # nobody asks what was offered before
        call.machine_id = record.machine_id
        late = float(self.notes.switches.get("ports-late") or 0.0)
        extra = Extra(
            image=order.image,
            disk=order.disk,
            runtype=order.runtype,
            env=order.env,
            bid=order.bid,
            ask=number,
            ports_from=self.cloud.clock.now() + late,
            shows=dict(self.notes.switches.get("new-shows") or {}),
        )
        self.notes.extras[record.machine_id] = extra
        self.notes.save()
        return record

    def _free_number(self) -> str:
        taken = {record.machine_id for record in self.cloud.all()}
        while (found := str(secrets.randbelow(9_000_000) + 30_000_000)) in taken:
            pass
        return found

    async def _outbid_at(self, number: int) -> None:
        """On demand comes before any bid: who has the ask by a bid is stopped."""
        for record, extra in self._all():
            if extra.ask == number and extra.bid is not None and record.status in (Status.ACTIVE, Status.PROVISIONING):
                await self.stop(record, "outbid")

    async def stop(self, record: Record, why: str) -> None:
        self.notes.of(record.machine_id).stopped = why
        self.notes.save()
        await self.cloud.stop(record.account, record.machine_id)

    def _all(self) -> list[tuple[Record, Extra]]:
        return self.notes.known(self.cloud.all())


def _taken_while_renting(number: int) -> Answer:
    text = f"error 410/3907: no_such_ask Instance type {number} is no longer available."
    return Answer(410, {"success": False, "error": "no_such_ask", "msg": text})


def _container(gpus: int, account_keys: str) -> Mapping[str, str]:
    """What the cloud itself puts into the environment of a container."""
    return {
        "CONTAINER_ID": "{machine}",
        "CONTAINER_API_KEY": "{key}",
        "VAST_CONTAINERLABEL": "C.{machine}",
        "PUBLIC_IPADDR": "127.0.0.1",
        "SSH_PUBLIC_KEY": account_keys,
        "GPU_COUNT": str(gpus),
        "DATA_DIRECTORY": "/workspace/",
    }
