"""`jupyter gpu rent`, `ls`, `show`, `extend`, `stop`."""

from __future__ import annotations

import asyncio
import getpass
import secrets
from argparse import Namespace
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone

from jupyter_gpu_bridge import plain
from jupyter_gpu_bridge.bridge import Bridge, Standing, Took
from jupyter_gpu_bridge.cli.orders import living, order_of, tell_living, tell_price, time_left
from jupyter_gpu_bridge.cli.screen import Screen, ago
from jupyter_gpu_bridge.durations import spoken
from jupyter_gpu_bridge.errors import BadRequest, BridgeError
from jupyter_gpu_bridge.model import Event, KernelState, Order, Rental
from jupyter_gpu_bridge.naming import check_name

INTERRUPTED = 130
"""The exit status of what somebody has ended with Ctrl-C."""

_PATIENCE = 60.0
"""Seconds to wait for the end of what was interrupted."""


async def run(arguments: Namespace, bridge: Bridge, screen: Screen) -> int:
    verbs: dict[str, Callable[[Namespace, Bridge, Screen], Awaitable[int]]] = {
        "rent": _rent, "ls": _list, "show": _show, "extend": _extend, "stop": _stop,
    }  # fmt: skip
    return await verbs[arguments.noun](arguments, bridge, screen)


async def _rent(arguments: Namespace, bridge: Bridge, screen: Screen) -> int:
    order = replace(order_of(arguments), python=arguments.python)
    name = check_name(arguments.name, "rental") if arguments.name else secrets.token_hex(4)
    bridge.check_order(order)
    standing = await living(f"name:{name}", bridge)
    if standing is None:
        standing = await _want(name, order, arguments.yes, bridge, screen)
    else:
        tell_living(standing, screen)
    began = datetime.now(timezone.utc)

    def report(stage: str, text: str) -> None:
        screen.note(f"{spoken(datetime.now(timezone.utc) - began):>9}  {stage:<11}{text}")

    try:
        standing = await bridge.arrive(standing, report)
    except asyncio.CancelledError:
        return await _given_up(standing, bridge, screen)
    screen.data(standing.plain())
    wish_id = standing.wish.wish_id
    screen.say(f"Rented {wish_id[:8]}. A kernel on it: jupyter gpu profiles add {name} --machine {standing.machine}")
    screen.say(f"End it with: jupyter gpu stop {wish_id[:8]}")
    return 0


async def _given_up(standing: Standing, bridge: Bridge, screen: Screen) -> int:
    """Interrupted: its warden ends a machine that nobody else waits for, which takes a moment and costs money."""
    short = standing.wish.wish_id[:8]
    screen.note(f"\nInterrupted: {short} is being ended, unless somebody else waits for it or uses it.")
    try:
        over = await asyncio.wait_for(bridge.rental_gone(standing.wish.wish_id, screen.note), _PATIENCE)
    except (asyncio.TimeoutError, asyncio.CancelledError, BridgeError):
        screen.note(f"It is not over yet and may cost money. See: jupyter gpu ls. End it: jupyter gpu stop {short}")
        return INTERRUPTED
    screen.data(over.plain())
    screen.say(_told_end(over))
    return INTERRUPTED


async def _want(name: str, order: Order, agreed: bool, bridge: Bridge, screen: Screen) -> Standing:
    quote = await bridge.quote(order)
    order = replace(order, agreed=quote.worst_case, agreed_price=quote.dearest)
    await tell_price(quote, order, bridge, screen)
    if lacking := await bridge.keys_of_this_environment([quote.best.provider]):
        screen.note(lacking)
    if not quote.best.is_pretend and not agreed and not screen.agrees("Rent it?"):
        raise BadRequest("Nothing was rented.", advice="Say --yes where nobody can be asked.")
    return await bridge.want(f"name:{name}", order, f"jupyter gpu rent ({getpass.getuser()})")


async def _list(arguments: Namespace, bridge: Bridge, screen: Screen) -> int:
    standings = await bridge.rentals(ended=arguments.all)
    lost = "" if standings else await bridge.lost_rentals()
    screen.data({"rentals": [standing.plain() for standing in standings], "lost": lost})
    if standings:
        screen.table(
            ("ID", "FOR", "STATE", "MACHINE", "PROVIDER", "PER HOUR", "COST", "TIME LEFT"),
            [_row(standing) for standing in standings],
        )
        for standing in standings:
            short = standing.wish.wish_id[:8]
            if standing.warning is not None:
                screen.note(f"{short}: {standing.warning.text}")
            if standing.unwatched_since is not None:
                screen.note(f"{short}: {standing.told_unwatched} See: jupyter gpu guard")
    elif lost:
        screen.note(lost)
    else:
        screen.say("Nothing is rented.")
    return 1 if lost else 0


