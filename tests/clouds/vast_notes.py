"""What the simulated Vast.ai remembers over its own death, and what tests have it do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jupyter_gpu_bridge.sandbox.errors import No, bad
from jupyter_gpu_bridge.sandbox.http import Answer
from jupyter_gpu_bridge.sandbox.records import Record
from jupyter_gpu_bridge.sandbox.store import Store
from tests.clouds.vast_instances import Extra

THRESHOLDS: Mapping[str, float] = {
    "offers": 6.0, "create": 4.5, "launch": 5.0, "change-bid": 5.5, "destroy": 3.0, "get": 2.0, "list": 1.0,
    "start": 1.0, "stop": 1.0, "label": 1.0, "reboot": 1.0, "charges": 1.0, "add-key": 1.0, "attach": 1.0,
}  # fmt: skip
"""Least seconds between two calls of one kind with one key; kept only where a test wishes it."""

_TOO_MUCH: Mapping[str, Answer] = {
    "text": Answer(429, raw=b"API requests too frequent", headers={"Content-Type": "text/plain"}),
    "threshold": Answer(
        429, raw=b"API requests too frequent: endpoint threshold=2.0", headers={"Content-Type": "text/plain"}
    ),
    "detail": Answer(429, {"detail": "Too many requests"}),
    "json": Answer(429, {"success": False, "error": "rate_limit_exceeded", "msg": "API requests too frequent"}),
    "quota": Answer(429, {"error": "search_quota_exceeded"}),
    "unfunded": Answer(400, {"success": False, "error": "missing_billing", "msg": "Please add credit first."}),
    "no-key-for-vm": Answer(400, {"success": False, "error": "no_ssh_key_for_vm", "msg": "Add an SSH key first."}),
    "own-machine": Answer(403, {"success": False, "error": "invalid_args", "msg": "This is a machine of your own."}),
    "no-permission": Answer(403, {"success": False, "error": "auth_error", "msg": "Missing permission."}),
    "html": Answer(404, raw=b"<html>404</html>", headers={"Content-Type": "text/html"}),
    "moved": Answer(307, raw=b"", headers={"Location": "/elsewhere"}),
}


class Notes:
    def __init__(self, store: Store) -> None:
        self._store = store
        said = store.fact("vast") or {}
        self.extras = {name: Extra(**plain) for name, plain in said.get("extras", {}).items()}
        self.keys: dict[str, list[dict[str, Any]]] = said.get("keys", {})
        """Of accounts; they go into what is created afterwards."""
        self.jobs: list[dict[str, Any]] = said.get("jobs", [])
        self.credit: float = said.get("credit", 25.0)
        self.switches: dict[str, Any] = said.get("switches", {})
        self._refusals: list[dict[str, Any]] = said.get("refusals", [])
        self._last_number: int = said.get("last_number", 100)
        self._called: dict[tuple[str, str], float] = {}

    def save(self) -> None:
        self._store.note(
            "vast",
            {
                "extras": {name: extra.plain() for name, extra in self.extras.items()},
                "keys": self.keys,
                "jobs": self.jobs,
                "credit": self.credit,
                "switches": self.switches,
                "refusals": self._refusals,
                "last_number": self._last_number,
            },
        )

    def number(self) -> int:
        self._last_number += 1
        return self._last_number

    def refusal(self, verb: str, key: str, now: float) -> Answer | None:
        """What this call is answered instead of being done."""
        for each in self._refusals:
            if each["verb"] == verb and each["calls"] > 0:
                each["calls"] -= 1
                self.save()
                return _TOO_MUCH[each["how"]]
        if not self.switches.get("paced") or verb not in THRESHOLDS:
            return None
        last, self._called[verb, key] = self._called.get((verb, key)), now
        return _TOO_MUCH["threshold"] if last is not None and now - last < THRESHOLDS[verb] else None

    def failure_of_create(self) -> int:
        """The status with which this one fails although it leaves an instance behind; 0: it does not."""
        statuses = self.switches.get("create-fails") or []
        self.switches["create-fails"] = statuses[1:]
        self.save()
        return int(statuses[0]) if statuses else 0

    def control(self, what: str, asked: Mapping[str, Any], machine: str) -> None:
        """`refuse` (`verb`, `calls`, `how`), `show` and `hide` (`machine`, `fields`), `switch` (a name), `credit`."""
        if what == "refuse" and asked.get("how") in _TOO_MUCH:
            refusal = {"verb": asked["verb"], "calls": asked.get("calls", 1), "how": asked["how"]}
            self._refusals = [*self._refusals, refusal]
        elif what == "show" and machine:
            self.extras[machine].shows.update(asked["fields"])
        elif what == "hide" and machine:
            self.extras[machine].hides.extend(asked["fields"])
        elif what == "switch":
            self.switches.update(asked)
        elif what == "credit":
            self.credit = float(asked["dollars"])
        elif what == "mend":
            self._refusals, self.switches = [], {}
        else:
            raise bad(f"There is no such control: {what}.")
        self.save()

    def of(self, machine_id: str) -> Extra:
        """Raises `No`."""
        if machine_id not in self.extras:
            raise No(404, "no_such_instance", f"Instance {machine_id} not found")
        return self.extras[machine_id]

    def known(self, records: Sequence[Record]) -> list[tuple[Record, Extra]]:
        return [(each, self.extras[each.machine_id]) for each in records if each.machine_id in self.extras]
