"""What the simulated Vast.ai takes for an order, and what it refuses."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jupyter_gpu_bridge.sandbox.errors import No

MOST_START = 4096
MOST_ENV = 32_768
MOST_LABEL = 256
_RUNTYPES = {
    "args", "ssh", "ssh_proxy", "ssh_direct", "ssh_direc", "jupyter", "jupyter_proxy", "jupyter_direct",
    "jupyter_direc",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Order:
    image: str
    disk: float
    label: str
    runtype: str
    env: dict[str, str]
    """As it was sent: ports as well."""
    onstart: str
    bid: float | None
    cancels: bool
    """Rather nothing than something that is stopped."""

    @property
    def environment(self) -> Mapping[str, str]:
        return {name: value for name, value in self.env.items() if not name.startswith("-")}


def order_of(body: Any) -> Order:
    """A null is as good as nothing. Raises `No`."""
    if not isinstance(body, dict):
        raise _bad("The body is no object.")
    asked = {name: value for name, value in body.items() if value is not None}
    image, label, env = asked.get("image", ""), asked.get("label", ""), asked.get("env", {})
    if not image and "template_hash_id" not in asked:
        raise _bad("image is required")
    if not isinstance(env, dict):
        raise _bad("env is no object")
    if len(str(image)) > 1024 or len(str(label)) > MOST_LABEL:
        raise _bad("image or label is too long")
    if sum(len(str(name)) + len(str(value)) for name, value in env.items()) > MOST_ENV:
        raise _bad("env is too long")
    if sum(name.startswith("-p ") for name in env) > 64:
        raise _bad("too many ports")
    start = [str(asked.get("onstart", "")), str(asked.get("args_str", "")), *map(str, asked.get("args", []))]
    if sum(map(len, start)) > MOST_START:
        raise _bad("args, args_str and onstart are too long")
    runtype = str(asked.get("runtype", "ssh"))
    if not set(runtype.split()) <= _RUNTYPES:
        raise _bad("runtype is unknown")
    bid = None if "price" not in asked else float(asked["price"])
    if bid is not None and not 0.001 <= bid <= 128:
        raise No(400, "invalid_price", "price is out of bounds")
    disk = float(asked.get("disk", 8))
    if disk < 8:
        raise _bad("disk is at least 8")
    starts = asked.get("target_state", "running") == "running"
    return Order(
        image=str(image),
        disk=disk,
        label=str(label),
        runtype=runtype,
        env={str(name): str(value) for name, value in env.items()},
        onstart=" ".join([start[0], shlex.join(start[2:])]).strip() if runtype == "args" else start[0],
        bid=bid,
        cancels=bool(asked.get("cancel_unavail", bid is None and starts)),
    )


def _bad(message: str) -> No:
    return No(400, "invalid_args", message)
