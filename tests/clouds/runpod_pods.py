"""A pod as it is ordered on either wire, and as REST v2 shows it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any

from jupyter_gpu_bridge.sandbox.clock import moment
from jupyter_gpu_bridge.sandbox.records import Record, Status
from tests.clouds.runpod_goods import find

GONE = "There are no longer any instances available with the requested specifications. Please refresh and try again."

_ACTIONS = {
    "PROVISIONING": ("stop", "terminate"),
    "STARTING": ("stop", "terminate"),
    "RUNNING": ("stop", "restart", "terminate"),
    "EXITED": ("start", "terminate"),
    "ERROR": ("start", "terminate"),
}


@dataclass(frozen=True, slots=True)
class Ordered:
    """All that a create says, whichever wire it came by."""

    name: str
    image: str
    gpu_id: str
    count: int
    cloud: str
    places: Sequence[str] | None = None
    """Data centres; `None`: any."""
    disk: int = 20
    ports: Sequence[str] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    args: str | None = None
    argv: Sequence[str] = ()
    """`entrypoint` and `cmd`, which came as lists."""
    mounts: Mapping[str, Any] = field(default_factory=dict)
    starts_ssh: bool = False
    """The account's keys may enter, if no other is named."""
    seconds_left: float | None = None
    """Until `terminateAfter`."""
    least_cuda: str = ""
    allowed_cuda: Sequence[str] = ()

    def plain(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def command(self) -> Sequence[str]:
        """What the container runs instead of what its image says; nothing: as the image says."""
        if self.argv:
            return self.argv
        return [] if self.args is None else shlex.split(self.args)

    @property
    def is_of_vendor(self) -> bool:
        """One whose own start, /start.sh, runs an SSH server."""
        return self.image.startswith("runpod/")

    @property
    def has_sshd(self) -> bool:
        """Whether one will run. Empty `args` are a command as well, and one that starts nothing."""
        if not (self.starts_ssh or "PUBLIC_KEY" in self.env) or "22/tcp" not in self.ports:
            return False
        said = " ".join(self.command)
        if self.args is None and not self.argv:
            return self.is_of_vendor
        return "sshd" in said or (self.is_of_vendor and "/start.sh" in said)

    def script(self) -> str:
        """What the simulated machine runs at its boot, which has to end before anybody can enter.

        Its files begin at a folder of its own, so the paths of the image are moved there.
        """
        if not self.command:
            return "exit 0\n"
        moved = [
            word.replace("/start.sh", "$HOME/start.sh").replace("/run/sshd", "$HOME/sshd") for word in self.command
        ]
        quoted = " ".join(shlex.quote(word) for word in moved)
        own = '[ -z "$PUBLIC_KEY" ] || echo "$PUBLIC_KEY" >"$HOME/authorized_keys"; echo "Pod Started"'
        image = f'printf \'#!/bin/sh\\n%s\\n\' {shlex.quote(own)} >"$HOME/start.sh" && chmod 700 "$HOME/start.sh"\n'
        sshd = 'mkdir -p "$HOME/bin"; printf "#!/bin/sh\\n" >"$HOME/bin/sshd"; chmod 700 "$HOME/bin/sshd"\n'
        path = 'PATH="$HOME/bin:$PATH"; export PATH\n'
        return f"{image if self.is_of_vendor else ''}{sshd}{path}{quoted}\n"


def environment(order: Ordered, ssh_keys: Sequence[str]) -> dict[str, str]:
    """What the first process is given; on a simulated machine, which has none of that number, all are."""
    given = {
        "RUNPOD_POD_ID": "{machine}",
        "RUNPOD_API_KEY": "{key}",
        "RUNPOD_DC_ID": data_center(order),
        "RUNPOD_POD_HOSTNAME": "{machine}-64410000",
        "RUNPOD_GPU_COUNT": str(order.count),
        "RUNPOD_CPU_COUNT": str(8 * order.count),
        "RUNPOD_PUBLIC_IP": "127.0.0.1",
    }
    if order.starts_ssh and ssh_keys:
        given["PUBLIC_KEY"] = "\n".join(ssh_keys)
    return {**given, **order.env}


def data_center(order: Ordered) -> str:
    return order.places[0] if order.places else ""


def status_of(record: Record, now: float, *, is_broken: bool = False) -> str:
    if record.status is Status.DELETED:
        return "TERMINATED"
    if is_broken:
        return "ERROR"
    if record.status is Status.OFF:
        return "EXITED"
    if record.status is Status.PROVISIONING:
        due = record.boot_at
        is_early = due is None or now - record.created < (due - record.created) / 2
        return "PROVISIONING" if is_early else "STARTING"
    return "RUNNING" if record.port else "STARTING"


def shown(order: Ordered, record: Record, now: float, *, ports_after: float, is_broken: bool) -> dict[str, Any]:
    """As `GET /v2/pods/{id}` shows it."""
    status = status_of(record, now, is_broken=is_broken)
    has_ports = "22/tcp" in order.ports and record.port > 0 and now - record.created >= ports_after
    ssh = {"host": "127.0.0.1", "port": record.port, "username": "root"}
    ssh["command"] = f"ssh root@127.0.0.1 -p {record.port}"
    mapped = {"private": 22, "public": record.port, "type": "tcp", "ip": "127.0.0.1"}
    proxy = {"host": "ssh.runpod.io", "port": 22, "username": f"{record.machine_id}-6441"}
    return {
        "id": record.machine_id,
        "name": record.name,
        "image": order.image,
        "args": order.args,
        "disk": order.disk,
        "ports": list(order.ports),
        "env": dict(order.env),
        "registry": None,
        "status": status,
        "actions": list(_ACTIONS.get(status, ())),
        "mounts": dict(order.mounts),
        "gpu": {"id": order.gpu_id, "count": order.count},
        "cloud": order.cloud,
        "dataCenterId": data_center(order) or None,
        "cudaVersion": None if status == "PROVISIONING" else "12.8",
        "ssh": {
            "direct": ssh if status == "RUNNING" and has_ports else None,
            "proxy": None if status == "PROVISIONING" else proxy,
        },
        "template": None,
        "cost": cost_of(record, status),
        "locked": False,
        # Ports are as they were when it was stopped, and say nothing then.
        "runtime": {"uptimeInSeconds": int(now - record.created), "ports": [mapped]} if has_ports else {},
        "createdAt": moment(record.created),
        "startedAt": None if status == "PROVISIONING" else moment(record.created),
        "globalNetworking": False,
    }


def cost_of(record: Record, status: str) -> float:
    """Of the whole pod, per hour."""
    return 0.0 if status in ("EXITED", "TERMINATED") else float(Decimal(record.billed_price))


def as_graphql(order: Ordered, record: Record, pod: Mapping[str, Any]) -> dict[str, Any]:
    """Its `desiredStatus` is what is meant to be: a pod that still pulls its image is RUNNING here."""
    ports = [
        {
            "ip": each["ip"],
            "isIpPublic": True,
            "privatePort": each["private"],
            "publicPort": each["public"],
            "type": each["type"],
        }
        for each in pod["runtime"].get("ports", [])
    ]
    runtime = {"uptimeInSeconds": pod["runtime"].get("uptimeInSeconds"), "ports": ports, "gpus": []}
    gpu = find(order.gpu_id)
    return {
        "id": record.machine_id,
        "name": record.name,
        "imageName": order.image,
        "env": [f"{name}={value}" for name, value in order.env.items()],
        "machineId": record.host or "machine1",
        "machine": {
            "podHostId": f"{record.machine_id}-6441",
            "gpuDisplayName": gpu.name if gpu else None,
            "gpuTypeId": order.gpu_id,
            "secureCloud": order.cloud == "SECURE",
        },
        "containerDiskInGb": order.disk,
        "costPerHr": pod["cost"],
        "desiredStatus": "EXITED" if pod["status"] == "EXITED" else "RUNNING",
        "dockerArgs": order.args,
        "dockerId": None,
        "gpuCount": order.count,
        "lastStatusChange": None,
        "memoryInGb": 32 * order.count,
        "podType": "RESERVED",
        "port": None,
        "ports": ",".join(order.ports),
        "uptimeSeconds": 0,
        "vcpuCount": 8 * order.count,
        "volumeInGb": 0,
        "volumeMountPath": None,
        "runtime": runtime if pod["status"] == "RUNNING" and ports else None,
    }


def billing(billed: Sequence[Mapping[str, object]], pod_id: str | None) -> dict[str, Any]:
    """`GET /v2/billing/pods`."""
    records = [
        {
            "startTime": None,
            "endTime": None,
            "podId": each["machine_id"],
            "totalAmount": float(str(each["amount"])),
            "gpuAmount": float(str(each["amount"])),
            "cpuAmount": 0.0,
            "diskAmount": 0.0,
        }
        for each in billed
        if pod_id in (None, each["machine_id"])
    ]
    total = sum(float(str(each["totalAmount"])) for each in records)
    counts = {"recordCount": len(records), "uniquePodCount": len(records)}
    return {"records": records, "metadata": {"query": {}, **counts, "totals": {"totalAmount": total}}}
