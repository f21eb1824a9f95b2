"""`jupyter gpu kernels`."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence

from jupyter_gpu_bridge import plain
from jupyter_gpu_bridge.bridge import Bridge, kernels_of
from jupyter_gpu_bridge.cli.screen import Screen, ago
from jupyter_gpu_bridge.errors import BadRequest, BridgeError, KernelUnknown, Unreachable
from jupyter_gpu_bridge.model import KernelId, KernelState, KernelView, MachineView
from jupyter_gpu_bridge.naming import nearest


async def run(arguments: Namespace, bridge: Bridge, screen: Screen) -> int:
    """1 when a machine could not be asked, or not everything was done that was wanted."""
    if arguments.verb == "stop":
        return await _stop(arguments, bridge, screen)
    if arguments.verb == "attach":
        await _attach(arguments, bridge, screen)
    elif arguments.verb == "log":
        kernel_id = (await _find(arguments.kernel, bridge)).kernel_id
        log = await bridge.kernel_log(kernel_id)
        screen.data({"kernel_id": kernel_id, "log": log})
        screen.say(log.rstrip("\n"))
    else:
        return await _list(arguments, bridge, screen)
    return 0


async def _list(arguments: Namespace, bridge: Bridge, screen: Screen) -> int:
    views = await bridge.machines(wake=arguments.wake)
    kernels, missed = kernels_of(views), _missed(views)
    screen.data(
        {
            "kernels": [plain.kernel(kernel) for kernel in kernels],
            "unreachable": [plain.unreachable(view) for view in missed],
        }
    )
    if kernels:
        width = _distinct([kernel.kernel_id for kernel in kernels])
        screen.table(
            ("ID", "MACHINE", "STATE", "ATTACHED", "PROFILE", "NOTEBOOK", "LAST ACTIVE"),
            [_row(kernel, width) for kernel in kernels],
        )
    elif arguments.wake:
        screen.say("No kernels on the machines that answer." if missed else "No kernels.")
    else:
        screen.say("No kernels on connected machines; --wake asks all machines.")
    return _report(missed, screen)


def _missed(views: Sequence[MachineView]) -> Sequence[MachineView]:
    return [view for view in views if view.out_of_reach]


def _report(missed: Sequence[MachineView], screen: Screen) -> int:
    """A line for each machine that could not be asked; the exit status."""
    for view in missed:
        screen.note(f"{view.ref} could not be asked: {plain.unreachable(view)['reason']}")
    return 1 if missed else 0


def _row(kernel: KernelView, width: int) -> tuple[str, ...]:
    return (
        kernel.kernel_id[:width],
        str(kernel.machine),
        kernel.state.value,
        "from another computer" if kernel.is_foreign else "yes" if kernel.attached else "no",
        kernel.profile or "-",
        kernel.path or "-",
        ago(kernel.last_activity),
    )


async def _attach(arguments: Namespace, bridge: Bridge, screen: Screen) -> None:
    kernel_id = (await _find(arguments.kernel, bridge)).kernel_id
    file = await bridge.attach(kernel_id)
    screen.data({"kernel_id": kernel_id, "connection_file": str(file)})
    screen.say(str(file))
    screen.note(f"Use it with: jupyter console --existing {file}")


# stopping ----------------------------------------------------------------------------------------------------------


async def _stop(arguments: Namespace, bridge: Bridge, screen: Screen) -> int:
    if bool(arguments.kernels) == arguments.all:
        raise BadRequest("Say which kernels to stop.", advice="Give their ids, or --all alone.")
    missed: Sequence[MachineView] = ()
    if arguments.all:
        views = await bridge.machines(wake=True)
        missed = _missed(views)
        wanted = [kernel for kernel in kernels_of(views) if not kernel.is_foreign]
        delicate = [kernel for kernel in wanted if kernel.attached and kernel.state is KernelState.BUSY]
    else:
        found = [await _find(prefix, bridge) for prefix in arguments.kernels]
        wanted = list({kernel.kernel_id: kernel for kernel in found}.values())
        delicate = [kernel for kernel in wanted if kernel.is_foreign]
    if delicate and not arguments.yes:
        _agree(delicate, screen)
    outcome = Outcome(screen)
    for kernel in wanted:
        await outcome.stop(kernel, bridge)
    if not wanted:
        screen.say("No kernel of this computer is running on the machines that answer." if missed else _NONE)
    screen.data({**outcome.data, "unreachable": [plain.unreachable(view) for view in missed]})
    return max(_report(missed, screen), outcome.status)


_NONE = "No kernel of this computer is running."


def _agree(delicate: Sequence[KernelView], screen: Screen) -> None:
    """Raises `BadRequest` unless somebody who sits there says yes."""
    named = [f"{kernel.kernel_id[:8]} on {kernel.machine} ({_why_delicate(kernel)})" for kernel in delicate]
    if not screen.agrees(f"{'; '.join(named)}. Stop {'it' if len(named) == 1 else 'them'}?"):
        raise BadRequest(
            f"Nothing was stopped, because of {'; '.join(named)}.", advice="--yes stops them all the same."
        )


def _why_delicate(kernel: KernelView) -> str:
    return (
        "from another computer" if kernel.is_foreign else f"busy, and in use{f' by {kernel.path}' * bool(kernel.path)}"
    )


class Outcome:
    """What has become of each kernel that was to be stopped; one that cannot be is not the end of it."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._stopped: list[KernelId] = []
        self._stopping: list[KernelId] = []
        self._failed: list[plain.Plain] = []

    @property
    def data(self) -> plain.Plain:
        return {"stopped": self._stopped, "stopping": self._stopping, "failed": self._failed}

    @property
    def status(self) -> int:
        return 1 if self._stopping or self._failed else 0

    async def stop(self, kernel: KernelView, bridge: Bridge) -> None:
        kernel_id = kernel.kernel_id
        try:
            confirmed = await bridge.stop_kernel(kernel_id)
        except KernelUnknown:
            confirmed = True  # it has ended just now
        except BridgeError as error:
            self._failed.append({"kernel_id": kernel_id, **plain.problem(error.as_problem())})
            self._screen.note(f"{kernel_id} was not stopped: {error}")
            return
        if confirmed:
            self._stopped.append(kernel_id)
            self._screen.say(f"Stopped {kernel_id}.")
        else:
            self._stopping.append(kernel_id)
            self._screen.say(f"{kernel_id} will be stopped as soon as {kernel.machine} can be reached.")


