"""The ground: our values as plain data, the same in REST answers and in `--json` output. The keys are a promise."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from jupyter_gpu_bridge.errors import Problem
from jupyter_gpu_bridge.keys import Held, Source
from jupyter_gpu_bridge.model import (
    Event,
    Finding,
    GpuCompared,
    GpusChecked,
    Health,
    Host,
    KernelView,
    MachineView,
    Money,
    Offer,
    Profile,
    ProviderHealth,
    Rental,
    RentalState,
    Stage,
    Wish,
)
from jupyter_gpu_bridge.naming import kernel_name

if TYPE_CHECKING:
    from jupyter_gpu_bridge.gpus import Explained, Identified, Model
    from jupyter_gpu_bridge.model.query import Page

Plain = dict[str, object]

_NOTHING = Money()
_FORMULAS = ("=", "+", "-", "@", "\t", "\r")


def cell(value: str | int | None) -> str | int:
    """Of a table: a provider may call its GPU anything, also something that a spreadsheet would calculate."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return ""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULAS) else value


def kernel(view: KernelView) -> Plain:
    return {
        "kernel_id": view.kernel_id,
        "machine": str(view.machine),
        "state": view.state.value,
        "attached": view.attached,
        "profile": view.profile,
        "path": view.path,
        "pid": view.pid,
        "started": moment(view.started),
        "last_activity": moment(view.last_activity),
        "detail": view.detail,
        "foreign": view.is_foreign,
    }


def unreachable(view: MachineView) -> Plain:
    """A machine that could not be asked, and why."""
    return {"machine": str(view.ref), "title": view.title, "reason": view.detail or "The connection to it was cut."}


def machine(view: MachineView, profiles: Sequence[Profile]) -> Plain:
    """With those of the profiles that start kernels on it."""
    return {
        "ref": str(view.ref),
        "provider": view.ref.provider,
        "name": view.ref.name,
        "title": view.title,
        "state": view.state.value,
        "detail": view.detail,
        "carrier": view.carrier,
        "round_trip_ms": view.round_trip_ms,
        "profiles": [
            {"name": item.name, "display_name": item.display_name, "kernel_name": kernel_name(item.name)}
            for item in profiles
            if item.machine == view.ref
        ],
        "kernels": [kernel(item) for item in view.kernels],
    }


def profile(value: Profile) -> Plain:
    return {
        "name": value.name,
        "kernel_name": kernel_name(value.name),
        "display_name": value.display_name,
        "machine": str(value.machine),
        "python": value.python,
        "folder": value.folder,
        "environment": dict(value.environment),
        "keep": value.keep,
    }


def host(value: Host) -> Plain:
    return {
        "name": value.name,
        "machine": f"ssh:{value.name}",
        "address": value.address,
        "user": value.user,
        "port": value.port,
        "identity_file": value.identity_file,
        "python": value.python,
        "carrier": value.carrier,
    }


def stage(value: Stage) -> Plain:
    return {"name": value.name, "text": value.text}


def finding(value: Finding) -> Plain:
    return {"subject": value.subject, "ok": value.ok, "text": value.text, "advice": value.advice}


def health(value: Health) -> Plain:
    return {
        "ok": value.is_well,
        "summary": value.summary,
        "providers": [provider_health(each) for each in value.providers],
    }


def provider_health(value: ProviderHealth) -> Plain:
    """Times in seconds, rates as shares of one; null where nothing is known yet."""
    limiter, cache = value.limiter, value.cache
    return {
        "provider": value.provider,
        "state": value.state.value,
        "why": value.why,
        "key_trouble": value.key_trouble,
        "calls": value.calls,
        "success_rate": value.success_rate,
        "response_seconds": {"median": _seconds(value.median), "p95": _seconds(value.p95)},
        "breakers": [
            {
                "operation": each.operation,
                "state": each.state.value,
                "failures": each.failures,
                "trips": each.trips,
                "last_failure_seconds_ago": _seconds(each.failed_before),
                "tries_in_seconds": _seconds(each.tries_in),
            }
            for each in value.breakers
        ],
        "limiter": None
        if limiter is None
        else {
            "per_second": limiter.per_second,
            "capacity": limiter.capacity,
            "available": round(limiter.available, 3),
            "utilisation": round(limiter.utilisation, 3),
            "blocked": limiter.blocked,
            "paused_seconds": _seconds(limiter.paused),
        },
        "cache": {
            "entries": cache.entries,
            "hits": cache.hits,
            "misses": cache.misses,
            "ratio": cache.ratio,
            "ttl_seconds": _seconds(cache.ttl),
        },
    }


