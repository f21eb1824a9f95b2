from __future__ import annotations

import json
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from jupyter_gpu_bridge.errors import BadRequest, HostUnknown
from jupyter_gpu_bridge.model import Host
from jupyter_gpu_bridge.providers.hosts import Hosts


@pytest.fixture
def hosts(own_home: Path) -> Hosts:
    return Hosts()


def test_what_was_added_is_there_for_the_next_process(hosts: Hosts, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.touch()
    box = Host("box", "10.0.0.7", "ada", 2222, str(key), "/opt/python", "paramiko")
    hosts.add(box)
    hosts.add(Host("alias", "gpu"))
    assert Hosts().list() == [Host("alias", "gpu"), box]
    assert Hosts().get("box") == box


def test_the_file_is_for_this_user_only(hosts: Hosts) -> None:
    hosts.add(Host("box", "gpu"))
    assert stat.S_IMODE(hosts.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(hosts.path.parent.stat().st_mode) == 0o700


def test_a_name_is_not_silently_given_to_another_machine(hosts: Hosts) -> None:
    hosts.add(Host("box", "gpu"))
    hosts.add(Host("box", "gpu"))
    with pytest.raises(BadRequest, match="already a host 'box'"):
        hosts.add(Host("box", "another"))
    assert hosts.get("box").address == "gpu"


def test_an_unknown_host_is_answered_with_the_nearest_one(hosts: Hosts) -> None:
    hosts.add(Host("workstation", "gpu"))
    with pytest.raises(HostUnknown, match="Did you mean 'workstation'"):
        hosts.get("workstatoin")
    with pytest.raises(HostUnknown, match="Did you mean 'workstation'"):
        hosts.remove("workstatoin")
    hosts.remove("workstation")
    assert hosts.list() == []


def test_a_missing_key_file_is_noticed_when_the_host_is_added(hosts: Hosts) -> None:
    with pytest.raises(BadRequest, match="no key file"):
        hosts.add(Host("box", "gpu", identity_file="~/nowhere"))
    assert hosts.list() == []


@pytest.mark.parametrize(
    "content",
    [
        "not json",
        "[]",
        {"version": 1},
        {"version": 2, "hosts": {}},
        {"version": 1, "hosts": {"box": {}}},
        {"version": 1, "hosts": {"box": {"address": "gpu", "pasword": "x"}}},
        {"version": 1, "hosts": {"box": {"address": "gpu", "port": "22"}}},
        {"version": 1, "hosts": {"box": {"address": "gpu", "port": True}}},
        {"version": 1, "hosts": {"box": {"address": "-oProxyCommand=x"}}},
        {"version": 1, "hosts": {"-box": {"address": "gpu"}}},
    ],
)
def test_a_damaged_file_is_named_and_kept(hosts: Hosts, content: Any) -> None:
    text = content if isinstance(content, str) else json.dumps(content)
    hosts.path.write_text(text)
    with pytest.raises(BadRequest) as refusal:
        hosts.list()
    assert str(hosts.path) in refusal.value.what
    with pytest.raises(BadRequest):
        hosts.add(Host("other", "gpu"))
    assert hosts.path.read_text() == text


@pytest.mark.timeout(60)
def test_processes_that_add_at_the_same_time_lose_nothing(hosts: Hosts) -> None:
    program = (
        "import sys\n"
        "from jupyter_gpu_bridge.model import Host\n"
        "from jupyter_gpu_bridge.providers.hosts import Hosts\n"
        "[Hosts().add(Host(f'box-{sys.argv[1]}-{n}', 'gpu')) for n in range(10)]\n"
    )
    writers = [subprocess.Popen([sys.executable, "-c", program, str(n)]) for n in range(3)]
    assert [writer.wait(timeout=50) for writer in writers] == [0, 0, 0]
    assert len(hosts.list()) == 30
