"""REST about rented machines; money is text in dollars."""

from __future__ import annotations

from datetime import timedelta

from tornado import web

from jupyter_gpu_bridge import plain
from jupyter_gpu_bridge.bridge import Standing
from jupyter_gpu_bridge.errors import BadRequest
from jupyter_gpu_bridge.server.answering import Handler, may_read, may_write


class Rentals(Handler):
    _track_activity = False

    @web.authenticated
    @may_read
    async def get(self) -> None:
        """With `ended=1` also those that are over."""
        standings = await self.app.bridge.rentals(ended=self.get_argument("ended", "") == "1")
        self.finish({"rentals": [_plain(standing) for standing in standings]})


class Rental(Handler):
    _track_activity = False

    @web.authenticated
    @may_read
    async def get(self, start: str) -> None:
        standing = await self.app.bridge.rental(start)
        events = await self.app.bridge.rental_events(standing.wish.wish_id)
        self.finish({**_plain(standing), "events": [plain.event(event) for event in events]})

    @web.authenticated
    @may_write
    async def delete(self, start: str) -> None:
        """Answers at once; that it is gone is seen in its state."""
        standing = await self.app.bridge.rental(start)
        await self.app.bridge.end_rental(standing.wish.wish_id, "It was stopped in the Compute panel.")
        self.set_status(202)
        self.finish(_plain(await self.app.bridge.rental(standing.wish.wish_id)))


class Extension(Handler):
    @web.authenticated
    @may_write
    async def post(self, start: str) -> None:
        minutes = (self.get_json_body() or {}).get("minutes", 30)
        if not isinstance(minutes, int) or isinstance(minutes, bool):
            raise BadRequest("A rental is extended by whole minutes.", advice='Send {"minutes": 30}.')
        standing = await self.app.bridge.rental(start)
        rental = await self.app.bridge.extend_rental(standing.wish.wish_id, timedelta(minutes=minutes))
        self.finish(_plain(Standing(standing.wish, rental)))


def _plain(standing: Standing) -> plain.Plain:
    return plain.rental(standing.wish, standing.rental)


_RENTAL = r"gpu-bridge/api/v1/rentals/([0-9a-f]+)"

RENTAL_ROUTES: list[tuple[str, type[Handler]]] = [
    (r"gpu-bridge/api/v1/rentals", Rentals),
    (_RENTAL, Rental),
    (_RENTAL + "/extension", Extension),
]
