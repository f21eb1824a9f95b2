"""`jupyter gpu profiles`."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import replace
from typing import Any

from jupyter_gpu_bridge import plain
from jupyter_gpu_bridge.bridge import Bridge
from jupyter_gpu_bridge.cli.orders import given_of_order, living, order_of, tell_living, tell_price_later
from jupyter_gpu_bridge.cli.screen import Screen
from jupyter_gpu_bridge.errors import BadRequest
from jupyter_gpu_bridge.model import RENTED, MachineRef, Order, Profile
from jupyter_gpu_bridge.naming import kernel_name


async def run(arguments: Namespace, bridge: Bridge, screen: Screen) -> int:
    if arguments.verb == "add":
        await _add(arguments, bridge, screen)
    elif arguments.verb == "remove":
        bridge.remove_profile(arguments.name)
        screen.data({"removed": arguments.name})
        screen.say(f"Removed {arguments.name}.")
    else:
        _list(bridge, screen)
    return 0


def _list(bridge: Bridge, screen: Screen) -> None:
    profiles = bridge.profiles()
    screen.data({"profiles": [plain.profile(profile) for profile in profiles]})
    if profiles:
        screen.table(
            ("NAME", "MACHINE", "AT EXIT", "KERNEL", "TITLE"),
            [
                (item.name, str(item.machine), _at_exit(item), kernel_name(item.name), item.display_name)
                for item in profiles
            ],
        )
    else:
        screen.say("No profiles yet. Add one with: jupyter gpu profiles add NAME --machine local")


async def _add(arguments: Namespace, bridge: Bridge, screen: Screen) -> None:
    folder = bridge.add_profile(_wanted(arguments, bridge))
    made = next(profile for profile in bridge.profiles() if profile.name == arguments.name)
    screen.say(f"Saved {made.name}; Jupyter shows it as {made.display_name!r}.")
    answer: plain.Plain = {"profile": plain.profile(made), "folder": str(folder)}
    if made.order is not None:
        quote = await tell_price_later(made.order, bridge, screen)
        worst, dearest = (None, None) if quote is None else (quote.worst_case, quote.dearest)
        agreed = replace(made.order, agreed=worst, agreed_price=dearest)  # what was shown may be spent
        bridge.add_profile(replace(made, order=agreed))
        answer["worst_case"] = None if worst is None else worst.exact()
        rented = await living(f"profile:{made.name}", bridge)
        if rented is not None:
            tell_living(rented, screen)
            answer["rented_already"] = rented.wish.wish_id
    screen.data(answer)


def _wanted(arguments: Namespace, bridge: Bridge) -> Profile:
    """What is not given stays as it was; an empty text takes it back."""
    before = next((profile for profile in bridge.profiles() if profile.name == arguments.name), None)
    machine, order = _where(arguments, before)
    given: dict[str, Any] = {
        "display_name": arguments.display_name,
        "python": arguments.python,
        "folder": arguments.folder,
        "environment": None if arguments.env is None else tuple(_variable(text) for text in arguments.env if text),
        "keep": arguments.keep,
    }
    changes = {name: value for name, value in given.items() if value is not None}
    for name in ("python", "folder"):
        if changes.get(name) == "":
            changes[name] = None
    return replace(before or Profile(arguments.name, machine), machine=machine, order=order, **changes)


def _where(arguments: Namespace, before: Profile | None) -> tuple[MachineRef, Order | None]:
    if arguments.rent and arguments.machine is not None:
        raise BadRequest("A kernel runs on one machine.", advice="Say --rent or --machine.")
    if arguments.machine is not None:
        machine = MachineRef.parse(arguments.machine)
    elif arguments.rent:
        machine = RENTED
    elif before is not None:
        machine = before.machine
    else:
        raise BadRequest("A new profile needs a machine.", advice="Say --machine ssh:NAME, --machine local, or --rent.")
    if machine == RENTED:
        return machine, order_of(arguments, None if before is None else before.order)
    if given := given_of_order(arguments):
        raise BadRequest(f"{given[0]} is for what is rented, and {machine} is not.", advice="Say --rent as well.")
    return machine, None


def _variable(text: str) -> tuple[str, str | None]:
    name, given, value = text.partition("=")
    return name, value if given else None


def _at_exit(profile: Profile) -> str:
    return "keep" if profile.keep else "stop"
