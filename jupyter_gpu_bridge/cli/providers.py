"""`jupyter gpu health`."""

from __future__ import annotations

from argparse import Namespace
from datetime import timedelta

from jupyter_gpu_bridge import plain
from jupyter_gpu_bridge.bridge import Bridge
from jupyter_gpu_bridge.cli.screen import Screen
from jupyter_gpu_bridge.model import BreakerState, ProviderHealth

_TITLES = ("PROVIDER", "STATE", "WENT WELL", "MEDIAN", "95 %", "BREAKERS", "REQUESTS LEFT", "OFFERS")


async def run(arguments: Namespace, bridge: Bridge, screen: Screen) -> int:
    """1 when a provider is not healthy."""
    if arguments.reset:
        bridge.reset_provider(arguments.reset)
    if arguments.invalidate is not None:
        bridge.forget_offers(arguments.invalidate)
    health = await bridge.health()
    screen.data(plain.health(health))
    if health.providers:
        screen.table(_TITLES, [_row(each) for each in health.providers])
    for each in health.providers:
        if each.why:
            screen.say(f"{each.provider}: {each.why}")
    screen.say(health.summary)
    return 0 if health.is_well else 1


def _row(health: ProviderHealth) -> tuple[str, ...]:
    rate = "-" if health.success_rate is None else f"{health.success_rate:.0%} of {health.calls}"
    return (
        health.provider, health.state.value, rate, _time(health.median), _time(health.p95),
        _breakers(health), _left(health), _offers(health),
    )  # fmt: skip


def _breakers(health: ProviderHealth) -> str:
    said = [
        f"{each.operation} {each.state.value.replace('_', '-')}"
        + (f" ({_time(each.tries_in)})" if each.tries_in else "")
        for each in health.breakers
        if each.state is not BreakerState.CLOSED
    ]
    return ", ".join(said) or "closed"


def _left(health: ProviderHealth) -> str:
    limiter = health.limiter
    if limiter is None:
        return "-"
    blocked = f", {limiter.blocked} wait" if limiter.blocked else ""
    return f"{limiter.available:.0f} of {limiter.capacity:.0f}{blocked}"


def _offers(health: ProviderHealth) -> str:
    cache = health.cache
    ratio = "" if cache.ratio is None else f", {cache.ratio:.0%} remembered"
    return f"for {cache.ttl.total_seconds():.0f} s{ratio}"


def _time(time: timedelta | None) -> str:
    return "-" if time is None else f"{time.total_seconds():.2f} s"
