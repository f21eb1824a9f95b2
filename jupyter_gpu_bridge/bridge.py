"""The one façade: every front end calls only this."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

from jupyter_gpu_bridge.model import Finding, Host, KernelId, KernelView, MachineRef, MachineView, Profile, Stage
from jupyter_gpu_bridge.providers.hosts import Hosts
from jupyter_gpu_bridge.rentals.profiles import Profiles

AskPassphrase = Callable[[str], str | None]
"""Given the name of a key file, the passphrase, or `None` when nobody can be asked."""

ConfirmHostKey = Callable[[str, str], bool]
"""Given a host and a fingerprint, whether the user vouches for it."""


class Bridge:
    """Asynchronous and cheap to make; it may be used from any event loop, also from several one after another."""

    # own hosts -----------------------------------------------------------------------------------------------------

    def hosts(self) -> Sequence[Host]:
        return Hosts().list()

    def add_host(self, host: Host) -> None:
        Hosts().add(host)

    def remove_host(self, name: str) -> None:
        """Its profiles are left: a host of the same name may be added again."""
        Hosts().remove(name)

    def check_host(
        self, name: str, *, confirm: ConfirmHostKey | None = None, ask: AskPassphrase | None = None
    ) -> AsyncIterator[Stage]: ...

    # profiles ------------------------------------------------------------------------------------------------------

    def profiles(self) -> Sequence[Profile]:
        return Profiles().list()

    def add_profile(self, profile: Profile) -> Path:
        return Profiles().add(profile)

    def remove_profile(self, name: str) -> None:
        Profiles().remove(name)

    # machines and kernels ------------------------------------------------------------------------------------------

    async def machines(self) -> Sequence[MachineView]: ...

    async def kernels(self, *, wake: bool = False) -> Sequence[KernelView]: ...

    async def stop_kernel(self, kernel_id: KernelId) -> None: ...

    async def attach(self, kernel_id: KernelId) -> Path: ...

    async def kernel_log(self, kernel_id: KernelId) -> str: ...

    async def disconnect(self, machine: MachineRef) -> None: ...

    # a Jupyter server that goes and comes back -----------------------------------------------------------------------

    async def surviving(self, kernel_id: KernelId) -> bool:
        """Whether this kernel still runs on its machine, so that starting its id again attaches to it."""
        ...

    async def server_exits(self, kernel_ids: Sequence[KernelId]) -> None:
        """Called before a server shuts these kernels down: they are to be kept, so its shutdown must not reach them."""
        ...

    # health ----------------------------------------------------------------------------------------------------------

    async def doctor(self, *, hosts: bool = False) -> Sequence[Finding]:
        """What is installed, reachable and wrong; connects to each host only when asked."""
        ...
