"""Looks at an own host step by step: is its key known, does it let us in, can it run a kernel."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from jupyter_gpu_bridge.errors import HostKeyUnknown, PassphraseNeeded
from jupyter_gpu_bridge.machine import carriers
from jupyter_gpu_bridge.machine.link import links
from jupyter_gpu_bridge.model import MachineRef, Stage
from jupyter_gpu_bridge.providers import ssh
from jupyter_gpu_bridge.providers.hosts import Hosts
from jupyter_gpu_bridge.rentals.reach import target_of


async def host(
    name: str, confirm: Callable[[str, str], bool] | None, ask: Callable[[str], str | None] | None
) -> AsyncIterator[Stage]:
    """Each step as it is done; raises the `BridgeError` that stops it."""
    machine = ssh.machine_ref(Hosts().get(name))
    yield Stage("connecting", f"connecting to {name}")
    try:
        figures = await _connect(machine)
    except HostKeyUnknown as unknown:
        if confirm is None or not confirm(unknown.details.get("host", name), unknown.details["fingerprint"]):
            raise
        await links().run(carriers.pin(target_of(machine).ssh(), unknown))
        yield Stage("connecting", f"the key of {name} was confirmed and is pinned")
        figures = await _with_passphrase(machine, ask)
    except PassphraseNeeded:
        figures = await _with_passphrase(machine, ask)
    yield Stage("preparing", _describe(figures))
    yield Stage("ready", f"{name} can be used")


async def _connect(machine: MachineRef) -> dict[str, object]:
    figures: dict[str, object] = await links().run(links().ask(machine, target_of(machine), "check"))
    return figures


async def _with_passphrase(machine: MachineRef, ask: Callable[[str], str | None] | None) -> dict[str, object]:
    try:
        return await _connect(machine)
    except PassphraseNeeded as needed:
        passphrase = ask(needed.details.get("identity_file", "the key")) if ask is not None else None
        if passphrase is None:
            raise
    await links().run(links().ask(machine, target_of(machine), "passphrase", passphrase=passphrase))
    return await _connect(machine)


def _describe(figures: dict[str, object]) -> str:
    gpus = figures.get("gpus")
    names = [str(gpu["name"]) for gpu in gpus] if isinstance(gpus, list) else []
    return f"it has {', '.join(names)}" if names else "it shows no NVIDIA GPU"
