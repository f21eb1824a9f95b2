"""The words for machines that can be reached, and for the kernels on them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Literal, NewType

from jupyter_gpu_bridge.model.market import Order

KernelId = NewType("KernelId", str)

CarrierChoice = Literal["auto", "openssh", "paramiko"]


@dataclass(frozen=True, slots=True, order=True)
class MachineRef:
    """Names a machine that we can reach: `local`, or `ssh:NAME` for an own host."""

    provider: str
    name: str = ""

    def __str__(self) -> str:
        return f"{self.provider}:{self.name}" if self.name else self.provider

    @classmethod
    def parse(cls, text: str) -> MachineRef:
        provider, _, name = text.partition(":")
        return cls(provider, name)


RENTED = MachineRef("rental")
"""Whatever machine is rented for a profile."""


@dataclass(frozen=True, slots=True)
class Host:
    """An own machine, as the user described it; what is `None` is left to ssh_config."""

    name: str
    address: str
    user: str | None = None
    port: int | None = None
    identity_file: str | None = None
    python: str | None = None
    carrier: CarrierChoice = "auto"


@dataclass(frozen=True, slots=True)
class Profile:
    """A named order, saved as a kernelspec."""

    name: str
    machine: MachineRef
    """`RENTED` with an order: one is rented when a kernel starts, and kernels of one profile share it."""
    display_name: str = ""
    python: str | None = None
    folder: str | None = None
    environment: tuple[tuple[str, str | None], ...] = ()
    """Names and values; a name without a value takes the user's own value at the start of the kernel."""
    keep: bool = False
    order: Order | None = None


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of something long, for whoever shows progress."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that the doctor looked at."""

    subject: str
    ok: bool
    text: str
    advice: str = ""


class MachineState(Enum):
    ASLEEP = "asleep"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    RECONNECTING = "reconnecting"
    FAILED = "failed"


class KernelState(Enum):
    STARTING = "starting"
    IDLE = "idle"
    BUSY = "busy"
    DEAD = "dead"
    UNREACHABLE = "unreachable"
    STOPPING = "stopping"
    """Somebody has ended it, and its machine has not confirmed that yet."""


@dataclass(frozen=True, slots=True)
class KernelView:
    """One kernel on one machine, as last seen."""

    kernel_id: KernelId
    machine: MachineRef
    state: KernelState
    attached: bool
    profile: str = ""
    path: str = ""
    pid: int | None = None
    started: datetime | None = None
    last_activity: datetime | None = None
    detail: str = ""
    is_foreign: bool = False
    """Another computer started it, or a link that is no more: it can be stopped from here, and not attached to."""


@dataclass(frozen=True, slots=True)
class MachineView:
    """One machine, as last seen; `detail` is a sentence when something is wrong or in progress."""

    ref: MachineRef
    title: str
    state: MachineState
    detail: str = ""
    carrier: str = ""
    round_trip_ms: float | None = None
    out_of_reach: bool = False
    """It was to be asked and could not be: there may be other kernels than those that are remembered."""
    kernels: tuple[KernelView, ...] = field(default=())


class Lane(Enum):
    """The four ways that messages of a kernel travel; each is one channel of numbered records."""

    SHELL = "shell"
    CONTROL = "control"
    STDIN = "stdin"
    IOPUB = "iopub"
