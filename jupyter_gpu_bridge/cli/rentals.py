"""`jupyter gpu rent`, `ls`, `show`, `extend`, `stop`."""

from __future__ import annotations

import getpass
import secrets
from argparse import Namespace
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime, timezone

from jupyter_gpu_bridge import plain
from jupyter_gpu_bridge.bridge import Bridge, Standing
from jupyter_gpu_bridge.cli.screen import Screen, ago
from jupyter_gpu_bridge.durations import spoken
from jupyter_gpu_bridge.errors import BadRequest
from jupyter_gpu_bridge.model import KernelState, Need, Order, Rental, WhenBusy
from jupyter_gpu_bridge.naming import check_name


async def run(arguments: Namespace, bridge: Bridge, screen: Screen) -> int:
    verbs: dict[str, Callable[[Namespace, Bridge, Screen], Awaitable[int]]] = {
        "rent": _rent, "ls": _list, "show": _show, "extend": _extend, "stop": _stop,
    }  # fmt: skip
    return await verbs[arguments.noun](arguments, bridge, screen)


def order_of(arguments: Namespace) -> Order:
    return Order(
        need=Need(
            gpus=tuple(arguments.gpu or ()),
            gpu_count=arguments.gpus,
            gpu_memory_mib=arguments.gpu_memory * 1024,
            max_price=arguments.max_price,
            providers=tuple(arguments.provider or ()),
            regions=tuple(arguments.region or ()),
            allows_spot=arguments.spot,
            disk_gib=arguments.disk,
        ),
        budget=arguments.budget,
        deadline=arguments.deadline,
        idle=arguments.idle,
        lease=arguments.lease,
        when_busy=WhenBusy(arguments.busy),
        keeps_failed=arguments.keep_failed,
        image=arguments.image,
    )


async def _rent(arguments: Namespace, bridge: Bridge, screen: Screen) -> int:
    order = replace(order_of(arguments), python=arguments.python)
    name = check_name(arguments.name, "rental") if arguments.name else secrets.token_hex(4)
    bridge.check_order(order)
    quote = await bridge.quote(order)
    best, order = quote.best, replace(order, agreed=quote.worst_case)
    screen.note(f"The best offer is {best.title} at {best.provider} for {best.price} per hour.")
    if quote.others:
        screen.note(
            f"Should it be gone, {quote.others} others are tried; none costs more than {quote.dearest} per hour."
        )
    worst = quote.worst_case.cents()
    screen.note(f"It ends after {spoken(order.deadline)} at the latest; the largest possible bill is {worst}.")
    if best.is_pretend:
        screen.note("It is a pretence on this computer: no GPU, and no money.")
    elif not arguments.yes and not screen.agrees("Rent it?"):
        raise BadRequest("Nothing was rented.", advice="Say --yes where nobody can be asked.")
    standing = await bridge.want(f"name:{name}", order, f"jupyter gpu rent ({getpass.getuser()})")
    began = datetime.now(timezone.utc)

    def report(stage: str, text: str) -> None:
        screen.note(f"{spoken(datetime.now(timezone.utc) - began):>9}  {stage:<11}{text}")

    standing = await bridge.arrive(standing, report)
    screen.data(_plain(standing))
    wish_id = standing.wish.wish_id
    screen.say(f"Rented {wish_id[:8]}. A kernel on it: jupyter gpu profiles add {name} --machine {standing.machine}")
    screen.say(f"End it with: jupyter gpu stop {wish_id[:8]}")
    return 0


async def _list(arguments: Namespace, bridge: Bridge, screen: Screen) -> int:
    standings = await bridge.rentals(ended=arguments.all)
    listed = [_plain(standing) for standing in standings]
    screen.data({"rentals": listed})
    if standings:
        screen.table(
            ("ID", "FOR", "STATE", "MACHINE", "PROVIDER", "PER HOUR", "COST", "TIME LEFT"),
            [_row(standing) for standing in standings],
        )
        for described in listed:
            if described["warning"]:
                screen.note(f"{str(described['id'])[:8]}: {described['warning']}")
    else:
        screen.say("Nothing is rented.")
    return 0


