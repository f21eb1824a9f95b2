"""`jupyter gpu health`."""

from __future__ import annotations

import asyncio
from argparse import Namespace
from datetime import timedelta

from jupyter_gpu_bridge import plain
from jupyter_gpu_bridge.bridge import Bridge
from jupyter_gpu_bridge.cli.health_there import look
from jupyter_gpu_bridge.cli.screen import Screen
from jupyter_gpu_bridge.cli.servers import running
from jupyter_gpu_bridge.model import BreakerState, Health, ProviderHealth

_TITLES = ("PROVIDER", "STATE", "ANSWERED", "MEDIAN", "95 %", "BREAKERS", "REQUESTS LEFT", "OFFERS")


async def run(arguments: Namespace, bridge: Bridge, screen: Screen) -> int:
    """1 when a provider is not healthy, here or as a server has seen it, or a server has not done what it was to do."""
    if arguments.reset:
        bridge.reset_provider(arguments.reset)
    if arguments.invalidate is not None:
        bridge.forget_offers(arguments.invalidate)
    servers = await asyncio.to_thread(running)
    health, there = await asyncio.gather(bridge.health(), look(servers, arguments.reset, arguments.invalidate))
    is_well = health.is_well and all(each.is_well for each in there)
    screen.data({**plain.health(health), "ok": is_well, "servers": [each.plain() for each in there]})
    if there:
        screen.say("As this command has just asked them:")
    _show(health, screen)
    for each in there:
        screen.say(f"\n{each.server.title}:")
        for trouble in each.trouble:
            screen.say(trouble)
        if each.health is not None:
            _show(each.health, screen)
    return 0 if is_well else 1


def _show(health: Health, screen: Screen) -> None:
    if health.providers:
        screen.table(_TITLES, [_row(each) for each in health.providers])
    for each in health.providers:
        if each.why:
            screen.say(f"{each.provider}: {each.why}")
    screen.say(health.summary)


def _row(health: ProviderHealth) -> tuple[str, ...]:
    rate = "-" if health.success_rate is None else f"{health.success_rate:.0%} of {health.calls}"
    state = f"{health.state.value}: {health.key_trouble}" if health.key_trouble else health.state.value
    return (
        health.provider, state, rate, _time(health.median), _time(health.p95),
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