def rental(
    wish: Wish,
    newest: Rental | None,
    warning: Event | None = None,
    step: Event | None = None,
    *,
    is_elsewhere: bool = False,
    earlier: Money = _NOTHING,
    cost: Money = _NOTHING,
    unwatched_since: datetime | None = None,
    tried: str = "",
) -> Plain:
    """A wish and the newest attempt to fill it. Money is text in dollars: a number would be a float somewhere.

    `step`: what was done last to have a machine. `is_elsewhere`: wanted by another computer or user of the ledger.
    `tried`: which offers came to nothing before it. `earlier`: what attempts before the newest have cost. `cost`: what
    all have cost until now, as far as that is known.
    """
    return {
        "id": wish.wish_id,
        "key": wish.key,
        "machine": f"rental:{wish.wish_id}",
        "open": wish.is_open,
        "asked": moment(wish.asked),
        "asked_by": wish.asked_by,
        "elsewhere": is_elsewhere,
        "closed": moment(wish.closed),
        "closed_because": wish.closed_because,
        "state": "searching" if newest is None and wish.is_open else "gone" if newest is None else newest.state.value,
        "stage": _rental_stage(wish, newest),
        "step": None if step is None else event(step),
        "warning": "" if warning is None else warning.text,
        "warned": None if warning is None else moment(warning.at),
        "cost": _dollars(cost),
        "earlier_cost": _dollars(earlier),
        "unwatched_since": moment(unwatched_since),
        "tried": tried,
        "attempt": None if newest is None else attempt(newest),
    }


def attempt(value: Rental) -> Plain:
    return {
        "id": value.attempt_id,
        "state": value.state.value,
        "provider": value.provider,
        "title": value.offer.title,
        "gpu": value.offer.gpu,
        "gpu_count": value.offer.gpu_count,
        "region": value.offer.region,
        "spot": value.offer.is_spot,
        "pretend": value.offer.is_pretend,
        "name": value.name,
        "ref": value.ref,
        "price_per_hour": _dollars(value.price),
        "cost": _dollars(value.accrued),
        "cost_as_of": moment(value.accrued_until),
        "budget": None if value.cap is None else _dollars(value.cap),
        "worst_case": _dollars(value.worst_case),
        "deadline": moment(value.deadline),
        "requested": moment(value.requested),
        "created": moment(value.created),
        "gone": moment(value.gone),
        "reason": value.reason,
    }


def offer(value: Offer) -> Plain:
    """What its provider does not say is null. Prices are text in dollars; traffic is priced by the gigabyte."""
    return {
        "name": value.name,
        "provider": value.provider,
        "title": value.title,
        "gpu": value.gpu,
        "gpu_count": value.gpu_count,
        "gpu_memory_mib": value.gpu_memory_mib,
        "sold_as": value.sold_as,
        "price_per_hour": _dollars(value.price),
        "spot": value.is_spot,
        "pretend": value.is_pretend,
        "region": value.region,
        "tier": value.tier,
        "stock": value.stock,
        "host": value.host,
        "verified": value.is_verified,
        "reliability": value.reliability,
        "benchmark": value.benchmark,
        "available_seconds": _seconds(value.lasts),
        "cpus": value.cpus or None,
        "memory_mib": value.memory_mib or None,
        "disk_gib": value.disk_gib or None,
        "down_mbps": value.down_mbps,
        "up_mbps": value.up_mbps,
        "down_price": None if value.down_price is None else _dollars(value.down_price),
        "up_price": None if value.up_price is None else _dollars(value.up_price),
        "cuda": value.cuda,
        "compute_capability": value.compute_capability,
        "needs_image": value.needs_image,
        "seen": moment(value.seen),
    }


def page(value: Page) -> Plain:
    """Of a search. `awaited`: who has not answered yet; `excluded`: what is asked for, and how many have not got it."""
    return {
        "offers": [
            {
                **offer(row.offer),
                "score": None if row.figures is None else row.figures.score,
                "raw": None if row.figures is None else round(row.figures.raw, 2),
                "warning": row.warning,
                "boot_seconds": _seconds(row.boot),
            }
            for row in value.rows
        ],
        "fitting": value.fitting,
        "offered": value.offered,
        "awaited": list(value.awaited),
        "providers": [
            {
                "provider": each.provider,
                "offered": each.offered,
                "age_seconds": _seconds(each.age),
                "stale": each.is_stale,
                "silent": each.silent,
                "answered_after_seconds": _seconds(each.after),
            }
            for each in value.answers
        ],
        "excluded": [
            {"phrase": each.phrase, "count": each.count, "alone": each.alone, "unsaid": each.unsaid}
            for each in value.excluded
        ],
        "why_empty": value.why_empty,
    }


