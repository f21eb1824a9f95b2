"""Sessions that outlive the server: written down while it runs, taken up again before it answers anybody."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from jupyter_client.kernelspec import NoSuchKernel
from jupyter_core.utils import ensure_async

from jupyter_gpu_bridge.errors import BridgeError
from jupyter_gpu_bridge.model import KernelId
from jupyter_gpu_bridge.rentals.profiles import is_ours
from jupyter_gpu_bridge.server.slots import SessionRecord, united

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp

    from jupyter_gpu_bridge.bridge import Bridge
    from jupyter_gpu_bridge.server.slots import Slot

RESTORE_WITHIN_S = 20.0
"""A server that starts does not wait longer for its old kernels; those still on their way come later."""

_ANSWER_WITHIN_S = 10.0

_CLOSELY = (0.1, 0.3, 0.6, 1.0, 2.0)
"""A session is saved, and then renamed by the page, shortly after its kernel's start is announced."""

_SLOWLY = 10.0


class Sessions:
    """The sessions of one server, as far as their kernels are run by our provisioner."""

    def __init__(self, server: ServerApp, bridge: Callable[[], Bridge], slot: Slot, log: logging.Logger) -> None:
        """The bridge is called for when it is needed first: a server that has nothing to restore starts without it."""
        self._server = server
        self._bridge = bridge
        self._slot = slot
        self._log = log
        self._unsettled: dict[KernelId, list[SessionRecord]] = {}
        """Left by servers before, and not yet known to be back or gone; kept in the file until then."""
        self._names: dict[KernelId, str] = {}
        """What the links know that the kernels belong to."""
        self._happened = asyncio.Event()
        self._watch: asyncio.Task[None] | None = None
        self._restoring: set[asyncio.Task[None]] = set()

    # coming back -----------------------------------------------------------------------------------------------------

    def has_some(self) -> bool:
        """Whether servers of this folder that have ended left any. They are ours from then on, so ask once."""
        left: list[tuple[Slot, Sequence[SessionRecord]]] = []
        for slot in self._slot.left_beside():
            records = self._read(slot)
            if records:
                left.append((slot, records))
            else:
                slot.close()
        for record in united(self._read(self._slot), *(records for _, records in left)):
            self._unsettled.setdefault(record.kernel_id, []).append(record)
        if left:
            self._take_over([slot for slot, _ in left])
        return bool(self._unsettled)

    def _read(self, slot: Slot) -> Sequence[SessionRecord]:
        try:
            return slot.read()
        except (OSError, ValueError) as error:
            self._log.warning("The sessions of the last server cannot be read, so none is restored: %s.", error)
            return ()

    def _take_over(self, left: Sequence[Slot]) -> None:
        """First ours, then not theirs any more: a server that is killed in between loses nothing."""
        try:
            self._slot.write(self._left_unsettled(), self._server.port)
            for slot in left:
                slot.clear()
                slot.close()
        except OSError as error:
            # They stay held, so that nobody else takes them up as well.
            self._log.error("The sessions of other servers cannot be written down as ours: %s.", error)

    async def restore(self) -> None:
        """Every kernel that still runs is back under its id, with its sessions; never raises for one that is not."""
        self._restoring = {
            asyncio.create_task(self._restore(kernel_id, records)) for kernel_id, records in self._unsettled.items()
        }
        if not self._restoring:
            return
        _, late = await asyncio.wait(self._restoring, timeout=RESTORE_WITHIN_S)
        if late:
            self._log.warning("%d kernels are not back yet; the server starts without waiting for them.", len(late))

    async def _restore(self, kernel_id: KernelId, records: Sequence[SessionRecord]) -> None:
        what = _what(records[0])
        try:
            if not await asyncio.wait_for(self._bridge().surviving(kernel_id), _ANSWER_WITHIN_S):
                self._log.warning("%s did not survive; it can be started again.", what)
                del self._unsettled[kernel_id]
                return
            await self._attach(kernel_id, records)
        except asyncio.TimeoutError:
            self._log.error("%s could not be taken up again: its link does not answer.", what)
        except (BridgeError, OSError) as error:
            self._log.error("%s could not be taken up again: %s", what, error)
        except Exception:
            # Whatever a provisioner, a kernelspec or a contents manager raises: the server and the others go on.
            self._log.exception("%s could not be taken up again.", what)
        else:
            del self._unsettled[kernel_id]
            self._log.info("%s is back.", what)

    async def _attach(self, kernel_id: KernelId, records: Sequence[SessionRecord]) -> None:
        first = records[0]
        sessions = self._server.session_manager
        options: dict[str, Any] = {}
        if first.session_id:
            contents: Any = self._server.contents_manager
            options["path"] = await ensure_async(contents.get_kernel_path(path=first.path))
            options["env"] = sessions.get_kernel_env(first.path, first.name)
        await self._server.kernel_manager.start_kernel(kernel_id=kernel_id, kernel_name=first.kernel_name, **options)
        for record in records:
            if record.session_id:
                await sessions.save_session(
                    record.session_id, path=record.path, name=record.name, type=record.type, kernel_id=kernel_id
                )

    # being there -----------------------------------------------------------------------------------------------------

    def watch(self) -> None:
        """Keep the file true from now on."""
        self._watch = asyncio.create_task(self._keep_writing())

    def look_again(self) -> None:
        """Something happened to a kernel."""
        self._happened.set()

    async def _keep_writing(self) -> None:
        while True:
            await self._write()
            try:
                await asyncio.wait_for(self._happened.wait(), _SLOWLY)
            except asyncio.TimeoutError:
                continue
            self._happened.clear()
            for pause in _CLOSELY:
                await self._write()
                await asyncio.sleep(pause)

    async def _write(self) -> None:
        try:
            records = await self.records()
            self._slot.write([*records, *self._left_unsettled()], self._server.port)
            await self._tell_names(records)
        except OSError as error:
            self._log.error("The sessions cannot be written down, so they would not survive the server: %s.", error)
        except Exception:
            # Whatever another session manager raises: the next look may succeed.
            self._log.exception("The sessions cannot be listed.")

    async def _tell_names(self, records: Sequence[SessionRecord]) -> None:
        """For those who ask the links and not this server: a notebook may have been given another name."""
        for record in records:
            if not record.path or self._names.get(record.kernel_id) == record.path:
                continue
            names = self._server.session_manager.get_kernel_env(record.path, record.name)
            try:
                await self._bridge().kernel_renamed(record.kernel_id, names["JPY_SESSION_NAME"])
            except BridgeError as error:
                self._log.warning("%s could not be told of its name: %s", _what(record), error)
                continue
            self._names[record.kernel_id] = record.path

    def _left_unsettled(self) -> Sequence[SessionRecord]:
        return [record for records in self._unsettled.values() for record in records]

    async def records(self) -> Sequence[SessionRecord]:
        """The sessions now, and our kernels that have none."""
        specs = {KernelId(kernel_id): self._spec(kernel_id) for kernel_id in self._kernel_ids()}
        ours = {kernel_id: name for kernel_id, (name, metadata) in specs.items() if is_ours(metadata)}
        if not ours:
            return []
        found = [
            SessionRecord(model["id"], model["kernel"]["id"], ours[model["kernel"]["id"]], *_place(model))
            for model in await self._server.session_manager.list_sessions()
            if model["kernel"]["id"] in ours
        ]
        alone = ours.keys() - {record.kernel_id for record in found}
        return [*found, *(SessionRecord("", kernel_id, ours[kernel_id], "", "", "") for kernel_id in alone)]

    # going -----------------------------------------------------------------------------------------------------------

    async def leave(self) -> None:
        """Before the server shuts its kernels down: hold back those that are to be kept, and say which is which."""
        await self._end_tasks()
        records = await self.records()
        kept = {kernel_id for kernel_id in {record.kernel_id for record in records} if await self._keeps(kernel_id)}
        try:
            if kept:
                await self._bridge().server_exits(sorted(kept))
        except BridgeError as error:
            self._log.error("No kernel can be kept: %s", error)
            kept = set()
        for record in records:
            outcome = "is kept running" if record.kernel_id in kept else "is stopped"
            self._log.info("%s %s.", _what(record), outcome)
        staying = [record for record in records if record.kernel_id in kept]
        try:
            self._slot.write([*staying, *self._left_unsettled()], self._server.port)
        except OSError as error:
            self._log.error("The sessions of kept kernels cannot be written down: %s.", error)

    async def _end_tasks(self) -> None:
        tasks = [*self._restoring, *([self._watch] if self._watch else [])]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _keeps(self, kernel_id: KernelId) -> bool:
        """As its profile says now; it may have been changed, or removed, since the kernel was started."""
        name, metadata = self._spec(kernel_id)
        specs: Any = self._server.kernel_spec_manager
        with contextlib.suppress(NoSuchKernel):
            metadata = (await ensure_async(specs.get_kernel_spec(name))).metadata
        provisioner = metadata.get("kernel_provisioner") or {}
        return (provisioner.get("config") or {}).get("keep") is True

    def _kernel_ids(self) -> Sequence[str]:
        return self._server.kernel_manager.list_kernel_ids()

    def _spec(self, kernel_id: str) -> tuple[str, dict[str, Any]]:
        kernel = self._server.kernel_manager.get_kernel(kernel_id)
        provisioner = kernel.provisioner  # none while it starts, and never one for a kernel that others run
        spec = provisioner.kernel_spec if provisioner is not None else None
        return kernel.kernel_name, dict(spec.metadata) if spec is not None else {}


def _place(model: dict[str, Any]) -> tuple[str, str, str]:
    return model["path"] or "", model["name"] or "", model["type"] or ""


def _what(record: SessionRecord) -> str:
    place = f" of {record.path}" if record.path else ""
    return f"The kernel {record.kernel_id[:8]}{place} ({record.kernel_name})"
