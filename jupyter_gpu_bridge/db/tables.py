"""The tables of the ledger and of the market. They bear their names: a team's database may hold other things as well.

With `indexes`, it is what `migrations` makes; a test compares the two.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    ForeignKey,
    Integer,
    MetaData,
    Table,
)

from jupyter_gpu_bridge.db.types import DurationColumn, MoneyColumn, TextColumn, TimeColumn

metadata = MetaData()

_COUNTER = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts only what it calls INTEGER

wishes = Table(
    "ledger_wishes",
    metadata,
    Column("wish_id", TextColumn, primary_key=True),
    Column("key", TextColumn, nullable=False),
    Column("wanted", TextColumn, nullable=False),  # the order, as JSON
    Column("asked", TimeColumn, nullable=False),
    Column("asked_by", TextColumn, nullable=False),
    Column("installation", TextColumn, nullable=False),
    Column("closed", TimeColumn),
    Column("closed_because", TextColumn, nullable=False),
)

rentals = Table(
    "ledger_rentals",
    metadata,
    Column("attempt_id", TextColumn, primary_key=True),
    Column("wish_id", TextColumn, ForeignKey("ledger_wishes.wish_id"), nullable=False),
    Column("state", TextColumn, nullable=False),
    Column("provider", TextColumn, nullable=False),
    Column("account", TextColumn, nullable=False),
    Column("offer", TextColumn, nullable=False),  # as JSON
    Column("is_pretend", Boolean, nullable=False),
    Column("name", TextColumn, nullable=False),
    Column("price", MoneyColumn, nullable=False),
    Column("cap", MoneyColumn),
    Column("worst_case", MoneyColumn, nullable=False),
    Column("accrued", MoneyColumn, nullable=False),
    Column("deadline", TimeColumn, nullable=False),
    Column("written", TimeColumn, nullable=False),
    Column("requested", TimeColumn),
    Column("created", TimeColumn),
    Column("accrued_until", TimeColumn),
    Column("gone", TimeColumn),
    Column("resurrected", TimeColumn),
    Column("ref", TextColumn),
    Column("address", TextColumn, nullable=False),
    Column("port", Integer, nullable=False),
    Column("login", TextColumn, nullable=False),
    Column("host_key", TextColumn, nullable=False),
    Column("lease_until", TimeColumn),
    Column("reason", TextColumn, nullable=False),
)


days = Table(
    "ledger_days",
    metadata,
    Column("attempt_id", TextColumn, ForeignKey("ledger_rentals.attempt_id"), primary_key=True),
    Column("day", Date, primary_key=True),  # in UTC
    Column("cost", MoneyColumn, nullable=False),
)

events = Table(
    "ledger_events",
    metadata,
    Column("number", _COUNTER, primary_key=True, autoincrement=True),
    Column("at", TimeColumn, nullable=False),
    Column("wish_id", TextColumn, ForeignKey("ledger_wishes.wish_id"), nullable=False),
    Column("attempt_id", TextColumn, ForeignKey("ledger_rentals.attempt_id")),
    Column("kind", TextColumn, nullable=False),
    Column("text", TextColumn, nullable=False),
)

stages = Table(
    "ledger_stages",
    metadata,
    Column("number", _COUNTER, primary_key=True, autoincrement=True),
    Column("attempt_id", TextColumn, ForeignKey("ledger_rentals.attempt_id"), nullable=False),
    Column("name", TextColumn, nullable=False),
    Column("took", DurationColumn, nullable=False),
    Column("provider", TextColumn, nullable=False),
    Column("gpu", TextColumn, nullable=False),
)

hosts = Table(
    "ledger_hosts",
    metadata,
    Column("provider", TextColumn, primary_key=True),
    Column("host", TextColumn, primary_key=True),
    Column("until", TimeColumn, nullable=False),
    Column("why", TextColumn, nullable=False),
)

locks = Table(
    "ledger_locks",
    metadata,
    Column("name", TextColumn, primary_key=True),
    Column("owner", TextColumn, nullable=False),
    Column("heartbeat", TimeColumn, nullable=False),
    Column("until", TimeColumn, nullable=False),
)

looks = Table(
    "market_looks",
    metadata,
    Column("provider", TextColumn, primary_key=True),
    Column("is_spot", Boolean, primary_key=True),  # it was asked for what is spot, or for what is not
    Column("since", TimeColumn, primary_key=True),
    Column("until", TimeColumn, nullable=False),  # prolonged by each look that comes soon enough
)

prices = Table(
    "market_prices",
    metadata,
    Column("provider", TextColumn, primary_key=True),
    Column("gpu", TextColumn, primary_key=True),
    Column("is_spot", Boolean, primary_key=True),
    Column("at", TimeColumn, primary_key=True),
    Column("low", MoneyColumn),  # of each GPU, per hour; nothing where nothing is offered any more
    Column("median", MoneyColumn),
    Column("high", MoneyColumn),
    Column("offers", Integer, nullable=False),
    Column("is_pretend", Boolean, nullable=False),
)

outcomes = Table(
    "market_outcomes",
    metadata,
    Column("number", _COUNTER, primary_key=True, autoincrement=True),
    Column("at", TimeColumn, nullable=False),
    Column("provider", TextColumn, nullable=False),
    Column("host", TextColumn, nullable=False),  # empty where the provider does not say which
    Column("gpu", TextColumn, nullable=False),
    Column("attempt_id", TextColumn, ForeignKey("ledger_rentals.attempt_id"), nullable=False),
    Column("what", TextColumn, nullable=False),
    Column("why", TextColumn, nullable=False),
)

gpu_checks = Table(
    "market_gpu_checks",
    metadata,
    Column("number", _COUNTER, primary_key=True, autoincrement=True),
    Column("at", TimeColumn, nullable=False),  # the same for all GPUs of one check
    Column("provider", TextColumn, nullable=False),
    Column("host", TextColumn, nullable=False),
    Column("gpu", TextColumn, nullable=False),  # as it was offered
    Column("attempt_id", TextColumn, ForeignKey("ledger_rentals.attempt_id"), nullable=False),
    Column("device", Integer, nullable=False),
    Column("name", TextColumn, nullable=False),  # as its driver says
    Column("memory_mib", BigInteger),
    Column("is_another", Boolean, nullable=False),
    Column("mb_per_second", BigInteger, nullable=False),
    Column("mb_per_second_claimed", BigInteger),
    Column("gflops", BigInteger, nullable=False),
    Column("gflops_claimed", BigInteger),
    Column("format", TextColumn, nullable=False),
    Column("torch", TextColumn, nullable=False),
)
