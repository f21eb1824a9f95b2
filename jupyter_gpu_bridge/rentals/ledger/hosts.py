"""Hosts on which a machine never came up: not to be rented again for a while, in whatever offer they are."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import insert, select, update

from jupyter_gpu_bridge.db import tables
from jupyter_gpu_bridge.rentals.ledger.chapter import Chapter

_T = tables.hosts


class BadHosts(Chapter):
    def avoid(self, provider: str, host: str, until: datetime, why: str) -> None:
        """Told again, the later end holds."""
        this = (_T.c.provider == provider) & (_T.c.host == host)
        with self._database.writing() as connection:
            known = connection.execute(select(_T.c.until).where(this)).scalar_one_or_none()
            if known is None:
                connection.execute(insert(_T).values(provider=provider, host=host, until=until, why=why))
            elif known < until:
                connection.execute(update(_T).where(this).values(until=until, why=why))

    def avoided(self, provider: str, now: datetime) -> set[str]:
        with self._database.reading() as connection:
            return set(connection.scalars(select(_T.c.host).where(_T.c.provider == provider, _T.c.until > now)))
