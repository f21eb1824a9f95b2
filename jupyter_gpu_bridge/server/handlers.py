"""REST under `gpu-bridge/api/v1/`: each handler asks the bridge and answers, nothing more."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Awaitable, Callable
from http.client import responses
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, cast

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from jupyter_server.extension.handler import ExtensionHandlerMixin
from tornado import web

from jupyter_gpu_bridge import __version__, plain
from jupyter_gpu_bridge.errors import (
    BadRequest,
    BridgeError,
    HostKeyChanged,
    HostKeyUnknown,
    HostUnknown,
    KernelTaken,
    KernelUnknown,
    LinkLost,
    LoginRefused,
    MachineUnfit,
    PassphraseNeeded,
    PeerMisbehaved,
    Problem,
    ProfileTaken,
    ProfileUnknown,
    StartCancelled,
    Unreachable,
)
from jupyter_gpu_bridge.model import KernelId, MachineRef, Profile

if TYPE_CHECKING:
    from jupyter_gpu_bridge.server.app import GpuBridgeApp

_STATUS: dict[type[BridgeError], int] = {
    BadRequest: 400,
    HostUnknown: 404,
    KernelUnknown: 404,
    ProfileUnknown: 404,
    HostKeyChanged: 409,
    HostKeyUnknown: 409,
    KernelTaken: 409,
    PassphraseNeeded: 409,
    ProfileTaken: 409,
    StartCancelled: 409,
    # Never 401 or 403 for what a machine refused: a page would take it for its own login.
    LoginRefused: 502,
    MachineUnfit: 502,
    PeerMisbehaved: 502,
    Unreachable: 502,
    LinkLost: 503,
}

_OF_A_NEW_PROFILE = {"name", "machine", "display_name"}

_REFUSED = {
    400: ("bad-request", "Send what the documentation of this address says."),
    403: ("forbidden", "Log in to the Jupyter server, or ask its owner for permission."),
    404: ("not-found", "Look at the address; this version of jupyter-gpu-bridge does not know it."),
    405: ("method-not-allowed", ""),
}


_Verb = TypeVar("_Verb", bound=Callable[..., Awaitable[None]])


def _may_read(verb: _Verb) -> _Verb:
    return cast("_Verb", authorized(action="read", resource="gpu_bridge")(verb))


def _may_write(verb: _Verb) -> _Verb:
    return cast("_Verb", authorized(action="write", resource="gpu_bridge")(verb))


class Handler(ExtensionHandlerMixin, APIHandler):
    """Answers every error as `{error, message, advice}`."""

    @property
    def app(self) -> GpuBridgeApp:
        return cast("GpuBridgeApp", self.extensionapp)

    def set_default_headers(self) -> None:
        super().set_default_headers()
        self.set_header("Cache-Control", "no-store")

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = kwargs.get("exc_info", (None, None, None))[1]
        if isinstance(error, BridgeError):
            self.set_status(_status(error))
            problem = error.as_problem()
        elif isinstance(error, web.HTTPError):
            code, advice = _REFUSED.get(status_code, ("failed", ""))
            problem = Problem(code, error.log_message or f"{responses.get(status_code, 'Refused')}.", advice)
        else:
            problem = Problem(
                "failed", "Something went wrong in the Jupyter server.", "Its log says what; please report it."
            )
        self.finish(json.dumps(plain.problem(problem)))

    def log_exception(self, typ: Any, value: BaseException | None, tb: Any) -> None:
        if isinstance(value, BridgeError):
            self.log.warning("%s %s: %s", self.request.method, self.request.path, value)
        else:
            super().log_exception(typ, value, tb)


class Machines(Handler):
    _track_activity = False

    @web.authenticated
    @_may_read
    async def get(self) -> None:
        self.finish(await self.app.snapshot.answer())


class Kernels(Handler):
    _track_activity = False

    @web.authenticated
    @_may_read
    async def get(self) -> None:
        self.finish({"kernels": [plain.kernel(view) for view in await self.app.bridge.kernels()]})


class Kernel(Handler):
    @web.authenticated
    @_may_write
    async def delete(self, kernel_id: str) -> None:
        await self.app.stop_kernel(KernelId(kernel_id))
        self.set_status(204)
        self.finish()


class KernelAdoption(Handler):
    @web.authenticated
    @_may_write
    async def post(self, kernel_id: str) -> None:
        self.finish(dataclasses.asdict(await self.app.adopt_kernel(KernelId(kernel_id))))


class KernelLog(Handler):
    _track_activity = False

    @web.authenticated
    @_may_read
    async def get(self, kernel_id: str) -> None:
        self.finish({"kernel_id": kernel_id, "log": await self.app.bridge.kernel_log(KernelId(kernel_id))})


class Profiles(Handler):
    _track_activity = False

    @web.authenticated
    @_may_read
    async def get(self) -> None:
        self.finish({"profiles": [plain.profile(item) for item in self.app.bridge.profiles()]})

    @web.authenticated
    @_may_write
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
    @_may_read
    async def get(self) -> None:
        self.finish({"version": __version__})


class Nothing(Handler):
    """Any other address under ours, so that it is answered in our shape and not with a page."""

    _track_activity = False

    @web.authenticated
    @_may_read
    async def get(self, path: str) -> NoReturn:
        raise web.HTTPError(404, f"There is nothing at gpu-bridge/{path}.")

    post = put = patch = delete = head = get


_KERNEL = r"gpu-bridge/api/v1/kernels/([A-Za-z0-9._-]+)"

ROUTES: list[tuple[str, type[Handler]]] = [
    (r"gpu-bridge/api/v1/machines", Machines),
    (r"gpu-bridge/api/v1/kernels", Kernels),
    (_KERNEL, Kernel),
    (_KERNEL + "/adoption", KernelAdoption),
    (_KERNEL + "/log", KernelLog),
    (r"gpu-bridge/api/v1/profiles", Profiles),
    (r"gpu-bridge/api/v1/version", Version),
    (r"gpu-bridge/(.*)", Nothing),
]


def _status(error: BridgeError) -> int:
    return next((_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS), 500)
