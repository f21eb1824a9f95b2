"""The one façade: every front end calls only this."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jupyter_gpu_bridge.model import Host, KernelId, KernelView, MachineRef, MachineView, Profile


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


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """What a Jupyter server needs to give a notebook its kernel back after a restart."""

    session_id: str
    kernel_id: KernelId
    profile: str
    path: str
    name: str
    type: str


AskPassphrase = Callable[[str], str | None]
"""Given the name of a key file, the passphrase, or `None` when nobody can be asked."""

ConfirmHostKey = Callable[[str, str], bool]
"""Given a host and a fingerprint, whether the user vouches for it."""


class Bridge:
    """Asynchronous and cheap to make; it may be used from any event loop, also from several one after another."""

    # own hosts -----------------------------------------------------------------------------------------------------

    def hosts(self) -> Sequence[Host]: ...

    def add_host(self, host: Host) -> None: ...

    def remove_host(self, name: str) -> None: ...

    def check_host(
        self, name: str, *, confirm: ConfirmHostKey | None = None, ask: AskPassphrase | None = None
    ) -> AsyncIterator[Stage]: ...

    # profiles ------------------------------------------------------------------------------------------------------

    def profiles(self) -> Sequence[Profile]: ...

    def add_profile(self, profile: Profile) -> Path: ...

    def remove_profile(self, name: str) -> None: ...

    # machines and kernels ------------------------------------------------------------------------------------------

    async def machines(self) -> Sequence[MachineView]: ...

    async def kernels(self, *, wake: bool = False) -> Sequence[KernelView]: ...

    async def stop_kernel(self, kernel_id: KernelId) -> None: ...

    async def attach(self, kernel_id: KernelId) -> Path: ...

    async def kernel_log(self, kernel_id: KernelId) -> str: ...

    async def disconnect(self, machine: MachineRef) -> None: ...

    async def doctor(self) -> Sequence[Finding]: ...
