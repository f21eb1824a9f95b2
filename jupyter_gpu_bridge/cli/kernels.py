"""`jupyter gpu kernels`."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence

from jupyter_gpu_bridge import plain
from jupyter_gpu_bridge.bridge import Bridge
from jupyter_gpu_bridge.cli.screen import Screen, ago
from jupyter_gpu_bridge.errors import BadRequest, KernelUnknown
from jupyter_gpu_bridge.model import KernelId, KernelView
from jupyter_gpu_bridge.naming import nearest


async def run(arguments: Namespace, bridge: Bridge, screen: Screen) -> int:
    if arguments.verb == "attach":
        await _attach(arguments, bridge, screen)
    elif arguments.verb == "stop":
        await _stop(arguments, bridge, screen)
    elif arguments.verb == "log":
        kernel_id = await _find(arguments.kernel, bridge)
        log = await bridge.kernel_log(kernel_id)
        screen.data({"kernel_id": kernel_id, "log": log})
        screen.say(log.rstrip("\n"))
    else:
        await _list(arguments, bridge, screen)
    return 0


async def _list(arguments: Namespace, bridge: Bridge, screen: Screen) -> None:
    kernels = await bridge.kernels(wake=arguments.wake)
    screen.data({"kernels": [plain.kernel(kernel) for kernel in kernels]})
    if kernels:
        width = _distinct([kernel.kernel_id for kernel in kernels])
        screen.table(
            ("ID", "MACHINE", "STATE", "ATTACHED", "PROFILE", "NOTEBOOK", "LAST ACTIVE"),
            [_row(kernel, width) for kernel in kernels],
        )
    else:
        screen.say("No kernels." if arguments.wake else "No kernels on connected machines; --wake asks all machines.")


def _row(kernel: KernelView, width: int) -> tuple[str, ...]:
    return (
        kernel.kernel_id[:width],
        str(kernel.machine),
        kernel.state.value,
        "yes" if kernel.attached else "no",
        kernel.profile or "-",
        kernel.path or "-",
        ago(kernel.last_activity),
    )


async def _attach(arguments: Namespace, bridge: Bridge, screen: Screen) -> None:
    kernel_id = await _find(arguments.kernel, bridge)
    file = await bridge.attach(kernel_id)
    screen.data({"kernel_id": kernel_id, "connection_file": str(file)})
    screen.say(str(file))
    screen.note(f"Use it with: jupyter console --existing {file}")


async def _stop(arguments: Namespace, bridge: Bridge, screen: Screen) -> None:
    if bool(arguments.kernels) == arguments.all:
        raise BadRequest("Say which kernels to stop.", advice="Give their ids, or --all alone.")
    if arguments.all:
        wanted = [kernel.kernel_id for kernel in await bridge.kernels(wake=True)]
    else:
        wanted = list(dict.fromkeys([await _find(prefix, bridge) for prefix in arguments.kernels]))
    for kernel_id in wanted:
        await bridge.stop_kernel(kernel_id)
        screen.say(f"Stopped {kernel_id}.")
    if not wanted:
        screen.say("No kernel is running.")
    screen.data({"stopped": list(wanted)})


async def _find(prefix: str, bridge: Bridge) -> KernelId:
    """The one kernel whose id begins so; machines that are asleep are asked only when no other has it."""
    known: Sequence[KernelId] = ()
    for wake in (False, True):
        known = [kernel.kernel_id for kernel in await bridge.kernels(wake=wake)]
        found = [one for one in known if one.startswith(prefix)] if prefix else []
        if len(found) == 1 or prefix in found:
            return KernelId(prefix) if prefix in found else found[0]
        if found:
            raise BadRequest(f"{prefix!r} can be any of {', '.join(found)}.", advice="Give more of the id.")
    advice = nearest(prefix, known) or "No kernel is running."
    raise KernelUnknown(f"There is no kernel {prefix!r}.", advice=advice)


def _distinct(ids: Sequence[str]) -> int:
    """How many characters tell them apart, eight at least."""
    return next(width for width in range(8, 257) if width == 256 or len({one[:width] for one in ids}) == len(set(ids)))
