"""REST about how the providers do, as this server has seen it; nothing of it keeps a server awake."""

from __future__ import annotations

from tornado import web

from jupyter_gpu_bridge import plain
from jupyter_gpu_bridge.errors import BadRequest
from jupyter_gpu_bridge.server.answering import Handler, may_read, may_write


class Health(Handler):
    _track_activity = False

    @web.authenticated
    @may_read
    async def get(self) -> None:
        """Asks no provider, so it may be looked at as often as one likes."""
        self.finish(plain.health(await self.app.bridge.health_seen()))


class BreakerReset(Handler):
    _track_activity = False

    @web.authenticated
    @may_write
    async def post(self, provider: str) -> None:
        self.app.bridge.reset_provider(provider)
        self.set_status(204)
        self.finish()


class Invalidation(Handler):
    _track_activity = False

    @web.authenticated
    @may_write
    async def post(self) -> None:
        self.app.bridge.forget_offers(_provider(self.get_json_body()))
        self.set_status(204)
        self.finish()


def _provider(body: object) -> str:
    """Empty: all of them."""
    provider = body.get("provider", "") if isinstance(body, dict) else "" if body is None else None
    if not isinstance(provider, str):
        raise BadRequest("Offers are forgotten of one provider, or of all.", advice='Send {"provider": NAME}, or {}.')
    return provider


HEALTH_ROUTES: list[tuple[str, type[Handler]]] = [
    (r"gpu-bridge/api/v1/health", Health),
    (r"gpu-bridge/api/v1/circuit-breakers/([A-Za-z0-9._-]+)/reset", BreakerReset),
    (r"gpu-bridge/api/v1/cache/invalidate", Invalidation),
]
