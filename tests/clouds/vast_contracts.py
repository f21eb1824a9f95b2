"""What the simulated Vast.ai does with instances: shown, listed in pages, stopped, started, named, destroyed."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from jupyter_gpu_bridge.sandbox.cloud import Cloud
from jupyter_gpu_bridge.sandbox.errors import No
from jupyter_gpu_bridge.sandbox.front import Call
from jupyter_gpu_bridge.sandbox.http import Answer, Request
from jupyter_gpu_bridge.sandbox.records import Record, Status
from tests.clouds.vast_instances import matches, row
from tests.clouds.vast_market import Market
from tests.clouds.vast_notes import Notes
from tests.clouds.vast_proxy import Proxies

MOST_IN_PAGE = 25


class Contracts:
    def __init__(self, cloud: Cloud, notes: Notes, market: Market) -> None:
        self.cloud = cloud
        self.notes = notes
        self._market = market
        self._proxies = Proxies(lambda machine_id: self._record(machine_id).port)

    def close(self) -> None:
        self._proxies.close()

    async def get(self, request: Request, call: Call) -> Answer:
        try:
            record = self.cloud.get(call.account, call.machine_id)
        except No:
            return Answer(200, {"instances": None})
        return Answer(200, {"instances": await self._row(record)})

    async def list(self, request: Request, call: Call) -> Answer:
        limit = int(request.query.get("limit", MOST_IN_PAGE))
        if not 1 <= limit <= MOST_IN_PAGE:
            raise No(400, "invalid_request", f"limit is at most {MOST_IN_PAGE}")
        after = _after(request.query.get("after_token", ""))
        filters = json.loads(request.query.get("select_filters", "{}"))
        rows = [await self._row(record) for record in self.cloud.shown(call.account)]
        rows = sorted((each for each in rows if matches(each, filters)), key=lambda each: int(each["id"]))
        page = [each for each in rows if each["id"] > after][:limit]
        is_last = not page or page[-1]["id"] == rows[-1]["id"]
        labels: dict[str, int] = {}
        for each in rows:
            labels[str(each.get("label"))] = labels.get(str(each.get("label")), 0) + 1
        content = {
            "success": True,
            "instances_found": len(page),
            "total_instances": len(rows),
            "label_counts": labels,
            "next_token": None if is_last else _token(page[-1]["id"]),
            "instances": page,
        }
        return Answer(200, content)

    async def old_list(self, request: Request, call: Call) -> Answer:
        rows = [await self._row(record) for record in self.cloud.shown(call.account)]
        return Answer(200, {"instances_found": len(rows), "instances": rows})

    async def _row(self, record: Record) -> dict[str, Any]:
        extra = self.notes.of(record.machine_id)
        return row(record, extra, self.cloud.clock.now(), await self._proxies.port(record.machine_id))

    async def start(self, request: Request, call: Call) -> Answer:
        record = self.own(call)
        if record.status is Status.OFF:
            self.notes.of(call.machine_id).stopped = ""
            self.notes.save()
            self.cloud.start(call.account, call.machine_id)
        return Answer(200, {"success": True})

    async def stop(self, request: Request, call: Call) -> Answer:
        record = self.own(call)
        if record.status in (Status.ACTIVE, Status.PROVISIONING):
            await self._market.stop(record, "asked")
        return Answer(200, {"success": True})

    async def reboot(self, request: Request, call: Call) -> Answer:
        await self.stop(request, call)
        return await self.start(request, call)

    async def label(self, request: Request, call: Call) -> Answer:
        record = self.own(call)
        record.name = str(request.body["label"])[:1024]
        self.cloud._save(record)
        return Answer(200, {"success": True})

    async def change_bid(self, request: Request, call: Call) -> Answer:
        self.own(call)
        self.notes.of(call.machine_id).bid = float(request.body["price"])
        self.notes.save()
        return Answer(200, {"success": True})

    async def destroy(self, request: Request, call: Call) -> Answer:
        try:
            await self.cloud.destroy(
                call.account, call.machine_id, "asked by the machine" if call.key == "machine" else "asked"
            )
        except No:
            code = self.notes.switches.get("destroyed-is") or "not_found"
            return Answer(404, {"success": False, "error": code, "msg": "Instance not found"})
        return Answer(200, {"success": True})

    async def destroy_many(self, request: Request, call: Call) -> Answer:
        for number in (request.body or {}).get("instance_ids", []):
            await self.cloud.destroy(call.account, str(number), "asked")
        return Answer(200, {"success": True})

    def own(self, call: Call) -> Record:
        """Raises `No`."""
        record = self.cloud.get(call.account, call.machine_id)
        self.notes.of(call.machine_id)
        return record

    def _record(self, machine_id: str) -> Record:
        return next(each for each in self.cloud.all() if each.machine_id == machine_id)


def _token(number: int) -> str:
    return base64.urlsafe_b64encode(json.dumps({"id": number}).encode()).decode()


def _after(token: str) -> int:
    if not token:
        return 0
    try:
        return int(json.loads(base64.urlsafe_b64decode(token))["id"])
    except (binascii.Error, ValueError, KeyError, TypeError):
        raise No(400, "invalid_token", "That is no token.") from None
