"""Has the GPUs of a machine measured that is rented or one's own, and sets the figures beside what was promised."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jupyter_gpu_bridge import settings
from jupyter_gpu_bridge.errors import BadRequest, RentalElsewhere, RentalUnknown
from jupyter_gpu_bridge.machine.link import links
from jupyter_gpu_bridge.machine.link.stages import Report
from jupyter_gpu_bridge.market.experience.comparing import compare
from jupyter_gpu_bridge.market.experience.reading import in_words, read_report
from jupyter_gpu_bridge.model import GpuCheck, GpusChecked, MachineRef, RentalState
from jupyter_gpu_bridge.providers import local, ssh
from jupyter_gpu_bridge.providers.hosts import Hosts
from jupyter_gpu_bridge.rentals.reach import target_of
from jupyter_gpu_bridge.rentals.standing import Standing

if TYPE_CHECKING:
    from jupyter_gpu_bridge.rentals.orders import Orders

_CAN_BE_ENTERED = (RentalState.REACHABLE, RentalState.IN_USE)


async def check_gpus(name: str, report: Report) -> GpusChecked:
    """`name`: of an own host, `local`, or the beginning of a rental's id. Nothing is rented or started for it.

    Raises `RentalUnknown`, `BadRequest` for a machine that cannot be entered now, `PeerMisbehaved` for an answer that
    makes no sense, and whatever stands in the way to the machine.
    """
    own = _own(name)
    if own is not None:
        check = await _measure(own, report)
        return GpusChecked(own, "", check, compare(check), False)
    orders, standing = await _rented(name)
    rental = standing.rental
    if rental is None or rental.state not in _CAN_BE_ENTERED or not standing.wish.is_open:
        state = "not there yet" if rental is None or standing.wish.is_open else "being ended, or gone"
        raise BadRequest(f"The machine of {standing.wish.wish_id[:8]} is {state}.", advice="See: jupyter gpu ls")
    check = await _measure(standing.machine, report)
    offer = rental.offer
    found = compare(check, offer.gpu, offer.gpu_memory_mib)
    remembered = not check.problem and await orders.measured(rental, found, check.torch)
    return GpusChecked(standing.machine, offer.gpu, check, found, remembered)


def _own(name: str) -> MachineRef | None:
    if name == str(local.THIS_COMPUTER):
        return local.THIS_COMPUTER
    host = name.removeprefix(f"{ssh.PROVIDER}:")
    known = {each.name: each for each in Hosts().list()}
    return ssh.machine_ref(known[host]) if host in known else None


async def _rented(name: str) -> tuple[Orders, Standing]:
    from jupyter_gpu_bridge.rentals.orders import orders

    if not settings.has_ledger():
        raise _unknown(name)
    try:
        standing = await orders().find(name.removeprefix("rental:"))
    except RentalUnknown:
        raise _unknown(name) from None
    if standing.is_elsewhere:
        raise RentalElsewhere(
            f"{name} was rented elsewhere, by {standing.wish.asked_by or 'somebody'}: its keys are only there.",
            advice="Check it from there.",
        )
    return orders(), standing


def _unknown(name: str) -> RentalUnknown:
    return RentalUnknown(
        f"There is no one rental and no host {name!r}.", advice="See: jupyter gpu ls, and jupyter gpu hosts list"
    )


async def _measure(machine: MachineRef, report: Report) -> GpuCheck:
    def tell(stage: str, text: str) -> None:
        report(stage, in_words(text))

    answer = await links().run(links().ask(machine, target_of(machine), "check_gpus", tell))
    return read_report(str(answer))
