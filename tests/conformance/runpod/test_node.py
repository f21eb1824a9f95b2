"""RunPod's Node client, the only one of its own that speaks REST v2, as a program that takes JSON-RPC on its input."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.clouds.cloud import SimulatedCloud
from tests.conformance.clients import client

pytestmark = [pytest.mark.timeout(120), pytest.mark.needs("ssh-keygen")]

_HELLO = {"protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}


class Node:
    """One run of it for each list of calls."""

    def __init__(self, cloud: SimulatedCloud, home: Path) -> None:
        self._place = client("runpod-mcp", home, {}).programs.parent
        address = str(cloud.api["address"])
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "RUNPOD_API_KEY": str(cloud.api["account_key"]),
            "RUNPOD_API_BASE_URL": address,
            "RUNPOD_PUBLIC_GRAPHQL_URL": f"{address}/graphql",
            "RUNPOD_AUTHED_GRAPHQL_URL": f"{address}/graphql",
        }

    def call(self, *calls: tuple[str, Mapping[str, Any]]) -> Sequence[Any]:
        """What it answers to each tool's name and arguments, one after another."""
        program = str(self._place / "node_modules" / "@runpod" / "mcp-server" / "dist" / "stdio.mjs")
        node = shutil.which("node")
        if node is None:
            pytest.skip("there is no node")
        with subprocess.Popen(
            [node, program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=self._environment,
            text=True,
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                self._ask(process, 0, "initialize", _HELLO)
                print(json.dumps({"jsonrpc": "2.0", "method": "notifications/initialized"}), file=process.stdin)
                asked = enumerate(calls, 1)
                return [
                    _told(self._ask(process, number, "tools/call", {"name": name, "arguments": arguments}))
                    for number, (name, arguments) in asked
                ]
            finally:
                process.kill()

    def _ask(self, process: subprocess.Popen[str], number: int, method: str, params: Mapping[str, Any]) -> Any:
        assert process.stdin is not None
        assert process.stdout is not None
        asked = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        print(json.dumps(asked), file=process.stdin, flush=True)
        for line in process.stdout:
            said = json.loads(line)
            if said.get("id") == number:
                return said
        raise AssertionError("it has ended")


def _told(said: Any) -> Any:
    result = said["result"]
    text = result["content"][0]["text"]
    assert not result.get("isError"), text
    try:
        return json.loads(text)
    except ValueError:
        return text


@pytest.fixture
def node(cloud: SimulatedCloud, tmp_path: Path) -> Node:
    return Node(cloud, tmp_path)


def test_it_reads_the_catalog(node: Node) -> None:
    asked = {"include": ["AVAILABILITY"], "product": ["POD"], "count": 1, "cloud": "SECURE"}
    gpus, places, capacity = node.call(
        ("list-gpu-types", asked), ("list-data-centers", {"include": ["GPU_AVAILABILITY"]}), ("get-capacity", {})
    )
    assert "NVIDIA GeForce RTX 4090" in json.dumps(gpus)
    assert "EU-RO-1" in json.dumps(places)
    assert "RTX 4090" in json.dumps(capacity)


def test_it_creates_looks_stops_starts_renames_and_destroys(cloud: SimulatedCloud, node: Node) -> None:
    body = {
        "name": "jk",
        "image": "runpod/pytorch",
        "gpu": {"id": "NVIDIA GeForce RTX 4090", "count": 1},
        "disk": 20,
        "ports": ["22/tcp"],
        "env": {"PUBLIC_KEY": "ssh-ed25519 AAAA"},
    }
    (made,) = node.call(("create-pod", {"body": body}))
    ref = made["id"]
    cloud.clock()
    listed, shown, stopped, started, renamed, _ = node.call(
        ("list-pods", {}),
        ("get-pod", {"id": ref}),
        ("pod-action", {"id": ref, "body": {"action": "stop"}}),
        ("pod-action", {"id": ref, "body": {"action": "start"}}),
        ("update-pod", {"id": ref, "body": {"name": "jl"}}),
        ("delete-pod", {"id": ref}),
    )
    assert ref in json.dumps(listed)
    assert (shown["name"], shown["cost"]) == ("jk", 0.69)
    assert (stopped["status"], renamed["name"]) == ("EXITED", "jl")
    assert started["status"] in ("PROVISIONING", "STARTING", "RUNNING")
    assert cloud.truth(ref)["ended"] is not None


def test_it_reads_and_writes_keys_and_what_was_spent(node: Node) -> None:
    keys = ["ssh-ed25519 AAAA me"]
    _, read, billing = node.call(
        ("update-ssh-keys", {"body": {"keys": keys}}), ("get-ssh-keys", {}), ("list-pod-billing", {})
    )
    assert read == {"keys": keys}
    assert "records" in billing
