"""What the simulated Lambda remembers besides its machines: keys, file systems, firewall, and what was ordered."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from jupyter_gpu_bridge.sandbox.store import Store
from tests.clouds.lambda_knobs import Knobs

_FIREWALL: list[dict[str, Any]] = [
    {"protocol": "icmp", "source_network": "0.0.0.0/0", "description": "Allow ICMP traffic from anywhere"},
    {"protocol": "tcp", "port_range": [22, 22], "source_network": "0.0.0.0/0", "description": "Allow SSH"},
]


class Books:
    """On the disk after each change."""

    def __init__(self, store: Store) -> None:
        self._store = store
        said = store.fact("lambda") or {}
        self.knobs = Knobs.read(said.get("knobs"))
        self._keys: list[dict[str, str]] = said.get("keys", [])
        self._file_systems: list[dict[str, Any]] = said.get("file_systems", [])
        self._firewalls: dict[str, list[dict[str, Any]]] = said.get("firewalls", {})
        self._orders: dict[str, dict[str, Any]] = said.get("orders", {})

    def turn(self, change: Mapping[str, Any]) -> None:
        self.knobs = self.knobs.turned(change)
        self._write()

    # keys ----------------------------------------------------------------------------------------------------------

    def keys(self, account: str) -> Sequence[dict[str, str]]:
        return [each for each in self._keys if each["account"] == account]

    def add_key(self, account: str, name: str, public_key: str) -> dict[str, str]:
        key = {"account": account, "id": secrets.token_hex(16), "name": name, "public_key": public_key}
        self._keys.append(key)
        self._write()
        return key

    def remove_key(self, key_id: str) -> None:
        self._keys = [each for each in self._keys if each["id"] != key_id]
        self._write()

    # machines ------------------------------------------------------------------------------------------------------

    def note_order(self, machine_id: str, order: dict[str, Any]) -> None:
        """What its listing repeats."""
        self._orders[machine_id] = order
        self._write()

    def order(self, machine_id: str) -> Mapping[str, Any]:
        return self._orders.get(machine_id, {})

    def rename(self, machine_id: str, name: str) -> None:
        self._orders.setdefault(machine_id, {})["name"] = name
        self._write()

    # the rest ------------------------------------------------------------------------------------------------------

    def file_systems(self, account: str) -> Sequence[dict[str, Any]]:
        return [each for each in self._file_systems if each["account"] == account]

    def add_file_system(self, account: str, name: str, region: Mapping[str, str]) -> dict[str, Any]:
        made = {
            "account": account,
            "id": uuid.uuid4().hex,
            "name": name,
            "mount_point": f"/lambda/nfs/{name}",
            "created": "2026-11-20T10:00:00+00:00",
            "created_by": {"id": uuid.uuid4().hex, "email": "somebody@lambda.example", "status": "active"},
            "is_in_use": False,
            "region": dict(region),
            "bytes_used": 0,
        }
        self._file_systems.append(made)
        self._write()
        return made

    def remove_file_system(self, file_system_id: str) -> None:
        self._file_systems = [each for each in self._file_systems if each["id"] != file_system_id]
        self._write()

    def firewall(self, account: str) -> Sequence[dict[str, Any]]:
        rules: Sequence[dict[str, Any]] = self._firewalls.get(account, _FIREWALL)
        return rules

    def replace_firewall(self, account: str, rules: list[dict[str, Any]]) -> None:
        self._firewalls[account] = rules
        self._write()

    def _write(self) -> None:
        self._store.note(
            "lambda",
            {
                "knobs": self.knobs.plain(),
                "keys": self._keys,
                "file_systems": self._file_systems,
                "firewalls": self._firewalls,
                "orders": self._orders,
            },
        )
