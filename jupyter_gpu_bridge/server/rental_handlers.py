"""REST about rented machines; money is text in dollars."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from tornado import web

from jupyter_gpu_bridge import plain
from jupyter_gpu_bridge.errors import BadRequest
from jupyter_gpu_bridge.server.answering import Handler, may_read, may_write

_LONGEST = 30 * 24 * 60
"""Minutes: what is more is a mistake, and no number for a clock."""


class Rentals(Handler):
    _track_activity = False

    @web.authenticated
    @may_read
    async def get(self) -> None:
        """With `ended=1` also those that are over."""
        standings = await self.app.bridge.rentals(ended=self.get_argument("ended", "") == "1")
        self.finish({"rentals": [standing.plain() for standing in standings]})


class Rental(Handler):
    _track_activity = False

    @web.authenticated
    @may_read
    async def get(self, start: str) -> None:
        standing = await self.app.bridge.rental(start)
        events = await self.app.bridge.rental_events(standing.wish.wish_id)
        self.finish({**standing.plain(), "events": [plain.event(event) for event in events]})

    @web.authenticated
    @may_write
    async def delete(self, start: str) -> None:
        """Answers at once; that it is gone is seen in its state."""
        standing = await self.app.bridge.rental(start)
        await self.app.bridge.end_rental(standing.wish.wish_id, "It was stopped in the Compute panel.")
        self.set_status(202)
        self.finish((await self.app.bridge.rental(standing.wish.wish_id)).plain())


class Extension(Handler):
    @web.authenticated
    @may_write
    async def post(self, start: str) -> None:
        minutes = _minutes(self.get_json_body())
        standing = await self.app.bridge.rental(start)
        rental = await self.app.bridge.extend_rental(standing.wish.wish_id, timedelta(minutes=minutes))
        self.finish(replace(standing, rental=rental).plain())


def _minutes(body: object) -> int:
    minutes = body.get("minutes", 30) if isinstance(body, dict) else 30 if body is None else None
    if type(minutes) is not int or not 1 <= minutes <= _LONGEST:
        raise BadRequest("A rental is extended by whole minutes, up to 30 days.", advice='Send {"minutes": 30}.')
    return minutes


_RENTAL = r"gpu-bridge/api/v1/rentals/([0-9a-f]+)"

RENTAL_ROUTES: list[tuple[str, type[Handler]]] = [
    (r"gpu-bridge/api/v1/rentals", Rentals),
    (_RENTAL, Rental),
    (_RENTAL + "/extension", Extension),
]
