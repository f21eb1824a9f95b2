"""`jupyter gpu hosts`."""

from __future__ import annotations

import getpass
from argparse import Namespace
from collections.abc import Awaitable, Callable
from dataclasses import replace

from jupyter_gpu_bridge import plain
from jupyter_gpu_bridge.bridge import Bridge
from jupyter_gpu_bridge.cli.screen import Screen
from jupyter_gpu_bridge.errors import BadRequest, BridgeError, HostKeyChanged, HostKeyUnknown, PassphraseNeeded
from jupyter_gpu_bridge.model import Host, KernelState, MachineRef, Profile, Stage
from jupyter_gpu_bridge.providers.ssh import machine_ref, parse_address


async def run(arguments: Namespace, bridge: Bridge, screen: Screen) -> int:
    if arguments.verb == "add":
        await _add(arguments, bridge, screen)
    elif arguments.verb == "change":
        await _change(arguments, bridge, screen)
    elif arguments.verb == "check":
        stages = await _check(arguments, bridge, screen)
        screen.data({"host": arguments.name, "stages": [plain.stage(stage) for stage in stages]})
    elif arguments.verb == "remove":
        await _remove(arguments, bridge, screen)
    else:
        _list(bridge, screen)
    return 0


def _list(bridge: Bridge, screen: Screen) -> None:
    hosts = bridge.hosts()
    screen.data({"hosts": [plain.host(host) for host in hosts]})
    if hosts:
        screen.table(
            ("NAME", "ADDRESS", "KEY", "PYTHON", "CARRIER"),
            [
                (host.name, _address(host), host.identity_file or "-", host.python or "-", host.carrier)
                for host in hosts
            ],
        )
    else:
        screen.say("No hosts yet. Add one with: jupyter gpu hosts add NAME USER@ADDRESS")


async def _add(arguments: Namespace, bridge: Bridge, screen: Screen) -> None:
    user, address, port = parse_address(arguments.address)
    host = Host(arguments.name, address, user, port, arguments.identity_file, arguments.python, arguments.carrier)
    was_there = host.name in {known.name for known in bridge.hosts()}
    bridge.add_host(host)

    async def undo() -> None:
        if not was_there:
            await bridge.remove_host(host.name)

    stages = await _tried(arguments, bridge, screen, undo, "Nothing was saved." if not was_there else "It stays saved.")
    screen.say(f"Saved {host.name} ({_address(host)}).")
    profile = None if arguments.no_profile else _profile_for(host, bridge, screen)
    screen.data(
        {
            "host": plain.host(host),
            "profile": None if profile is None else plain.profile(profile),
            "stages": [plain.stage(stage) for stage in stages],
        }
    )


async def _change(arguments: Namespace, bridge: Bridge, screen: Screen) -> None:
    before = bridge.host(arguments.name)
    host = _changed(before, arguments)
    if host == before:
        raise BadRequest(f"That is what {host.name} is like already.", advice="See: jupyter gpu hosts change --help")
    bridge.change_host(host)

    async def undo() -> None:
        bridge.change_host(before)

    stages = await _tried(arguments, bridge, screen, undo, f"{host.name} is as it was.")
    screen.say(f"Changed {host.name} ({_address(host)}).")
    screen.data({"host": plain.host(host), "stages": [plain.stage(stage) for stage in stages]})


def _changed(host: Host, arguments: Namespace) -> Host:
    if arguments.address is not None:
        user, address, port = parse_address(arguments.address)
        host = replace(host, user=user, address=address, port=port)
    if arguments.port is not None:
        host = replace(host, port=arguments.port or None)
    if arguments.user is not None:
        host = replace(host, user=arguments.user or None)
    if arguments.identity_file is not None:
        host = replace(host, identity_file=arguments.identity_file or None)
    if arguments.python is not None:
        host = replace(host, python=arguments.python or None)
    return host if arguments.carrier is None else replace(host, carrier=arguments.carrier)


async def _tried(
    arguments: Namespace, bridge: Bridge, screen: Screen, undo: Callable[[], Awaitable[None]], undone: str
) -> list[Stage]:
    """Look at what was saved just now, unless that is not wanted; what cannot be used is not kept unasked."""
    if arguments.no_check:
        return []
    try:
        return await _check(arguments, bridge, screen)
    except BridgeError as error:
        is_about_key = isinstance(error, HostKeyUnknown | HostKeyChanged)
        if not is_about_key and screen.agrees(f"{error}\nSave {arguments.name} all the same, to look at it later?"):
            return []
        await undo()
        advice = f"{_advice(error)} {undone} To save it without looking, say --no-check."
        raise type(error)(error.what, advice=advice.strip(), billing=error.billing, details=error.details) from error
    except BaseException:  # interrupted
        await undo()
        raise


