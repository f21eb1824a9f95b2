"""How each machine that we have is reached."""

from __future__ import annotations

import contextlib
import os
import sys

from jupyter_gpu_bridge import settings
from jupyter_gpu_bridge.errors import BadRequest, LinkLost
from jupyter_gpu_bridge.machine.link import LinkClient, Target, links
from jupyter_gpu_bridge.model import MachineRef, WishId
from jupyter_gpu_bridge.providers import local, ssh
from jupyter_gpu_bridge.providers.hosts import Hosts

RENTAL = "rental"


def machine_of_wish(wish_id: WishId) -> MachineRef:
    """Whatever machine is rented for it, and however many attempts that takes."""
    return MachineRef(RENTAL, wish_id)


def wish_of(folder: str) -> WishId:
    """The wish whose link keeps its things in a folder of this name."""
    return WishId(folder.removeprefix(f"{RENTAL}-"))


def target_of(machine: MachineRef) -> Target:
    """Raises `HostUnknown` or `BadRequest` when there is no such machine."""
    if machine.provider == RENTAL:
        return Target(name=str(machine))  # its warden knows the rest
    if machine == local.THIS_COMPUTER:
        home = str(settings.data_folder() / "machine")
        return Target(name=local.TITLE, python=sys.executable, home=home)
    if machine.provider != ssh.PROVIDER:
        raise BadRequest(f"There is no machine {str(machine)!r}.", advice="`jupyter gpu hosts list` shows your own.")
    host = Hosts().get(machine.name)
    return Target(
        name=host.name,
        address=host.address,
        user=host.user,
        port=host.port,
        identity_file=host.identity_file,
        carrier=host.carrier,
        python=host.python,
        home=os.environ.get("JUPYTER_GPU_BRIDGE_REMOTE_HOME"),
    )


async def leave(machine: MachineRef) -> None:
    """End the connection to a machine that is to be removed; raises `BadRequest` while kernels run on it."""
    if LinkClient.has_work(machine):  # then a killed link is started again, for it knows which of them have ended
        await links().run(links().ask(machine, target_of(machine), "leave"))
    elif LinkClient.is_running(machine):
        with contextlib.suppress(LinkLost):  # it ended just now, or left its socket behind
            await links().run(links().ask(machine, None, "leave"))
