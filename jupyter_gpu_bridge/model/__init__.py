"""The ground: the words of the house as small immutable values."""

from __future__ import annotations

from jupyter_gpu_bridge.model.clouds import (
    Account,
    Created,
    CreatePlan,
    Provider,
    PutsOff,
    Ref,
    Seen,
    SeenState,
    Traits,
)
from jupyter_gpu_bridge.model.machines import (
    RENTED,
    CarrierChoice,
    Finding,
    Host,
    KernelId,
    KernelState,
    KernelView,
    Lane,
    MachineRef,
    MachineState,
    MachineView,
    Profile,
    Stage,
)
from jupyter_gpu_bridge.model.market import Need, Offer, Order, WhenBusy
from jupyter_gpu_bridge.model.money import Money
from jupyter_gpu_bridge.model.removal import PowerOff, RemovalStep, SelfRemovalCall
from jupyter_gpu_bridge.model.rentals import AttemptId, Event, Rental, RentalState, Wish, WishId

__all__ = [
    "RENTED",
    "Account",
    "AttemptId",
    "CarrierChoice",
    "CreatePlan",
    "Created",
    "Event",
    "Finding",
    "Host",
    "KernelId",
    "KernelState",
    "KernelView",
    "Lane",
    "MachineRef",
    "MachineState",
    "MachineView",
    "Money",
    "Need",
    "Offer",
    "Order",
    "PowerOff",
    "Profile",
    "Provider",
    "PutsOff",
    "Ref",
    "RemovalStep",
    "Rental",
    "RentalState",
    "Seen",
    "SeenState",
    "SelfRemovalCall",
    "Stage",
    "Traits",
    "WhenBusy",
    "Wish",
    "WishId",
]
