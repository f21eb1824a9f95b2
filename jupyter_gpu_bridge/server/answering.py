"""How every address of ours answers: who may ask, and what an error looks like."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from http.client import responses
from typing import TYPE_CHECKING, Any, TypeVar, cast

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from jupyter_server.extension.handler import ExtensionHandlerMixin
from tornado import web

from jupyter_gpu_bridge import plain
from jupyter_gpu_bridge.errors import (
    BadRequest,
    BridgeError,
    CloudError,
    HostKeyChanged,
    HostKeyUnknown,
    HostUnknown,
    KernelTaken,
    KernelUnknown,
    LedgerBroken,
    LinkLost,
    LoginRefused,
    MachineUnfit,
    NothingFits,
    OverBudget,
    PassphraseNeeded,
    PeerMisbehaved,
    Problem,
    ProfileTaken,
    ProfileUnknown,
    RentalEnded,
    RentalUnknown,
    RentFailed,
    StartCancelled,
    Unreachable,
)

if TYPE_CHECKING:
    from jupyter_gpu_bridge.server.app import GpuBridgeApp

_STATUS: dict[type[BridgeError], int] = {
    BadRequest: 400,
    HostUnknown: 404,
    KernelUnknown: 404,
    RentalUnknown: 404,
    ProfileUnknown: 404,
    HostKeyChanged: 409,
    HostKeyUnknown: 409,
    KernelTaken: 409,
    PassphraseNeeded: 409,
    ProfileTaken: 409,
    StartCancelled: 409,
    NothingFits: 409,
    OverBudget: 409,
    RentalEnded: 409,
    # Never 401 or 403 for what a machine refused: a page would take it for its own login.
    LoginRefused: 502,
    MachineUnfit: 502,
    PeerMisbehaved: 502,
    Unreachable: 502,
    CloudError: 502,
    RentFailed: 502,
    LedgerBroken: 503,
    LinkLost: 503,
}

_REFUSED = {
    400: ("bad-request", "Send what the documentation of this address says."),
    403: ("forbidden", "Log in to the Jupyter server, or ask its owner for permission."),
    404: ("not-found", "Look at the address; this version of jupyter-gpu-bridge does not know it."),
    405: ("method-not-allowed", ""),
}


Verb = TypeVar("Verb", bound=Callable[..., Awaitable[None]])


def may_read(verb: Verb) -> Verb:
    return cast("Verb", authorized(action="read", resource="gpu_bridge")(verb))


def may_write(verb: Verb) -> Verb:
    return cast("Verb", authorized(action="write", resource="gpu_bridge")(verb))


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


def _status(error: BridgeError) -> int:
    return next((_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS), 500)
