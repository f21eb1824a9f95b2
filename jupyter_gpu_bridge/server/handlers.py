"""REST under `gpu-bridge/api/v1/`: each handler asks the bridge and answers, nothing more."""

from __future__ import annotations

import dataclasses
from typing import NoReturn, cast

from tornado import web

from jupyter_gpu_bridge import __version__, plain
from jupyter_gpu_bridge.errors import BadRequest, ProfileTaken
from jupyter_gpu_bridge.model import KernelId, MachineRef, Profile
from jupyter_gpu_bridge.server.answering import Handler, may_read, may_write
from jupyter_gpu_bridge.server.health_handlers import HEALTH_ROUTES
from jupyter_gpu_bridge.server.rental_handlers import RENTAL_ROUTES

_OF_A_NEW_PROFILE = {"name", "machine", "display_name"}


class Machines(Handler):
    _track_activity = False

    @web.authenticated
    @may_read
    async def get(self) -> None:
        self.finish(await self.app.snapshot.answer())


class Kernels(Handler):
    _track_activity = False

    @web.authenticated
    @may_read
    async def get(self) -> None:
        self.finish({"kernels": [plain.kernel(view) for view in await self.app.bridge.kernels()]})


class Kernel(Handler):
    @web.authenticated
    @may_write
    async def delete(self, kernel_id: str) -> None:
        await self.app.stop_kernel(KernelId(kernel_id))
        self.set_status(204)
        self.finish()


class KernelAdoption(Handler):
    @web.authenticated
    @may_write
    async def post(self, kernel_id: str) -> None:
        self.finish(dataclasses.asdict(await self.app.adopt_kernel(KernelId(kernel_id))))


class KernelLog(Handler):
    _track_activity = False

    @web.authenticated
    @may_read
    async def get(self, kernel_id: str) -> None:
        self.finish({"kernel_id": kernel_id, "log": await self.app.bridge.kernel_log(KernelId(kernel_id))})


class Profiles(Handler):
    _track_activity = False

    @web.authenticated
    @may_read
    async def get(self) -> None:
        self.finish({"profiles": [plain.profile(item) for item in self.app.bridge.profiles()]})

    @web.authenticated
    @may_write
    async def post(self) -> None:
        """Another page may have asked for the same profile a moment ago; it is never replaced from here."""
        wanted = _wanted_profile(self.get_json_body())
        found = self._found(wanted.name)
        if found is None:
            self.app.bridge.add_profile(wanted)
            found = self._found(wanted.name) or wanted
            self.set_status(201)
        elif found.machine != wanted.machine:
            raise ProfileTaken(
                f"There is a profile {wanted.name!r} already, for the machine {found.machine}.",
                advice=f"Give another name: jupyter gpu profiles add NAME --machine {wanted.machine}",
            )
        self.finish(plain.profile(found))

    def _found(self, name: str) -> Profile | None:
        return next((item for item in self.app.bridge.profiles() if item.name == name), None)


def _wanted_profile(body: object) -> Profile:
    fields = body if isinstance(body, dict) else {}
    texts = [fields.get("name"), fields.get("machine"), fields.get("display_name", "")]
    if not all(isinstance(text, str) for text in texts) or not fields.keys() <= _OF_A_NEW_PROFILE:
        raise BadRequest(
            "A new profile is described by name, machine and, if you like, display_name.", advice="Send texts in JSON."
        )
    name, machine, display_name = cast("list[str]", texts)
    return Profile(name, MachineRef.parse(machine), display_name)


class Version(Handler):
    _track_activity = False

    @web.authenticated
    @may_read
    async def get(self) -> None:
        self.finish({"version": __version__})


class Nothing(Handler):
    """Any other address under ours, so that it is answered in our shape and not with a page."""

    _track_activity = False

    @web.authenticated
    @may_read
    async def get(self, path: str) -> NoReturn:
        raise web.HTTPError(404, f"There is nothing at gpu-bridge/{path}.")

    post = put = patch = delete = head = get


_KERNEL = r"gpu-bridge/api/v1/kernels/([A-Za-z0-9._-]+)"


class Metrics(Handler):
    """For Prometheus, with a token of this server."""

    _track_activity = False

    @web.authenticated
    @may_read
    async def get(self) -> None:
        self.finish(self.app.bridge.metrics(), set_content_type="text/plain; version=0.0.4; charset=utf-8")


ROUTES: list[tuple[str, type[Handler]]] = [
    (r"gpu-bridge/api/v1/machines", Machines),
    (r"gpu-bridge/api/v1/kernels", Kernels),
    (_KERNEL, Kernel),
    (_KERNEL + "/adoption", KernelAdoption),
    (_KERNEL + "/log", KernelLog),
    (r"gpu-bridge/api/v1/profiles", Profiles),
    (r"gpu-bridge/api/v1/version", Version),
    (r"gpu-bridge/api/v1/metrics", Metrics),
    *HEALTH_ROUTES,
    *RENTAL_ROUTES,
    (r"gpu-bridge/(.*)", Nothing),
]
