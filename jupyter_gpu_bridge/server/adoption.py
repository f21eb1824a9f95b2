"""A kernel that runs and that nobody has is given to this server, so that a notebook can be opened on it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_core.utils import ensure_async

from jupyter_gpu_bridge.errors import KernelUnknown, ProfileUnknown
from jupyter_gpu_bridge.model import KernelState
from jupyter_gpu_bridge.naming import kernel_name

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp

    from jupyter_gpu_bridge.bridge import Bridge
    from jupyter_gpu_bridge.model import KernelId, KernelView


@dataclass(frozen=True, slots=True)
class Adopted:
    kernel_id: KernelId
    kernel_name: str
    path: str
    """The notebook that it had, where that is still there and has no other kernel; else empty."""


async def adopt(server: ServerApp, bridge: Bridge, kernel_id: KernelId) -> Adopted:
    """Raises `KernelUnknown`, `ProfileUnknown`, or `KernelTaken` when another program has it."""
    kernel = next((view for view in await bridge.kernels() if view.kernel_id == kernel_id), None)
    if kernel is None or kernel.state is KernelState.DEAD:
        raise KernelUnknown(f"The kernel {kernel_id} does not run any more.", advice="Start a new one.")
    if kernel.is_foreign:
        raise KernelUnknown(
            f"The kernel {kernel_id} was started from another computer.", advice="Open a notebook on it there."
        )
    if kernel.profile not in {profile.name for profile in bridge.profiles()}:
        raise ProfileUnknown(
            f"There is no profile {kernel.profile!r} any more, by which the kernel was started.",
            advice=f"Add it again: jupyter gpu profiles add {kernel.profile} --machine {kernel.machine}",
        )
    name = kernel_name(kernel.profile)
    if kernel_id not in server.kernel_manager:
        await server.kernel_manager.start_kernel(kernel_id=kernel_id, kernel_name=name)
    return Adopted(kernel_id, name, await _free_notebook(server, kernel))


async def _free_notebook(server: ServerApp, kernel: KernelView) -> str:
    path = _below(server.root_dir, kernel.path)
    taken = {session["path"] for session in await server.session_manager.list_sessions()}
    contents: Any = server.contents_manager
    is_free = path.endswith(".ipynb") and path not in taken and await ensure_async(contents.file_exists(path))
    return path if is_free else ""


def _below(root: str, file: str) -> str:
    """The file as the server names it; empty when it is elsewhere."""
    file, root = os.path.abspath(file), os.path.abspath(root)
    return Path(file).relative_to(root).as_posix() if Path(file).is_relative_to(root) else ""