async def _show(arguments: Namespace, bridge: Bridge, screen: Screen) -> int:
    standing = await bridge.rental(arguments.id)
    events = await bridge.rental_events(standing.wish.wish_id)
    took = bridge.stages(standing.wish, events)
    screen.data(
        {
            **standing.plain(),
            "events": [plain.event(event) for event in events],
            "stages": [plain.took(each.name, each.time) for each in took],
        }
    )
    wish, rental = standing.wish, standing.rental
    screen.say(f"{wish.wish_id}  {_state(standing)}  for {wish.key}, asked {ago(wish.asked)} by {wish.asked_by or '?'}")
    if not wish.is_open:
        screen.say(f"Ended: {wish.closed_because}")
    if rental is not None:
        screen.say(f"{rental.offer.title} at {rental.provider}, {rental.price} per hour, name {rental.name}")
        tries = f" ({standing.earlier.cents_at_most()} of it for earlier tries)" if standing.earlier else ""
        cap = f", budget {standing.budget}" if standing.budget is not None else ""
        most = standing.worst_case.cents_at_most()
        screen.say(f"Cost so far {standing.cost.cents()}{tries}{cap}, at most {most}; {_left(rental)}")
    if standing.unwatched_since is not None:
        await _look_after(standing, bridge, screen)
    if took:
        screen.say(f"Stages: {'; '.join(_told_stage(each) for each in took)}")
    for event in (each for each in events if not each.is_console):
        screen.say(f"{event.at:%Y-%m-%d %H:%M:%S}  {event.kind:<11}{event.text}")
    for event in (each for each in events if each.is_console):
        _tell_console(event, screen)
    return 0


def _tell_console(event: Event, screen: Screen) -> None:
    """Apart, lest anybody take it for words of ours."""
    screen.say(f"\nWhat the machine of the attempt {(event.attempt_id or '?')[:8]} itself has written last:")
    for line in event.text.splitlines():
        screen.say(f"    {line}")


async def _look_after(standing: Standing, bridge: Bridge, screen: Screen) -> None:
    """Whoever looks at it has somebody look after it again."""
    try:
        is_again = await bridge.look_after(standing)
    except (BridgeError, OSError) as error:
        screen.note(f"{standing.told_unwatched} {error} See: jupyter gpu guard")
        return
    again = "Its warden was started again: look once more in a moment." if is_again else "See: jupyter gpu guard"
    screen.note(f"{standing.told_unwatched} {again}")


def _told_stage(took: Took) -> str:
    if took.time is None:
        return f"{took.name} until now"
    time = f"{took.time.total_seconds():.1f} s" if took.time < timedelta(minutes=1) else spoken(took.time)
    return f"{took.name} {'after ' if took.is_ready else ''}{time}"


async def _extend(arguments: Namespace, bridge: Bridge, screen: Screen) -> int:
    standing = await bridge.rental(arguments.id)
    rental = await bridge.extend_rental(standing.wish.wish_id, arguments.more)
    screen.data(replace(standing, rental=rental).plain())
    screen.say(f"It ends at {rental.deadline:%H:%M} UTC now ({_left(rental)}).")
    return 0


async def _stop(arguments: Namespace, bridge: Bridge, screen: Screen) -> int:
    if bool(arguments.ids) == arguments.all:
        raise BadRequest("Say which rentals to stop.", advice="Give their ids, or --all alone.")
    troubles = await _look_for_lost(arguments.yes, bridge, screen) if arguments.all else []
    wanted = await bridge.rentals() if arguments.all else [await bridge.rental(start) for start in arguments.ids]
    left_out = [each for each in wanted if each.is_elsewhere] if arguments.all else []
    if left_out:
        wanted = [each for each in wanted if each not in left_out]
        screen.note(f"Left out, and ended only by id: {_whose(left_out)}.")
    if not arguments.yes:
        await _agree(wanted, bridge, screen)
    wrong = await bridge.end_rentals([each.wish.wish_id for each in wanted], "It was stopped with jupyter gpu stop.")
    for trouble in wrong.values():
        screen.note(trouble)
    ending = [each for each in wanted if each.wish.wish_id not in wrong]
    if ending and not arguments.no_wait:
        screen.note("Waiting until nothing of it is billed any more, as the provider's own listing shows.")
    ended = ending if arguments.no_wait else await _gone(ending, bridge, screen)
    screen.data(
        {
            "stopped": [standing.plain() for standing in ended],
            "troubles": [*troubles, *wrong.values()],
            "left_out": [each.wish.wish_id for each in left_out],
        }
    )
    for standing in ended:
        screen.say(_told_end(standing))
    if not wanted and not troubles:
        screen.say("Nothing else is rented." if left_out else "Nothing is rented.")
    return 1 if wrong or troubles else 0


