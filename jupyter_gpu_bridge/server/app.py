"""The extension itself: wires handlers, events and sessions into a Jupyter server."""

from __future__ import annotations

import asyncio
import time
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from jupyter_server.extension.application import ExtensionApp

from jupyter_gpu_bridge.errors import BridgeError
from jupyter_gpu_bridge.naming import CHANGED
from jupyter_gpu_bridge.providers import configuration
from jupyter_gpu_bridge.server.leftovers import forget_failed_starts, under_way
from jupyter_gpu_bridge.server.lookout import look_after

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jupyter_events import EventLogger
    from jupyter_server.serverapp import ServerApp
    from tornado.platform.asyncio import BaseAsyncIOLoop

    from jupyter_gpu_bridge.bridge import Bridge
    from jupyter_gpu_bridge.model import KernelId
    from jupyter_gpu_bridge.server.adoption import Adopted
    from jupyter_gpu_bridge.server.sessions import Sessions
    from jupyter_gpu_bridge.server.snapshot import Snapshot

BREAK_OFF_WITHIN_S = 15.0
"""The first half of a restart ends a process, and waits so long for a link that does not answer."""

_KERNEL_ACTIONS = "https://events.jupyter.org/jupyter_server/kernel_actions/v1"


class GpuBridgeApp(ExtensionApp):
    """Made by the server, once, before its event loop runs."""

    name = "jupyter_gpu_bridge"
    classes = [configuration.GpuBridgeProviders]  # noqa: RUF012 - traitlets wants a list

    _sessions: Sessions | None = None
    _looking: asyncio.Task[None] | None = None
    _restored = False

    @cached_property
    def bridge(self) -> Bridge:
        from jupyter_gpu_bridge.bridge import Bridge

        return Bridge()

    @cached_property
    def snapshot(self) -> Snapshot:
        from jupyter_gpu_bridge.server.snapshot import Snapshot

        return Snapshot(self.bridge, self._announce, self._places)

    @property
    def _server(self) -> ServerApp:
        return cast("ServerApp", self.serverapp)

    def initialize_handlers(self) -> None:
        from jupyter_gpu_bridge.server.handlers import ROUTES

        self.handlers.extend(ROUTES)

    def initialize_settings(self) -> None:
        configuration.take(self.config)
        schemas = Path(__file__).parent / "event_schemas"
        for name in ("machines", "notices"):
            cast("EventLogger", self._server.event_logger).register_event_schema(schemas / name / "v1.yaml")
        self._give_receipts()

    def initialize(self) -> None:  # type: ignore[override]
        """Called before the server listens, with its loop not running yet: the moment to bring kernels back.

        An open page that asks for its kernel and is told 404 takes it for dead, so nobody may ask earlier.
        """
        super().initialize()  # type: ignore[no-untyped-call]
        self._sessions = self._take_sessions()
        if self._sessions is None or not self._sessions.has_some():
            self._restored = True
        elif not cast("BaseAsyncIOLoop", self._server.io_loop).asyncio_loop.is_running():
            self._server.io_loop.run_sync(self._restore)

    async def _start_jupyter_server_extension(self, serverapp: Any) -> None:
        self._looking = asyncio.create_task(look_after(lambda: self.bridge, self.log))
        if self._sessions is None:
            return
        if not self._restored:
            await self._restore()
        serverapp.event_logger.add_listener(schema_id=_KERNEL_ACTIONS, listener=self._kernel_acted)
        self._sessions.watch()

    async def stop_extension(self) -> None:
        """Called when the server exits, before it shuts its kernels down."""
        if self._looking is not None:
            self._looking.cancel()
        if "snapshot" in self.__dict__:
            await self.snapshot.close()
        if self._sessions is not None:
            await self._sessions.leave()
        await self._break_off_starts()
        forget_failed_starts(self._server.kernel_manager)

    async def stop_kernel(self, kernel_id: KernelId) -> None:
        """Through the server where it is its own kernel, which would otherwise be taken for dead and restarted."""
        kernels: Any = self._server.kernel_manager
        if kernel_id in kernels:
            await kernels.shutdown_kernel(kernel_id)
        else:
            await self.bridge.stop_kernel(kernel_id)

    async def adopt_kernel(self, kernel_id: KernelId) -> Adopted:
        """Attach to a kernel that nobody has, for a notebook."""
        from jupyter_gpu_bridge.server.adoption import adopt

        return await adopt(self._server, self.bridge, kernel_id)

    async def _break_off_starts(self) -> None:
        """A restart goes on to its next step when one is broken off, so more than once."""
        give_up = time.monotonic() + BREAK_OFF_WITHIN_S
        while (waiting := under_way(self._server.kernel_manager)) and time.monotonic() < give_up:
            await self.bridge.break_off_starts()
            await asyncio.wait(waiting, timeout=0.2)

    async def _restore(self) -> None:
        self._restored = True
        if self._sessions is not None:
            await self._sessions.restore()

    def _give_receipts(self) -> None:
        from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection

        from jupyter_gpu_bridge.server.websockets import with_receipts

        chosen = self.settings["kernel_websocket_connection_class"]
        if issubclass(chosen, ZMQChannelsWebsocketConnection):
            self.settings["kernel_websocket_connection_class"] = with_receipts(chosen, lambda: self.bridge)

    def _take_sessions(self) -> Sessions | None:
        if self._server.gateway_config.gateway_enabled:
            return None
        from jupyter_gpu_bridge.server.sessions import Sessions
        from jupyter_gpu_bridge.server.slots import Slot

        try:
            slot = Slot.take(Path(self._server.root_dir), self._server.port)
        except (OSError, BridgeError) as error:
            self.log.warning("Sessions will not survive this server, because nothing can be written down: %s", error)
            return None
        if slot is None:
            self.log.warning("Sessions will not survive this server: too many others run in the same folder.")
            return None
        return Sessions(self._server, lambda: self.bridge, slot, self.log)

    async def _places(self) -> Mapping[str, str]:
        sessions = await self._server.session_manager.list_sessions()
        return {
            session["kernel"]["id"]: session["name" if session["type"] == "console" else "path"] for session in sessions
        }

    async def _kernel_acted(self, logger: Any, schema_id: str, data: dict[str, Any]) -> None:
        if self._sessions is not None:
            self._sessions.look_again()

    def _announce(self, revision: int) -> None:
        cast("EventLogger", self._server.event_logger).emit(schema_id=CHANGED, data={"revision": revision})
