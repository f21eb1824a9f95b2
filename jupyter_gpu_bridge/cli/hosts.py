"""`jupyter gpu hosts`."""

from __future__ import annotations

import getpass
import sys
from argparse import Namespace

from jupyter_gpu_bridge import plain
from jupyter_gpu_bridge.bridge import Bridge
from jupyter_gpu_bridge.cli.screen import Screen
from jupyter_gpu_bridge.errors import BadRequest, BridgeError, HostKeyChanged, HostKeyUnknown
from jupyter_gpu_bridge.model import Host, KernelState, MachineRef, Profile, Stage
from jupyter_gpu_bridge.providers.ssh import machine_ref, parse_address


async def run(arguments: Namespace, bridge: Bridge, screen: Screen) -> int:
    if arguments.verb == "add":
        await _add(arguments, bridge, screen)
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
    bridge.add_host(host)
    screen.say(f"Saved {host.name} ({_address(host)}).")
    profile = None if arguments.no_profile else _profile_for(host, bridge, screen)
    stages: list[Stage] = []
    if not arguments.no_check:
        try:
            stages = await _check(arguments, bridge, screen)
        except (HostKeyUnknown, HostKeyChanged):
            raise
        except BridgeError as error:
            raise _with_advice(
                error, f"The host stays saved; look again with: jupyter gpu hosts check {host.name}"
            ) from error
    screen.data(
        {
            "host": plain.host(host),
            "profile": None if profile is None else plain.profile(profile),
            "stages": [plain.stage(stage) for stage in stages],
        }
    )


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
        return _vouch(error, arguments.fingerprint, screen)

    try:
        async for stage in bridge.check_host(arguments.name, confirm=confirm, ask=_ask if screen.can_ask else None):
            stages.append(stage)
            screen.say(f"{stage.name:<12}{stage.text}")
    except (HostKeyUnknown, HostKeyChanged) as error:
        shown = error.details.get("fingerprint", "SHA256:...")
        advice = f"When it is right: jupyter gpu hosts check {arguments.name} --fingerprint {shown}"
        raise _with_advice(error, advice) from error
    return stages


def _with_advice(error: BridgeError, advice: str) -> BridgeError:
    advice = f"{error.advice} {advice}".strip()
    return type(error)(error.what, advice=advice, billing=error.billing, details=error.details)


def _vouch(error: HostKeyUnknown | HostKeyChanged, given: str | None, screen: Screen) -> bool:
    fingerprint = error.details["fingerprint"]
    if given is not None:
        if given != fingerprint:
            raise BadRequest(
                f"{error.details['host']} shows the key {fingerprint}, not the one that you gave.",
                advice="Compare both with what the machine's owner says; until then do not connect.",
            )
        return True
    if not screen.can_ask or isinstance(error, HostKeyChanged):
        # Another key than before may be somebody else's machine: too much for a quick "y".
        return False
    print(error.what, file=sys.stderr)
    print("On the machine: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub", file=sys.stderr)
    print("Trust this key from now on? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _ask(identity_file: str) -> str | None:
    try:
        return getpass.getpass(f"Passphrase of {identity_file}: ") or None
    except EOFError:
        return None


def _address(host: Host) -> str:
    place = f"[{host.address}]" if ":" in host.address and host.port else host.address
    return "".join((f"{host.user}@" if host.user else "", place, f":{host.port}" if host.port else ""))
