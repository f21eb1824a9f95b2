"""The doctor, where something may be rented: the ledger, the limits, and who runs the guard."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from jupyter_gpu_bridge import keys, settings
from jupyter_gpu_bridge.errors import BridgeError
from jupyter_gpu_bridge.keys import SourceKind
from jupyter_gpu_bridge.model import RENTED, Finding, Profile
from jupyter_gpu_bridge.providers.clouds import cloud_names
from jupyter_gpu_bridge.rentals import order_words
from jupyter_gpu_bridge.rentals.clock import clock_of_environment
from jupyter_gpu_bridge.rentals.guard_timer import timer_now
from jupyter_gpu_bridge.rentals.limits import limits_file, user_limits


async def of_ledger() -> tuple[Finding, int]:
    """And how much is rented or wanted now. Raises `LedgerBroken`."""
    if not settings.has_ledger():
        return Finding("ledger", True, "Nothing was ever rented here."), 0
    return await asyncio.to_thread(_opened)


def of_limits() -> Finding:
    """Raises `BadRequest` for a file that makes no sense."""
    limits = user_limits()
    named = {
        "in a day": limits.per_day,
        "in a month": limits.per_month,
        "per hour": limits.per_hour_at_once,
        "machines at once": limits.live_at_once,
    }
    said = ", ".join(f"{limit} {name}" for name, limit in named.items() if limit is not None)
    return Finding("limits", True, f"{said} ({limits_file()})." if said else "No limit over all rentals.")


def of_clock() -> Finding | None:
    """Nothing, unless it is wrong: our times are right then, and those that others show are not."""
    off = clock_of_environment().wrong_by if settings.has_ledger() else timedelta(0)
    if not off:
        return None
    way = "ahead of" if off > timedelta(0) else "behind"
    return Finding(
        "clock",
        False,
        f"This computer's clock is {abs(off) // timedelta(minutes=1)} min {way} what the clouds say that it is. What "
        "is rented is counted by theirs.",
        "Set it, or have the system keep it right by the network's time (for example: timedatectl set-ntp true).",
    )


async def of_keys() -> Sequence[Finding]:
    """Which there are, and one finding for each that cannot be read."""
    return await asyncio.to_thread(_of_keys)


async def of_guard(unsettled: int) -> Finding:
    """That nothing runs it is nothing wrong, and worth a hint where something is rented."""
    timer = await timer_now()
    if timer.runner is None and not unsettled:
        return Finding("guard", True, timer.text)
    return Finding("guard", timer.is_well, timer.text, timer.advice)


def of_profile(profile: Profile) -> Finding:
    """One whose machine is rented."""
    subject = f"profile {profile.name}"
    if profile.machine != RENTED:
        return Finding(subject, True, f"It starts kernels on {profile.machine}, as long as that is rented.")
    if profile.order is None:
        return _wrong(profile, "It rents, and has no order for it.", "")
    try:
        order_words.check_order(profile.order)
    except BridgeError as error:
        return _wrong(profile, error.what, error.advice)
    unknown = sorted(set(profile.order.need.providers) - set(cloud_names()))
    if unknown:
        return _wrong(profile, f"It rents from {unknown[0]!r}, and there is no such provider here.", "")
    return Finding(subject, True, "It rents a machine when a kernel starts.")


def _wrong(profile: Profile, what: str, advice: str) -> Finding:
    anew = f"Order anew, or remove it: jupyter gpu profiles remove {profile.name}"
    return Finding(f"profile {profile.name}", False, what, f"{advice} {anew}".strip())


def _of_keys() -> Sequence[Finding]:
    all_held = [keys.held(place) for place in keys.places()]
    named = [f"{held.place.provider} ({held.key.source})" for held in all_held if held.key is not None]
    findings = [Finding("keys", True, f"{', '.join(named)}." if named else "None yet.")]
    told: set[str] = set()
    for held in all_held:
        for trouble in held.troubles:
            if trouble.what not in told:
                told.add(trouble.what)
                is_fine = trouble.kind is SourceKind.KEYRING and not held.is_certain
                findings.append(Finding("keys", is_fine, trouble.what, trouble.advice))
    return findings


def _opened() -> tuple[Finding, int]:
    """The database takes long to import, so that is done where it is needed."""
    from jupyter_gpu_bridge.db import SCHEMA
    from jupyter_gpu_bridge.db.address import ledger_address, shown
    from jupyter_gpu_bridge.rentals.ledger import Ledger

    where = shown(ledger_address())
    with Ledger.open() as ledger:
        unsettled = len(ledger.unsettled())
        text = f"{where}, version {ledger.version}; {unsettled or 'nothing'} rented now."
        if ledger.version > SCHEMA:
            advice = "Upgrade jupyter-gpu-bridge here; until then machines are ended, and none is rented."
            return Finding("ledger", False, f"{text} It was written by a newer version.", advice), unsettled
    return Finding("ledger", True, text), unsettled
