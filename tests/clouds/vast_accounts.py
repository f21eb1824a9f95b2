"""The rest of an account at the simulated Vast.ai: its SSH keys, those of instances, its money, its jobs."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from jupyter_gpu_bridge.sandbox.cloud import Cloud
from jupyter_gpu_bridge.sandbox.errors import No
from jupyter_gpu_bridge.sandbox.front import Call
from jupyter_gpu_bridge.sandbox.http import Answer, Request
from tests.clouds.vast_contracts import Contracts
from tests.clouds.vast_instances import charge
from tests.clouds.vast_notes import Notes


class Accounts:
    def __init__(self, cloud: Cloud, notes: Notes, contracts: Contracts) -> None:
        self.cloud = cloud
        self.notes = notes
        self._own = contracts.own

    async def attach(self, request: Request, call: Call) -> Answer:
        record, key = self._own(call), _key_of(request.body)
        extra = self.notes.of(call.machine_id)
        if any(each["public_key"] == key for each in extra.keys):
            raise No(400, "invalid_args", "The key is attached already.")
        extra.keys.append({"id": self.notes.number(), "public_key": key})
        self.notes.save()
        self.cloud.let_in(record, key)
        return Answer(200, {"success": True, "msg": "SSH key added to instance."})

    async def attached(self, request: Request, call: Call) -> Answer:
        self._own(call)
        return Answer(200, {"success": True, "ssh_keys": self.notes.of(call.machine_id).keys})

    async def detach(self, request: Request, call: Call) -> Answer:
        self._own(call)
        extra = self.notes.of(call.machine_id)
        extra.keys = [each for each in extra.keys if str(each["id"]) != request.path.rpartition("/")[2]]
        self.notes.save()
        return Answer(200, {"success": True})

    async def keys(self, request: Request, call: Call) -> Answer:
        return Answer(200, self.notes.keys.get(call.account, []))

    async def add_key(self, request: Request, call: Call) -> Answer:
        added = {"id": self.notes.number(), "public_key": _key_of(request.body)}
        self.notes.keys.setdefault(call.account, []).append(added)
        self.notes.save()
        return Answer(200, {"success": True, "key": added})

    async def remove_key(self, request: Request, call: Call) -> Answer:
        number = request.path.rpartition("/")[2]
        kept = [each for each in self.notes.keys.get(call.account, []) if str(each["id"]) != number]
        self.notes.keys[call.account] = kept
        self.notes.save()
        return Answer(200, {"success": True})

    # the account -----------------------------------------------------------------------------------------------------

    async def account(self, request: Request, call: Call) -> Answer:
        content = {
            "id": int(hashlib.sha256(call.account.encode()).hexdigest()[:6], 16),
            "username": call.account,
            "email": f"{call.account}@example.com",
            "credit": self.notes.credit,
            "balance": 0.0,
            "ssh_key": None,
            "api_key": request.token,
            "host_agreement_accepted": False,
            "billaddress_country": None,
        }
        return Answer(200, content)

    async def charges(self, request: Request, call: Call) -> Answer:
        filters = json.loads(request.query.get("select_filters", "{}"))
        day = filters.get("day") or {}
        if not {"gte", "lte"} <= set(day) or int(request.query.get("limit", 20)) > 500:
            raise No(400, "invalid_request", "Both bounds of the day are needed, and a limit of at most 500.")
        now = self.cloud.clock.now()
        results = [
            charge(record, extra, now)
            for record, extra in self.notes.known(self.cloud.all())
            if record.account == call.account
        ]
        content = {"success": True, "count": len(results), "total": len(results), "next_token": None}
        return Answer(200, {**content, "results": results})

    async def jobs(self, request: Request, call: Call) -> Answer:
        return Answer(200, self.notes.jobs)

    async def add_job(self, request: Request, call: Call) -> Answer:
        """Written down; whether a destroy is ever carried out so is not known, so none is here."""
        self.notes.jobs.append({"id": self.notes.number(), **(request.body or {})})
        self.notes.save()
        return Answer(200, {"success": True, "id": self.notes.jobs[-1]["id"]})

    async def remove_job(self, request: Request, call: Call) -> Answer:
        number = request.path.rpartition("/")[2]
        self.notes.jobs = [each for each in self.notes.jobs if str(each["id"]) != number]
        self.notes.save()
        return Answer(200, {"success": True})


def _key_of(body: Any) -> str:
    key = body.get("ssh_key") if isinstance(body, dict) else None
    if not isinstance(key, str) or len(key.split()) < 2:
        raise No(400, "invalid_args", "That is no SSH key.")
    return key
