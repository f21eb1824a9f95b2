"""A bridge without machines, to see what a front end asks of it and what it makes of the answers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from jupyter_gpu_bridge.bridge import AskPassphrase, Bridge, ConfirmHostKey
from jupyter_gpu_bridge.errors import BridgeError, HostKeyChanged, HostKeyUnknown, KernelUnknown, PassphraseNeeded
from jupyter_gpu_bridge.model import Host, KernelId, MachineView, Stage
from jupyter_gpu_bridge.providers.hosts import Hosts


@dataclass
class ScriptedBridge(Bridge):
    """Profiles and hosts are real; machines and kernels are what the test says."""

    views: Sequence[MachineView] = ()
    trouble: BridgeError | Exception | None = None
    alive: dict[str, bool | Exception] = field(default_factory=dict)
    left: list[Sequence[KernelId]] = field(default_factory=list)
    stopped: list[KernelId] = field(default_factory=list)
    names: dict[KernelId, str] = field(default_factory=dict)

    asleep: Sequence[MachineView] = ()
    """Machines whose kernels are seen only by who wakes them."""
    unconfirmed: set[KernelId] = field(default_factory=set)
    """Kernels on machines that cannot be told now that they are to end."""
    host_key: str = ""
    """A key that somebody has to confirm before a host can be checked."""
    key_error: type[HostKeyUnknown | HostKeyChanged] = HostKeyUnknown
    is_revoked: bool = False
    passphrase: str = ""

    def change_host(self, host: Host) -> None:
        Hosts().change(host)

    async def check_host(
        self,
        name: str,
        *,
        confirm: ConfirmHostKey | None = None,
        ask: AskPassphrase | None = None,
        fingerprint: str | None = None,
    ) -> AsyncIterator[Stage]:
        host = Hosts().get(name)
        yield Stage("connecting", f"connecting to {name}")
        if self.trouble:
            raise self.trouble
        shown = {"host": host.address, "port": "22", "fingerprint": self.host_key, "key": "ssh-ed25519 AAAA"}
        if self.key_error is HostKeyChanged and not self.is_revoked:
            shown["known_fingerprints"] = "SHA256:before"
        unknown = self.key_error("This is not the key that we know.", advice="Ask its owner.", details=shown)
        if self.host_key and (confirm is None or not confirm(unknown)):
            raise unknown
        if self.passphrase and (ask is None or ask("/the/key") != self.passphrase):
            raise PassphraseNeeded("The key is locked.", advice="Give its passphrase.")
        yield Stage("ready", f"{name} can be used")

    async def machines(self, *, wake: bool = False) -> Sequence[MachineView]:
        if self.trouble:
            raise self.trouble
        return [*self.views, *(self.asleep if wake else ())]

    async def attach(self, kernel_id: KernelId) -> Path:
        return Path("/run/kernel.json")

    async def stop_kernel(self, kernel_id: KernelId) -> bool:
        await self._known(kernel_id)
        self.stopped.append(kernel_id)
        return kernel_id not in self.unconfirmed

    async def kernel_log(self, kernel_id: KernelId) -> str:
        await self._known(kernel_id)
        return "it said this\n"

    async def surviving(self, kernel_id: KernelId) -> bool:
        answer = self.alive.get(kernel_id, False)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def server_exits(self, kernel_ids: Sequence[KernelId]) -> None:
        if self.trouble:
            raise self.trouble
        self.left.append(kernel_ids)

    async def kernel_renamed(self, kernel_id: KernelId, path: str) -> None:
        self.names[kernel_id] = path

    async def _known(self, kernel_id: KernelId) -> None:
        if kernel_id not in {kernel.kernel_id for kernel in await self.kernels(wake=True)}:
            raise KernelUnknown(f"There is no kernel {kernel_id!r}.", advice="Look at: jupyter gpu kernels")