async def _look_for_lost(agreed: bool, bridge: Bridge, screen: Screen) -> Sequence[str]:
    """Of machines that a ledger knew which was lost; those that are found are rented again. What was in the way."""
    lost = await bridge.lost_rentals()
    if not lost:
        return ()
    screen.note(f"{lost.partition(' Look for them')[0]} They are looked for.")
    round_ = await bridge.guard()
    for orphan in round_.orphans:
        screen.note(f"{orphan.text}: it is ended in a few minutes, and at once with all the rest.")
    for trouble in round_.troubles:
        screen.note(trouble)
    if round_.orphans and not agreed and not screen.agrees("End at once what was found?"):
        raise BadRequest(
            "Nothing was stopped at once.",
            billing="What was found costs money until it is ended, which is done in a few minutes.",
            advice="--yes ends all of it at once; to keep one: jupyter gpu orphans --keep NAME",
        )
    return round_.troubles


async def _gone(ending: Sequence[Standing], bridge: Bridge, screen: Screen) -> Sequence[Standing]:
    return await asyncio.gather(*(bridge.rental_gone(each.wish.wish_id, screen.note) for each in ending))


def _told_end(standing: Standing) -> str:
    cost = "" if standing.rental is None else f" It cost {standing.cost.cents()}."
    return f"{'Ended' if standing.is_over else 'Ending'} {standing.wish.wish_id[:8]}.{cost}"


async def _agree(wanted: Sequence[Standing], bridge: Bridge, screen: Screen) -> None:
    """Raises `BadRequest` unless somebody agrees to end what is another's, and to lose what is busy there."""
    elsewhere = [each for each in wanted if each.is_elsewhere]
    if elsewhere and not screen.agrees(f"This is not yours: {_whose(elsewhere)}. End it all the same?"):
        raise BadRequest(
            f"Nothing was stopped, because this is not yours: {_whose(elsewhere)}.",
            advice="--yes ends it all the same.",
        )
    machines = {standing.machine for standing in wanted}
    busy = [each for each in await bridge.kernels() if each.machine in machines and each.state is KernelState.BUSY]
    if not busy:
        return
    named = "; ".join(f"{kernel.kernel_id[:8]} ({kernel.path or 'no notebook'})" for kernel in busy)
    if not screen.agrees(f"Busy kernels would be lost: {named}. Stop all the same?"):
        raise BadRequest(f"Nothing was stopped, because of {named}.", advice="--yes stops them all the same.")


def _whose(elsewhere: Sequence[Standing]) -> str:
    named = (f"{each.wish.wish_id[:8]} by {each.wish.asked_by or 'somebody'}" for each in elsewhere)
    return f"{len(elsewhere)} rented elsewhere ({', '.join(named)})"


def _row(standing: Standing) -> tuple[str, ...]:
    wish, rental = standing.wish, standing.rental
    first = (wish.wish_id[:8], wish.key.partition(":")[2], _state(standing))
    if rental is None:
        return (*first, "-", "-", "-", "-", "-")
    title = f"{rental.offer.title} (pretend)" if rental.offer.is_pretend else rental.offer.title
    return (*first, title, rental.provider, str(rental.price), standing.cost.cents(), _left(rental))


def _state(standing: Standing) -> str:
    if standing.rental is None:
        return "searching" if standing.wish.is_open else "given up"
    if standing.wish.is_open and not standing.rental.state.is_live:
        return "searching"
    if standing.wish.is_open and standing.rental.is_kept:
        return "kept (failed)"
    return standing.rental.state.value.replace("_", " ")


def _left(rental: Rental) -> str:
    if not rental.state.is_live:
        return f"gone {ago(rental.gone)}"
    return time_left(rental)
