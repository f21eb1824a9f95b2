"""Which machines there are, whoever provides them."""

from __future__ import annotations

from collections.abc import Sequence

from jupyter_gpu_bridge.errors import BadRequest
from jupyter_gpu_bridge.model import MachineRef
from jupyter_gpu_bridge.naming import nearest
from jupyter_gpu_bridge.providers import local, ssh
from jupyter_gpu_bridge.providers.hosts import Hosts


def known_machines() -> Sequence[tuple[MachineRef, str]]:
    """Every machine that can be reached without renting, with its title; this computer last."""
    return [*((ssh.machine_ref(host), host.name) for host in Hosts().list()), (local.THIS_COMPUTER, local.TITLE)]


def require_machine(ref: MachineRef) -> None:
    """Raises `HostUnknown` or `BadRequest` when there is no such machine."""
    if ref == local.THIS_COMPUTER:
        return
    if ref.provider == ssh.PROVIDER and ref.name:
        Hosts().get(ref.name)
        return
    known = [str(machine) for machine, _ in known_machines()]
    raise BadRequest(f"There is no machine {str(ref)!r}.", advice=nearest(str(ref), known))