async def _show(arguments: Namespace, bridge: Bridge, screen: Screen) -> int:
    standing = await bridge.rental(arguments.id)
    events = await bridge.rental_events(standing.wish.wish_id)
    screen.data({**_plain(standing), "events": [plain.event(event) for event in events]})
    wish, rental = standing.wish, standing.rental
    screen.say(f"{wish.wish_id}  {_state(standing)}  for {wish.key}, asked {ago(wish.asked)} by {wish.asked_by or '?'}")
    if not wish.is_open:
        screen.say(f"Ended: {wish.closed_because}")
    if rental is not None:
        screen.say(f"{rental.offer.title} at {rental.provider}, {rental.price} per hour, name {rental.name}")
        cap = f", budget {rental.cap}" if rental.cap is not None else ""
        screen.say(f"Cost so far {rental.accrued.cents()}{cap}, at most {rental.worst_case.cents()}; {_left(rental)}")
    for event in events:
        screen.say(f"{event.at:%Y-%m-%d %H:%M:%S}  {event.kind:<11}{event.text}")
    return 0


async def _extend(arguments: Namespace, bridge: Bridge, screen: Screen) -> int:
    standing = await bridge.rental(arguments.id)
    rental = await bridge.extend_rental(standing.wish.wish_id, arguments.more)
    screen.data(_plain(replace(standing, rental=rental)))
    screen.say(f"It ends at {rental.deadline:%H:%M} UTC now ({_left(rental)}).")
    return 0


async def _stop(arguments: Namespace, bridge: Bridge, screen: Screen) -> int:
    if bool(arguments.ids) == arguments.all:
        raise BadRequest("Say which rentals to stop.", advice="Give their ids, or --all alone.")
    wanted = await bridge.rentals() if arguments.all else [await bridge.rental(start) for start in arguments.ids]
    if not arguments.yes:
        await _agree(wanted, bridge, screen)
    for standing in wanted:
        await bridge.end_rental(standing.wish.wish_id, "It was stopped with jupyter gpu stop.")
    ended = (
        wanted if arguments.no_wait else [await bridge.rental_gone(each.wish.wish_id, screen.note) for each in wanted]
    )
    screen.data({"stopped": [_plain(standing) for standing in ended]})
    for standing in ended:
        cost = "" if standing.rental is None else f" It cost {standing.rental.accrued.cents()}."
        done = "Ended" if standing.is_over else "Ending"
        screen.say(f"{done} {standing.wish.wish_id[:8]}.{cost}")
    if not ended:
        screen.say("Nothing is rented.")
    return 0


async def _agree(wanted: Sequence[Standing], bridge: Bridge, screen: Screen) -> None:
    """Raises `BadRequest` unless somebody agrees to lose what is busy there."""
    machines = {standing.machine for standing in wanted}
    busy = [each for each in await bridge.kernels() if each.machine in machines and each.state is KernelState.BUSY]
    if not busy:
        return
    named = "; ".join(f"{kernel.kernel_id[:8]} ({kernel.path or 'no notebook'})" for kernel in busy)
    if not screen.agrees(f"Busy kernels would be lost: {named}. Stop all the same?"):
        raise BadRequest(f"Nothing was stopped, because of {named}.", advice="--yes stops them all the same.")


def _row(standing: Standing) -> tuple[str, ...]:
    wish, rental = standing.wish, standing.rental
    first = (wish.wish_id[:8], wish.key.partition(":")[2], _state(standing))
    if rental is None:
        return (*first, "-", "-", "-", "-", "-")
    title = f"{rental.offer.title} (pretend)" if rental.offer.is_pretend else rental.offer.title
    return (*first, title, rental.provider, str(rental.price), rental.accrued.cents(), _left(rental))


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
    left = rental.deadline - datetime.now(timezone.utc)
    if rental.cap is not None:
        left = min(left, (rental.cap - rental.accrued).lasts(rental.price))
    return spoken(left)


def _plain(standing: Standing) -> plain.Plain:
    return plain.rental(standing.wish, standing.rental, standing.warning, standing.step)
