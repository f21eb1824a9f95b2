"""How our values stand in a column: money and durations as whole numbers, every time in UTC."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from decimal import Decimal

from sqlalchemy import BigInteger, DateTime, Dialect, Text
from sqlalchemy.types import TypeDecorator

from jupyter_gpu_bridge.errors import BadRequest
from jupyter_gpu_bridge.model import Money

_LARGEST = 2**63 - 1
_INSTANT = timedelta(microseconds=1)


class TextColumn(TypeDecorator[str]):
    """Providers and machines say what they like; a letter that a database refuses must not stop a machine's end."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else storable(value)


def storable(text: str) -> str:
    """As it will be read again."""
    return text.replace("\0", "?").encode(errors="replace").decode()


class MoneyColumn(TypeDecorator[Money]):
    """Micro-dollars."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: Money | None, dialect: Dialect) -> int | None:
        if value is None:
            return None
        if abs(value.micros) > _LARGEST:
            raise BadRequest(f"{value} is more money than can be written down.", advice="Ask for less.")
        return value.micros

    def process_result_value(self, value: int | Decimal | None, dialect: Dialect) -> Money | None:
        return None if value is None else Money(int(value))  # a sum is a decimal with PostgreSQL, without a fraction


class TimeColumn(TypeDecorator[datetime]):
    """SQLite keeps no time zone, so what is written there is UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise TypeError("a time in the ledger needs its time zone")
        in_utc = value.astimezone(timezone.utc)
        return in_utc.replace(tzinfo=None) if dialect.name == "sqlite" else in_utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=timezone.utc) if value.tzinfo is None else value.astimezone(timezone.utc)


class DurationColumn(TypeDecorator[timedelta]):
    """Microseconds."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: timedelta | None, dialect: Dialect) -> int | None:
        return None if value is None else value // _INSTANT

    def process_result_value(self, value: int | None, dialect: Dialect) -> timedelta | None:
        return None if value is None else value * _INSTANT
