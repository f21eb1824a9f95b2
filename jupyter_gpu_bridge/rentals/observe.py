"""What there is now: machines and their kernels, as their links tell."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from jupyter_gpu_bridge import settings
from jupyter_gpu_bridge.errors import BridgeError, KernelUnknown, LinkLost
from jupyter_gpu_bridge.machine.link import LinkClient, Target, links
from jupyter_gpu_bridge.machine.link.places import folder_of
from jupyter_gpu_bridge.model import (
    KernelId,
    KernelState,
    KernelView,
    MachineRef,
    MachineState,
    MachineView,
    RentalState,
)
from jupyter_gpu_bridge.providers.machines import known_machines
from jupyter_gpu_bridge.rentals.reach import target_of
from jupyter_gpu_bridge.rentals.standing import Standing

_REPEATED = 5.0
"""Seconds for a machine whose link tries to come back anyway, and may do so for days."""

_LATELY = timedelta(hours=1)

_ENTERED = (RentalState.REACHABLE, RentalState.IN_USE)


async def machines(*, wake: bool = False) -> Sequence[MachineView]:
    """All machines at once; one that does not answer shows why, and holds up none of the others."""
    known = [*await _rented(), *known_machines()]
    return await asyncio.gather(*(_machine(ref, title, wake=wake) for ref, title in known))


async def _rented() -> Sequence[tuple[MachineRef, str]]:
    """Those that can be entered; looked for only where something was ever rented."""
    if not settings.has_ledger():
        return ()
    from jupyter_gpu_bridge.rentals.orders import orders

    return [
        (standing.machine, f"{standing.rental.offer.title} ({standing.rental.provider})")
        for standing in await orders().all()
        if standing.wish.is_open and standing.rental is not None and standing.rental.state in _ENTERED
    ]


async def rentals() -> Sequence[Standing]:
    """What is rented, and what ended within the last hour; no ledger is opened where nothing was ever rented."""
    if not settings.has_ledger():
        return ()
    from jupyter_gpu_bridge.rentals.orders import orders

    now = datetime.now(timezone.utc)
    return lately(await orders().all(ended_since=now - _LATELY), now)


def lately(standings: Iterable[Standing], now: datetime) -> Sequence[Standing]:
    """Those that are not over, or not for long."""
    return [each for each in standings if not each.is_over or now - _end(each) < _LATELY]


def _end(standing: Standing) -> datetime:
    """Of one that is over: when the last of it ended."""
    ends = [standing.wish.closed, None if standing.rental is None else standing.rental.gone]
    return max((end for end in ends if end is not None), default=standing.wish.asked)


def kernels_of(views: Iterable[MachineView]) -> Sequence[KernelView]:
    """Each kernel once: two names may mean one machine, and the name it was started by knows most of it."""
    found: dict[KernelId, KernelView] = {}
    for kernel in (kernel for view in views for kernel in view.kernels):
        if kernel.kernel_id not in found or (found[kernel.kernel_id].is_foreign and not kernel.is_foreign):
            found[kernel.kernel_id] = kernel
    return list(found.values())


async def machine_of(kernel_id: KernelId) -> MachineRef:
    """Where this kernel runs; raises `KernelUnknown`."""
    for kernel in kernels_of(await machines()):
        if kernel.kernel_id == kernel_id:
            return kernel.machine
    raise KernelUnknown(
        f"No kernel {kernel_id} is known on any machine that is connected.",
        advice="`jupyter gpu kernels --wake` also asks machines that are asleep.",
    )


async def kernel(machine: MachineRef, kernel_id: KernelId) -> KernelView:
    """One kernel on a machine whose link is there; raises `KernelUnknown`."""
    for view in (await _machine(machine, "", wake=False)).kernels:
        if view.kernel_id == kernel_id:
            return view
    raise KernelUnknown(f"No kernel {kernel_id} runs there any more.")


async def connection_file(kernel_id: KernelId) -> Path:
    """Written for this kernel, readable by this user only; raises `KernelUnknown`."""
    machine = await machine_of(kernel_id)
    status = await links().run(links().ask(machine, None, "status"))
    for found in status["kernels"]:
        if found["kernel_id"] == kernel_id:
            return _write(machine, found)
    raise KernelUnknown(
        f"The kernel {kernel_id} belongs to another computer or another user's link.",
        advice="It can be stopped from here, and attached to only from there.",
    )


def connection_info(prefix: str, key: bytes, signature_scheme: str) -> dict[str, Any]:
    """What clients need to talk to the façade of a kernel."""
    ports = {f"{name}_port": number for number, name in enumerate(("shell", "iopub", "stdin", "control", "hb"), 1)}
    return {"transport": "ipc", "ip": prefix, "key": key, "signature_scheme": signature_scheme, **ports}


async def _machine(ref: MachineRef, title: str, *, wake: bool) -> MachineView:
    has_work = LinkClient.has_work(ref)
    if not wake and not has_work and not LinkClient.is_running(ref):
        return MachineView(ref, title, MachineState.ASLEEP)
    try:
        target = target_of(ref) if wake or has_work else None
        view = await _asked(ref, title, target, wake=False)
        if wake and view.state is not MachineState.CONNECTED:
            view = await _woken(view, target)
    except LinkLost as lost:
        if not wake and not has_work:
            return MachineView(ref, title, MachineState.ASLEEP)  # its link left just now
        return MachineView(ref, title, MachineState.FAILED, detail=str(lost), out_of_reach=True)
    except BridgeError as error:
        return await _unreached(ref, title, error)
    is_cut = view.state in (MachineState.FAILED, MachineState.RECONNECTING)
    return replace(view, out_of_reach=is_cut and (wake or has_work))


async def _asked(ref: MachineRef, title: str, target: Target | None, *, wake: bool) -> MachineView:
    try:
        status = await links().run(links().ask(ref, target, "status", wake=wake))
    except LinkLost:
        if target is None:
            raise
        # It was killed just now; who asks again starts its successor.
        status = await links().run(links().ask(ref, target, "status", wake=wake))
    return MachineView(
        ref,
        title,
        MachineState(status["state"]),
        detail=str(status["detail"]),
        carrier=str(status["carrier"]),
        round_trip_ms=status["round_trip_ms"],
        kernels=(
            *(_kernel(ref, found) for found in status["kernels"]),
            *(replace(_kernel(ref, found), state=KernelState.STOPPING) for found in status.get("stopping", ())),
            *(_foreign(ref, found) for found in status["foreign"]),
        ),
    )


async def _woken(view: MachineView, target: Target | None) -> MachineView:
    patience = _REPEATED if view.state is MachineState.RECONNECTING else None
    try:
        return await asyncio.wait_for(_asked(view.ref, view.title, target, wake=True), patience)
    except asyncio.TimeoutError:
        return replace(view, detail=view.detail or "The connection was cut, and the machine does not answer now.")


async def _unreached(ref: MachineRef, title: str, error: BridgeError) -> MachineView:
    """What the link remembers of a machine that does not answer."""
    failed = MachineView(ref, title, MachineState.FAILED, detail=str(error), out_of_reach=True)
    try:
        remembered = await _asked(ref, title, None, wake=False)
    except BridgeError:
        return failed
    return replace(failed, kernels=remembered.kernels)


def _kernel(ref: MachineRef, found: dict[str, Any]) -> KernelView:
    return KernelView(
        KernelId(found["kernel_id"]),
        ref,
        KernelState(found["state"]),
        attached=bool(found["attached"]),
        profile=str(found["profile"]),
        path=str(found["path"]),
        pid=found["pid"],
        started=_time(found["started"]),
        last_activity=_time(found["last_activity"]),
        detail=str(found["cause"]),
    )


def _foreign(ref: MachineRef, found: dict[str, Any]) -> KernelView:
    """A kernel that runs on the machine for somebody else of ours: another computer, or a link that was wiped."""
    about = found.get("about") or {}
    return KernelView(
        KernelId(found["kernel_id"]),
        ref,
        KernelState(found["state"]),
        attached=bool(found.get("attached")),
        profile=str(about.get("profile", "")),
        path=str(about.get("path", "")),
        pid=found.get("pid"),
        started=_time(found.get("started")),
        last_activity=_time(found.get("changed")),
        detail="Started from another computer.",
        is_foreign=True,
    )


def _time(seconds: float | None) -> datetime | None:
    return datetime.fromtimestamp(seconds, timezone.utc) if seconds else None


def _write(machine: MachineRef, found: dict[str, Any]) -> Path:
    """In the folder that the link removes with its kernel: the file holds the key that signs its messages."""
    for old in settings.run_folder().glob("kernel-*.json"):
        old.unlink(missing_ok=True)  # where an earlier version left them for ever
    path: Path = folder_of(machine) / "kernels" / str(found["kernel_id"]) / f"kernel-{found['kernel_id']}.json"
    info = connection_info(found["prefix"], b"", found["signature_scheme"])
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump({**info, "key": found["key"]}, file)
    return path
