"""Looks at an own host step by step: is its key known, does it let us in, can it run a kernel."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import cast

from jupyter_gpu_bridge import settings
from jupyter_gpu_bridge.errors import BadRequest, BridgeError, HostKeyChanged, HostKeyUnknown, PassphraseNeeded
from jupyter_gpu_bridge.machine.link import links
from jupyter_gpu_bridge.model import MachineRef, Stage
from jupyter_gpu_bridge.providers import ssh
from jupyter_gpu_bridge.providers.hosts import Hosts
from jupyter_gpu_bridge.rentals.reach import target_of

MOST_PASSPHRASES = 3

Confirm = Callable[[HostKeyUnknown | HostKeyChanged], bool]
Ask = Callable[[str], str | None]


async def host(
    name: str, confirm: Confirm | None, ask: Ask | None, fingerprint: str | None = None
) -> AsyncIterator[Stage]:
    """Each step as it is done; raises the `BridgeError` that stops it.

    With a fingerprint, a host that is trusted already must be so for that key.
    """
    machine = ssh.machine_ref(Hosts().get(name))
    yield Stage("connecting", f"connecting to {name}")
    figures: dict[str, object] = {}
    pinned: set[str] = set()
    passphrases = 0
    while not figures:
        try:
            figures = await links().run(links().ask(machine, target_of(machine), "check", anew=bool(pinned)))
        except (HostKeyUnknown, HostKeyChanged) as key:
            shown = key.details["fingerprint"]
            if shown in pinned or confirm is None or not confirm(key):
                raise
            _pin(key)
            pinned.add(shown)
            yield Stage("connecting", f"the key {shown} was confirmed and is pinned")
        except PassphraseNeeded as needed:
            passphrases += 1
            if passphrases > MOST_PASSPHRASES:
                raise
            await _unlock(machine, needed, ask)
    if fingerprint is not None and fingerprint not in pinned:
        await _compare(machine, fingerprint)
    yield Stage("preparing", _describe(figures))
    yield Stage("preparing", _foreseen(cast("dict[str, object]", figures["foreseen"])))
    yield Stage("ready", f"{name} can be used")


async def _compare(machine: MachineRef, fingerprint: str) -> None:
    """It let us in, so it has shown a key that was trusted before: whether that may have been the one given."""
    from jupyter_gpu_bridge.machine import carriers

    trusted = [key.fingerprint for key in await carriers.trusted_keys(target_of(machine).ssh_target())]
    if fingerprint not in trusted:
        by = f"the key {' or '.join(trusted)}" if trusted else "a certificate"
        raise BadRequest(
            f"{machine.name} is known by {by}, not by the key that you gave.",
            advice="Compare both with what the machine's owner says; until then do not connect.",
        )


def _pin(error: BridgeError) -> None:
    from jupyter_gpu_bridge.machine import carriers

    found = error.details
    known_hosts = settings.data_folder() / "known_hosts"
    carriers.pin(known_hosts, found["host"], int(found["port"]), carriers.HostKey.parse(found["key"]))


async def _unlock(machine: MachineRef, needed: PassphraseNeeded, ask: Ask | None) -> None:
    """Give the link a passphrase to hold in its memory; raises again when there is nobody to ask."""
    passphrase = ask(needed.details.get("identity_file", "the key")) if ask is not None else None
    if not passphrase:
        raise needed
    await links().run(links().ask(machine, target_of(machine), "passphrase", passphrase=passphrase))


def _describe(figures: dict[str, object]) -> str:
    gpus = figures.get("gpus")
    names = [str(gpu["name"]) for gpu in gpus] if isinstance(gpus, list) else []
    return f"it has {', '.join(names)}" if names else "it shows no NVIDIA GPU"


def _foreseen(found: dict[str, object]) -> str:
    """Which Python a kernel will have there; that it can have one has been looked at."""
    if found["has_ipykernel"]:
        return f"{found['python']} has ipykernel"
    return f"{found['python']} lacks ipykernel, which will be added there when the first kernel starts"
