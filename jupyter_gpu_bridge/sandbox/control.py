"""What tests and demonstrations may do to the cloud: its clock, its faults, and the truth about it."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

from jupyter_gpu_bridge.sandbox import processes
from jupyter_gpu_bridge.sandbox.clock import moment
from jupyter_gpu_bridge.sandbox.cloud import Cloud
from jupyter_gpu_bridge.sandbox.errors import No, bad
from jupyter_gpu_bridge.sandbox.http import Answer, Request
from jupyter_gpu_bridge.sandbox.records import Record

_HIDDEN = {"key", "mark", "start_script", "public_key", "segments"}


class Control:
    """Its routes; the key has been looked at already."""

    def __init__(self, cloud: Cloud, end: Callable[[], None]) -> None:
        self._cloud = cloud
        self._end = end

    async def handle(self, request: Request) -> Answer:
        asked = request.body if isinstance(request.body, dict) else {}
        match (request.method, request.path.removeprefix("/control").split("/")[1:]):
            case ("GET", ["clock"]):
                return self._clock()
            case ("POST", ["clock"]):
                return await self._move(asked)
            case ("GET", ["faults"]):
                return Answer(200, {"faults": self._cloud.faults.plain()})
            case ("POST", ["faults"]):
                return self._add_fault(asked)
            case ("DELETE", ["faults", *which]):
                self._cloud.faults.remove(which[0] if which else None)
                self._cloud.note()
                return Answer(200, {})
            case ("GET", ["machines"]):
                return Answer(200, {"machines": [self._truth(each) for each in self._cloud.all()]})
            case ("POST", ["machines", machine_id, "reclaim"]):
                self._cloud.reclaim(machine_id, _number(asked, "notice", 0.0))
                await self._cloud.catch_up()
                return Answer(200, {})
            case ("POST", ["machines", machine_id, "price"]):
                self._cloud.raise_price(machine_id, _number(asked, "times", 2.0))
                return Answer(200, {})
            case ("POST", ["machines", machine_id, "fee"]):
                self._cloud.charge(machine_id, _number(asked, "amount", 0.1))
                return Answer(200, {})
            case ("POST", ["machines", machine_id, "resurrect"]):
                self._cloud.resurrect(machine_id)
                return Answer(200, {})
            case ("GET", ["log"]):
                after = request.query.get("after", "0")
                return Answer(200, {"log": self._cloud.store.logged(int(after) if after.isdigit() else 0)})
            case ("POST", ["accounts"]):
                return self._add_account(asked)
            case ("POST", ["accounts", account, "key"]):
                return self._change_key(account)
            case ("POST", ["end"]):
                await self._cloud.end_all()
                self._end()
                return Answer(200, {})
        raise No(404, "no_such_route", f"There is no {request.method} {request.path}.")

    # the clock -----------------------------------------------------------------------------------------------------

    def _clock(self) -> Answer:
        clock = self._cloud.clock
        return Answer(200, {"now": moment(clock.now()), "seconds": clock.now(), "rate": clock.rate})

    async def _move(self, asked: dict[str, Any]) -> Answer:
        """Returns when everything that has become due was done."""
        if "rate" in asked:
            self._cloud.clock.set_rate(_number(asked, "rate", 1.0))
        self._cloud.clock.advance(_number(asked, "advance_seconds", 0.0))
        self._cloud.note()
        await self._cloud.catch_up()
        return self._clock()

    # faults --------------------------------------------------------------------------------------------------------

    def _add_fault(self, asked: dict[str, Any]) -> Answer:
        try:
            fault = self._cloud.faults.add(asked, self._cloud.clock.now())
        except (ValueError, TypeError) as error:
            raise bad(str(error)) from error
        self._cloud.note()
        return Answer(201, {"id": fault.fault_id})

    # the truth -----------------------------------------------------------------------------------------------------

    def _truth(self, record: Record) -> dict[str, object]:
        plain = {name: value for name, value in record.plain().items() if name not in _HIDDEN}
        now = self._cloud.clock.now()
        more = {"billed": str(record.billed(now)), "folder": str(self._cloud.folder_of(record))}
        return {**plain, **more, "pids": processes.marked(record.mark) if record.is_there else []}

    # accounts ------------------------------------------------------------------------------------------------------

    def _add_account(self, asked: dict[str, Any]) -> Answer:
        account, key = f"acct-{secrets.token_hex(4)}", new_key()
        self._cloud.store.add_account(account, str(asked.get("title", "Another account")), key)
        return Answer(201, {"account": account, "account_key": key})

    def _change_key(self, account: str) -> Answer:
        """A fresh key for the account; the old one is no more."""
        if account not in {name for name, _, _ in self._cloud.store.accounts()}:
            raise No(404, "not_found", f"There is no account {account!r}.")
        key = new_key()
        self._cloud.store.change_key(account, key)
        return Answer(200, {"account": account, "account_key": key})


def new_key() -> str:
    """Of an account."""
    return f"sk-sandbox-{secrets.token_urlsafe(24)}"


def _number(asked: dict[str, Any], name: str, usual: float) -> float:
    value = asked.get(name, usual)
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise bad(f"{name} is no number that is zero or more.")
    return float(value)
