"""Answers in place of the server extension, for what cannot be had here, like a cloud, or only by luck, like a cut."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta, timezone
from typing import Any

from playwright.sync_api import Request, Route

from tests.browser.compute import LabPage

_API = re.compile(r"/gpu-bridge/api/v1/")


def kernel(kernel_id: str, **given: Any) -> dict[str, Any]:
    return {
        "kernel_id": kernel_id,
        "machine": "ssh:box",
        "state": "idle",
        "attached": True,
        "profile": "box",
        "path": "",
        "pid": 4711,
        "started": "2026-11-20T10:00:00Z",
        "last_activity": None,
        "detail": "",
        "foreign": False,
        **given,
    }


def machine(name: str, **given: Any) -> dict[str, Any]:
    return {
        "ref": f"ssh:{name}",
        "provider": "ssh",
        "name": name,
        "title": name,
        "state": "connected",
        "detail": "",
        "carrier": "openssh",
        "round_trip_ms": 1.2,
        "profiles": [{"name": name, "display_name": f"Python on {name}", "kernel_name": f"gpu-bridge-{name}"}],
        "kernels": [],
        **given,
    }


def minutes(count: float) -> str:
    """From now."""
    return (datetime.now(timezone.utc) + timedelta(minutes=count)).isoformat()


def rental(rental_id: str, stage: str = "in_use", **given: Any) -> dict[str, Any]:
    return {
        "id": rental_id,
        "key": "name:train",
        "machine": f"rental:{rental_id}",
        "stage": stage,
        "closed": None,
        "closed_because": "",
        "warning": "",
        "warned": None,
        "attempt": attempt(),
        **given,
    }


def attempt(**given: Any) -> dict[str, Any]:
    return {
        "id": "0f",
        "state": "in_use",
        "provider": "sandbox",
        "title": "Pretend A100 80 GB",
        "region": "here",
        "spot": False,
        "pretend": True,
        "price_per_hour": "2.50",
        "cost": "1.204167",
        "cost_as_of": minutes(0),
        "budget": "5.00",
        "deadline": minutes(192.5),
        "requested": minutes(-30),
        "gone": None,
        "reason": "",
        **given,
    }


class MadeUpServer:
    """Answers in place of the server extension, and writes down what it was asked."""

    def __init__(
        self, lab_page: LabPage, machines: list[dict[str, Any]], rentals: list[dict[str, Any]] | None = None
    ) -> None:
        self.machines = machines
        self.rentals = rentals or []
        self.fault: dict[str, str] | None = None
        self.asked: list[str] = []
        lab_page.page.route(_API, self._answer)

    def _answer(self, route: Route, request: Request) -> None:
        path = request.url.split("/gpu-bridge/api/v1/")[1].split("?")[0]
        self.asked.append(f"{request.method} {path}")
        if self.fault is not None:
            route.fulfill(status=503, content_type="application/json", body=json.dumps(self.fault))
        elif path.startswith("rentals/"):
            self._change(path.split("/")[1], request)
            route.fulfill(status=202, json={})
        elif request.method == "DELETE":
            gone = path.removeprefix("kernels/")
            for machine in self.machines:
                machine["kernels"] = [kernel for kernel in machine["kernels"] if kernel["kernel_id"] != gone]
            route.fulfill(status=204)
        elif path.endswith("/log"):
            route.fulfill(json={"log": "MemoryError: out of memory on box"})
        else:
            now = datetime.now(timezone.utc).isoformat()
            answer = {"revision": len(self.asked), "now": now, "machines": self.machines, "rentals": self.rentals}
            route.fulfill(json=answer)

    def _change(self, rental_id: str, request: Request) -> None:
        (rental,) = (each for each in self.rentals if each["id"] == rental_id)
        attempt = rental["attempt"]
        if request.method == "DELETE":
            rental |= {"stage": "ending", "closed_because": "It was stopped in the Compute panel."}
            attempt |= {"state": "releasing"}
            self.machines = [machine for machine in self.machines if machine["ref"] != rental["machine"]]
        else:
            more = timedelta(minutes=json.loads(request.post_data or "{}")["minutes"])
            attempt |= {"deadline": (datetime.fromisoformat(attempt["deadline"]) + more).isoformat()}
