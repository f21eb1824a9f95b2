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
from jupyter_gpu_bridge.model.experience import Outcome, Place, Reputation
from jupyter_gpu_bridge.model.gpu_checks import GpuCheck, GpuCompared, GpuMeasured, GpusChecked
from jupyter_gpu_bridge.model.health import (
    BreakerHealth,
    BreakerState,
    CacheHealth,
    Health,
    LimiterHealth,
    ProviderHealth,
    ProviderState,
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
from jupyter_gpu_bridge.model.market import Need, Offer, Order, Ranking, WhenBusy
from jupyter_gpu_bridge.model.money import Money
from jupyter_gpu_bridge.model.removal import PowerOff, RemovalStep, SelfRemovalCall
from jupyter_gpu_bridge.model.rentals import AttemptId, Event, Rental, RentalState, Wish, WishId

__all__ = [
    "RENTED",
    "Account",
    "AttemptId",
    "BreakerHealth",
    "BreakerState",
    "CacheHealth",
    "CarrierChoice",
    "CreatePlan",
    "Created",
    "Event",
    "Finding",
    "GpuCheck",
    "GpuCompared",
    "GpuMeasured",
    "GpusChecked",
    "Health",
    "Host",
    "KernelId",
    "KernelState",
    "KernelView",
    "Lane",
    "LimiterHealth",
    "MachineRef",
    "MachineState",
    "MachineView",
    "Money",
    "Need",
    "Offer",
    "Order",
    "Outcome",
    "Place",
    "PowerOff",
    "Profile",
    "Provider",
    "ProviderHealth",
    "ProviderState",
    "PutsOff",
    "Ranking",
    "Ref",
    "RemovalStep",
    "Rental",
    "RentalState",
    "Reputation",
    "Seen",
    "SeenState",
    "SelfRemovalCall",
    "Stage",
    "Traits",
    "WhenBusy",
    "Wish",
    "WishId",
]