def gpu_model(value: Model) -> Plain:
    """The score is out of 150; `raw` orders those that are above it as well."""
    return {
        "name": value.name,
        "family": value.family,
        "memory_gib": value.gib,
        "other_memory_gib": [*value.other_gib, *value.slower_gib],
        "category": value.category.value,
        "architecture": value.architecture,
        "capability": value.capability,
        "tflops": value.tflops,
        "tflops_of": value.units.value,
        "bandwidth": value.bandwidth,
        "fp8": value.has_fp8,
        "arm_host": value.has_arm_host,
        "score": value.figures.score,
        "raw": round(value.figures.raw, 2),
        "needs": value.needs,
        "note": value.note,
    }


def gpu(value: Identified) -> Plain:
    """What a name was taken for; without a model it is not known, with several its variant is not."""
    figures = value.figures
    return {
        "name": value.name,
        "title": value.title,
        "models": [gpu_model(model) for model in value.models],
        "variant_unknown": value.variant_is_unknown,
        "count": value.count,
        "memory_mib": value.memory_mib,
        "slice": value.slice,
        "arm_host": value.has_arm_host,
        "score": None if figures is None else figures.score,
        "raw": None if figures is None else round(figures.raw, 2),
        "note": value.note,
    }


def gpu_name(value: Explained) -> Plain:
    """A name in everybody's words, and in those of each provider that has it; what is near it, where nobody has."""
    theirs = {provider: gpu(found) for provider, found in value.by_provider}
    return {**gpu(value.found), "providers": theirs, "near": list(value.near)}


def gpus_checked(value: GpusChecked) -> Plain:
    """Figures in GB/s and TFLOPS; `remembered`: they count when offers are ranked."""
    return {
        "machine": str(value.machine),
        "offered": value.offered,
        "torch": value.check.torch,
        "problem": {"code": value.check.problem_code, "text": value.check.problem} if value.check.problem else None,
        "gpus": [_gpu_checked(each) for each in value.gpus],
        "remembered": value.is_remembered,
    }


def _gpu_checked(value: GpuCompared) -> Plain:
    measured = value.measured
    return {
        "name": measured.name,
        "model": value.model,
        "memory_mib": measured.memory_mib,
        "format": measured.format,
        "bandwidth": _figure(measured.bandwidth, value.bandwidth, value.bandwidth_share),
        "tflops": _figure(measured.tflops, value.tflops, value.tflops_share),
        "problem": measured.problem,
        "another_model": value.is_another,
        "bad": value.is_bad,
    }


def _figure(measured: float | None, claimed: float | None, share: float | None) -> Plain:
    return {"measured": measured, "claimed": claimed, "share": None if share is None else round(share, 3)}


def event(value: Event) -> Plain:
    return {"at": moment(value.at), "attempt": value.attempt_id, "kind": value.kind, "text": value.text}


def took(name: str, time: timedelta | None) -> Plain:
    """A stage, and how long it took; `ready` counts from the wish."""
    return {"stage": name, "seconds": _seconds(time)}


def source(value: Source) -> Plain:
    return {"kind": value.kind.value, "name": value.name}


def key(value: Held) -> Plain:
    """Of the key itself nothing but its last characters."""
    return {
        "provider": value.place.provider,
        "source": None if value.key is None else source(value.key.source),
        "last": value.key.last if value.key is not None else "",
        "variables": list(value.place.variables),
        "troubles": [{"what": trouble.what, "advice": trouble.advice} for trouble in value.troubles],
    }


def problem(value: Problem) -> Plain:
    """With `details` where there are any: for a host key `fingerprint`, `key`, `host`, `port`."""
    said: Plain = {"error": value.code, "message": _joined(value.what, value.billing), "advice": value.advice}
    return {**said, "details": dict(value.details)} if value.details else said


def _rental_stage(wish: Wish, newest: Rental | None) -> str:
    """How far it is, in one word for people; `state` is what the ledger says of the attempt."""
    if newest is None or not newest.state.is_live:
        return "searching" if wish.is_open else "gone"
    if not wish.is_open or newest.state is RentalState.RELEASING:
        return "ending"
    if newest.state is RentalState.CREATED:
        return "connecting" if newest.address else "booting"  # it has an address from when it runs
    if newest.state in (RentalState.REACHABLE, RentalState.IN_USE):
        return "ready" if newest.state is RentalState.REACHABLE else "in_use"
    return "renting"


def _joined(*parts: str) -> str:
    return " ".join(part for part in parts if part)


def _dollars(value: Money) -> str:
    return str(value).replace("$", "")


def _seconds(value: timedelta | None) -> float | None:
    return None if value is None else round(value.total_seconds(), 3)


def moment(value: datetime | None) -> str | None:
    return None if value is None else value.isoformat()