def _advice(error: BridgeError) -> str:
    """What to do when it is not saved, so that there is nothing yet for `hosts check` to look at."""
    if isinstance(error, HostKeyUnknown):
        return (
            "Compare the key with what the owner of the machine says. When it is right, say the same command again "
            f"with --fingerprint {error.details['fingerprint']}"
        )
    if isinstance(error, HostKeyChanged) and _may_be_confirmed(error):
        return (
            "If the machine was reinstalled, say the same command again with "
            f"--fingerprint {error.details['fingerprint']} ; otherwise do not connect."
        )
    if isinstance(error, PassphraseNeeded):
        return "Load the key with ssh-add, or say the same command in a terminal and type the passphrase there."
    return error.advice


def _profile_for(host: Host, bridge: Bridge, screen: Screen) -> Profile | None:
    known = {profile.name: profile for profile in bridge.profiles()}.get(host.name)
    if known is not None:
        if known.machine != machine_ref(host):
            screen.note(f"The profile {host.name!r} is for {known.machine} and was left as it is.")
        return known
    bridge.add_profile(Profile(host.name, machine_ref(host)))
    made = next(profile for profile in bridge.profiles() if profile.name == host.name)
    screen.say(f"Its kernel is shown in Jupyter as {made.display_name!r}.")
    return made


async def _remove(arguments: Namespace, bridge: Bridge, screen: Screen) -> None:
    machine = MachineRef("ssh", arguments.name)
    if arguments.name in {host.name for host in bridge.hosts()} and not arguments.force:
        running = [kernel for kernel in await bridge.kernels() if kernel.machine == machine]
        alive = [kernel.kernel_id[:8] for kernel in running if kernel.state is not KernelState.DEAD]
        if alive:
            raise BadRequest(
                f"Kernels are running on {arguments.name}: {', '.join(alive)}.",
                advice="Stop them first (jupyter gpu kernels stop ID), or say --force and leave them running there.",
            )
    await bridge.remove_host(arguments.name, leave_kernels=arguments.force)
    theirs = [profile.name for profile in bridge.profiles() if profile.machine == machine]
    for name in theirs:
        if name == arguments.name:
            bridge.remove_profile(name)
        else:
            screen.note(f"The profile {name!r} has no machine now: jupyter gpu profiles remove {name}")
    screen.data({"removed": arguments.name, "profiles": [name for name in theirs if name == arguments.name]})
    screen.say(f"Removed {arguments.name}.")


async def _check(arguments: Namespace, bridge: Bridge, screen: Screen) -> list[Stage]:
    stages: list[Stage] = []

    def confirm(error: HostKeyUnknown | HostKeyChanged) -> bool:
        return _vouch(error, arguments, screen)

    try:
        ask = _ask if screen.can_ask else None
        async for stage in bridge.check_host(
            arguments.name, confirm=confirm, ask=ask, fingerprint=arguments.fingerprint
        ):
            stages.append(stage)
            screen.say(f"{stage.name:<12}{stage.text}")
    except (HostKeyUnknown, HostKeyChanged) as error:
        if arguments.verb != "check" or not _may_be_confirmed(error):
            raise
        how = f"jupyter gpu hosts check {arguments.name} --fingerprint {error.details['fingerprint']}"
        advice = f"{error.advice} When it is right: {how}".strip()
        raise type(error)(error.what, advice=advice, details=error.details) from error
    return stages


def _may_be_confirmed(error: HostKeyUnknown | HostKeyChanged) -> bool:
    """Not a key that was declared revoked: there the owner has to act, and nobody's word helps."""
    return isinstance(error, HostKeyUnknown) or "known_fingerprints" in error.details


def _vouch(error: HostKeyUnknown | HostKeyChanged, arguments: Namespace, screen: Screen) -> bool:
    fingerprint, given = error.details["fingerprint"], arguments.fingerprint
    if not _may_be_confirmed(error):
        return False
    if given is not None:
        if given != fingerprint:
            raise BadRequest(
                f"{error.details['host']} shows the key {fingerprint}, not the one that you gave.",
                advice="Compare both with what the machine's owner says; until then do not connect.",
            )
        return True
    if not screen.can_ask:
        return False
    screen.note(error.what)
    if isinstance(error, HostKeyUnknown):
        screen.note("On the machine: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub")
        return screen.agrees("Trust this key from now on?")
    # Another key than before may be somebody else's machine: too much for a quick "y".
    screen.note(f"Key before: {error.details['known_fingerprints']}\nKey now:    {fingerprint}")
    name: str = arguments.name
    return screen.answer(f"If its owner says that the new key is right, type the name of the host ({name}): ") == name


def _ask(identity_file: str) -> str | None:
    try:
        return getpass.getpass(f"Passphrase of {identity_file}: ") or None
    except EOFError:
        return None


def _address(host: Host) -> str:
    place = f"[{host.address}]" if ":" in host.address and host.port else host.address
    return "".join((f"{host.user}@" if host.user else "", place, f":{host.port}" if host.port else ""))