async def _find(prefix: str, bridge: Bridge) -> KernelView:
    """The one kernel whose id begins so; machines that are asleep are asked only when no other has it."""
    known: Sequence[KernelView] = ()
    missed: Sequence[MachineView] = ()
    for wake in (False, True):
        views = await bridge.machines(wake=wake)
        known, missed = kernels_of(views), _missed(views)
        found = [one for one in known if one.kernel_id.startswith(prefix)] if prefix else []
        exact = [one for one in found if one.kernel_id == prefix]
        if len(found) == 1 or exact:
            return (exact or found)[0]
        if found:
            some = ", ".join(one.kernel_id for one in found)
            raise BadRequest(f"{prefix!r} can be any of {some}.", advice="Give more of the id.")
    if missed:
        reasons = " ".join(f"{view.ref} could not be asked: {plain.unreachable(view)['reason']}" for view in missed)
        raise Unreachable(f"There is no kernel {prefix!r} on the machines that answer.", advice=reasons)
    advice = nearest(prefix, [one.kernel_id for one in known]) or "No kernel is running."
    raise KernelUnknown(f"There is no kernel {prefix!r}.", advice=advice)


def _distinct(ids: Sequence[str]) -> int:
    """How many characters tell them apart, eight at least."""
    return next(width for width in range(8, 257) if width == 256 or len({one[:width] for one in ids}) == len(set(ids)))
