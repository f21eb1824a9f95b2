"""How the simulated Vast.ai shows an instance, and what it charges for it: GPU, disk and traffic apart."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any

from jupyter_gpu_bridge.sandbox.errors import No
from jupyter_gpu_bridge.sandbox.records import Record, Status
from tests.clouds.vast_asks import ASKS, STORAGE_COST, TRAFFIC_COST, fits

SSH_DIRECT = "ssh_direc"
"""So the vendor's own client writes it; the specification has `ssh_direct`."""
COMPUTED = {"ssh_host", "ssh_port", "ports", "dph_total", "uptime_mins"}
"""What no listing can be filtered by."""
PROXY = "127.0.0.2"
"""Only what goes through the proxy answers there, so that a mixed pair of address and port leads nowhere."""
_TRAFFIC_GB = 1.25


@dataclass(slots=True)
class Extra:
    """What is known of an instance besides what the sandbox knows of every machine."""

    image: str
    disk: float
    runtype: str
    env: dict[str, str] = field(default_factory=dict)
    bid: float | None = None
    ask: int = 0
    stopped: str = ""
    """`asked`, `outbid`, or `unavailable`: it never began."""
    keys: list[dict[str, Any]] = field(default_factory=list)
    """That were attached to it."""
    shows: dict[str, Any] = field(default_factory=dict)
    """What a test has it show, whatever is true."""
    hides: list[str] = field(default_factory=list)
    ports_from: float = 0.0
    """Before, in virtual time, its ports are null although it runs."""

    def plain(self) -> dict[str, Any]:
        return asdict(self)


def row(record: Record, extra: Extra, now: float, proxy_port: int) -> dict[str, Any]:
    """One instance, as it is shown and listed."""
    ask = ASKS[extra.ask]
    status, states = _status(record, extra, now)
    disk_price = extra.disk * STORAGE_COST / 30 / 24
    base = extra.bid if extra.bid is not None else float(record.billed_price)
    is_up = status == "running" and now >= extra.ports_from
    found = {
        "id": int(record.machine_id),
        "machine_id": ask.machine,
        "host_id": 500 + ask.machine % 50,
        "label": record.name or None,
        "actual_status": status,
        "intended_status": states[0],
        "cur_state": states[1],
        "next_state": states[2],
        "status_msg": _message(record, status),
        "start_date": record.created,
        "end_date": record.created + 1_209_600,
        "uptime_mins": (now - record.created) / 60 if status == "running" else None,
        "image_uuid": extra.image,
        "image_runtype": extra.runtype,
        "extra_env": [[name, value] for name, value in extra.env.items()],
        "gpu_name": ask.card.name,
        "num_gpus": ask.count,
        "gpu_ram": ask.card.memory_mb,
        "geolocation": ask.place,
        "verification": "verified",
        "dph_base": base,
        "dph_total": base + disk_price,
        "storage_cost": STORAGE_COST,
        "storage_total_cost": disk_price,
        "inet_up_cost": TRAFFIC_COST,
        "inet_down_cost": TRAFFIC_COST,
        "disk_space": extra.disk,
        "is_bid": extra.bid is not None,
        "min_bid": float(Decimal(ask.bid_item.base)),
        "ssh_host": PROXY,
        "ssh_port": proxy_port,
        "ssh_idx": "5",
        "machine_dir_ssh_port": record.port or None,
        "public_ipaddr": "127.0.0.1\n",
        "local_ipaddrs": "172.17.0.2 \n",
        "direct_port_start": 40_000,
        "direct_port_end": 40_063,
        "ports": _ports(record, extra) if is_up and SSH_DIRECT in extra.runtype.replace("_direct", "_direc") else None,
        "jupyter_token": "b0a1",
        "template_hash_id": None,
        "duration": 1_209_600.0,
        "search": {"gpuCostPerHour": base, "diskHour": disk_price, "totalHour": base + disk_price},
        **extra.shows,
    }
    return {name: value for name, value in found.items() if name not in extra.hides}


def _status(record: Record, extra: Extra, now: float) -> tuple[str | None, tuple[str, str, str]]:
    """The status that the host reports; and intended, current and next state of the contract."""
    if record.status is Status.OFF:
        states = ("stopped",) * 3 if extra.stopped else ("running", "stopped", "running")
        return (None if extra.stopped == "unavailable" else "exited"), (states[0], states[1], states[2])
    running = ("running", "running", "running")
    if record.status is Status.PROVISIONING:
        is_new = record.boot_at is not None and now < (record.created + record.boot_at) / 2
        return (None if is_new else "loading"), running
    if record.status is Status.ACTIVE and not record.port:
        return "loading", running
    return "running", running


def _message(record: Record, status: str | None) -> str | None:
    if status == "running":
        return "success, running image"
    return "Pulling from library/image" if status == "loading" else record.detail or None


def _ports(record: Record, extra: Extra) -> dict[str, Any]:
    others = [name.split(":")[-1] for name in extra.env if name.startswith("-p ")]
    ports = {"22/tcp": record.port, **{f"{port}/tcp": 41_000 + int(port) % 1000 for port in others}}
    return {name: [{"HostIp": "0.0.0.0", "HostPort": str(port)}] for name, port in ports.items()}  # noqa: S104


def matches(found: dict[str, Any], filters: dict[str, Any]) -> bool:
    """Raises `No`."""
    for name, conditions in filters.items():
        if name in COMPUTED or name not in found or not isinstance(conditions, dict):
            raise No(400, "invalid_request", f"Invalid filter: {name}")
        if not all(fits(found[name], operator, wanted, name) for operator, wanted in conditions.items()):
            return False
    return True


def charge(record: Record, extra: Extra, now: float) -> dict[str, Any]:
    """What an instance has cost so far; its disk for as long as it was there, its GPU for as long as it ran."""
    end = record.ended or now
    gpu_hours = sum(((each.end or end) - each.start) for each in record.segments[:1]) / 3600
    hours = (end - record.created) / 3600
    base = extra.bid if extra.bid is not None else float(record.price)
    disk_price = extra.disk * STORAGE_COST / 30 / 24
    items = [
        ("gpu", gpu_hours * base, f"{gpu_hours:.3f} hours at ${base}/hour"),
        ("disk", hours * disk_price, f"{hours:.3f} hours at ${disk_price}/hour"),
        ("bwd", _TRAFFIC_GB * TRAFFIC_COST, f"{_TRAFFIC_GB} GB at ${TRAFFIC_COST}/GB"),
        ("bwu", _TRAFFIC_GB * TRAFFIC_COST + float(record.fees), f"{_TRAFFIC_GB} GB at ${TRAFFIC_COST}/GB, and more"),
    ]
    return {
        "start": record.created,
        "end": end,
        "type": "instance",
        "source": f"instance-{record.machine_id}",
        "amount": sum(amount for _, amount, _ in items),
        "metadata": {"label": record.name, "image": extra.image},
        "items": [
            {"type": kind, "amount": amount, "description": text, "start": record.created, "end": end}
            for kind, amount, text in items
        ],
    }
