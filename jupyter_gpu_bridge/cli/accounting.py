"""`jupyter gpu costs`, `orphans`, `guard`, `limits`."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta, timezone
from typing import Any

from jupyter_gpu_bridge.bridge import Bridge, as_csv, as_json
from jupyter_gpu_bridge.cli.screen import Screen


async def run(arguments: Namespace, bridge: Bridge, screen: Screen) -> int:
    verbs: dict[str, Callable[[Namespace, Bridge, Screen], Awaitable[int]]] = {
        "costs": _costs, "orphans": _orphans, "guard": _guard, "limits": _limits,
    }  # fmt: skip
    return await verbs[arguments.noun](arguments, bridge, screen)


async def _costs(arguments: Namespace, bridge: Bridge, screen: Screen) -> int:
    since = None
    if arguments.days is not None:
        since = (datetime.now(timezone.utc) - timedelta(days=arguments.days - 1)).date()
    rows = await bridge.costs(arguments.by, since)
    if arguments.csv:
        print(as_csv(rows), end="")
        return 0
    lost = await bridge.lost_rentals()
    screen.data({"by": arguments.by, "costs": json.loads(as_json(rows)), "lost": lost})
    if rows:
        screen.table(
            (arguments.by.upper(), "WHAT", "COST", ""),
            [(row.of[:10], row.title, row.cost.cents(), "pretend" if row.is_pretend else "") for row in rows],
        )
    elif not lost:
        screen.say("Nothing was spent.")
    if lost:
        screen.note(lost)
    return 1 if lost else 0


async def _orphans(arguments: Namespace, bridge: Bridge, screen: Screen) -> int:
    if arguments.keep is not None:
        standing = await bridge.keep_orphan(arguments.keep)
        screen.data(standing.plain())
        screen.say(f"Kept as {standing.wish.wish_id[:8]}; it costs money until you end it: jupyter gpu stop")
        return 0
    if arguments.end is not None:
        standing = await bridge.end_orphan(arguments.end)
        screen.data(standing.plain())
        screen.say(f"It is being ended; to see how that goes: jupyter gpu show {standing.wish.wish_id[:8]}")
        return 0
    round_ = await bridge.guard()
    found, troubles = round_.orphans, round_.troubles
    orphans = [{"provider": each.provider, "name": each.seen.name, "text": each.text} for each in found]
    screen.data({"orphans": orphans, "troubles": list(troubles)})
    for orphan in found:
        unless = f" in a few minutes, unless: jupyter gpu orphans --keep {orphan.seen.name}"
        screen.say(f"{orphan.text}; it is ended{unless if orphan.wish.is_open else ''}.")
    for trouble in troubles:
        screen.note(trouble)
    if not found and not troubles:
        screen.say("Every machine of ours is known.")
    return 1 if troubles else 0


async def _guard(arguments: Namespace, bridge: Bridge, screen: Screen) -> int:
    if arguments.action == "status":
        return await _guard_status(bridge, screen)
    if arguments.action is not None:
        text = await (bridge.install_guard() if arguments.action == "install" else bridge.remove_guard())
        lacking = await bridge.keys_of_this_environment() if arguments.action == "install" else ""
        screen.data({"guard": text, "note": lacking})
        screen.say(text)
        if lacking:
            screen.note(lacking)
        return 0
    round_ = await bridge.guard()
    screen.data(
        {
            "watched": [each.plain() for each in round_.watched],
            "orphans": [each.text for each in round_.orphans],
            "troubles": list(round_.troubles),
        }
    )
    screen.say(f"{len(round_.watched)} rentals are looked after.")
    for orphan in round_.orphans:
        screen.say(f"{orphan.text}.")
    for trouble in round_.troubles:
        screen.note(trouble)
    return 1 if round_.troubles else 0


async def _guard_status(bridge: Bridge, screen: Screen) -> int:
    """1 when the system does not run it as it should."""
    timer = await bridge.guard_timer()
    last = None if timer.last is None else {"at": timer.last.at.isoformat(), "status": timer.last.status}
    screen.data({"runner": timer.runner, "last": last, "ok": timer.is_well, "text": timer.text})
    screen.say(timer.text)
    if timer.advice:
        screen.note(timer.advice)
    return 0 if timer.is_well else 1


async def _limits(arguments: Namespace, bridge: Bridge, screen: Screen) -> int:
    given = {
        "per_day": arguments.per_day,
        "per_month": arguments.per_month,
        "per_hour_at_once": arguments.per_hour_at_once,
        "live_at_once": arguments.live_at_once,
    }
    changes: dict[str, Any] = {
        name: None if value == "none" else value for name, value in given.items() if value is not None
    }
    broken = bridge.change_limits(changes) if changes else None
    limits = bridge.limits()
    if broken is not None:
        screen.note(f"The limits could not be read and are in {broken} now; what is not given here is not limited.")
    named = {"in a day": limits.per_day, "in a month": limits.per_month, "per hour": limits.per_hour_at_once}
    sums = {name.replace(" ", "_"): None if sum_ is None else str(sum_) for name, sum_ in named.items()}
    screen.data({**sums, "live_at_once": limits.live_at_once})
    for name, sum_ in named.items():
        screen.say(f"{name:<12}{'no limit' if sum_ is None else sum_}")
    screen.say(f"{'at once':<12}{'no limit' if limits.live_at_once is None else f'{limits.live_at_once} machines'}")
    return 0
