"""Attempts: written down before anything is sent, and followed until they are certainly gone."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import IntegrityError

from jupyter_gpu_bridge.db import SCHEMA, read_version, tables
from jupyter_gpu_bridge.errors import AccountUnclear, AttemptUnderWay, BadRequest, LedgerBroken, RentalEnded
from jupyter_gpu_bridge.model import AttemptId, Money, Offer, Ref, Rental, RentalState, Wish, WishId
from jupyter_gpu_bridge.rentals.ledger.accrual import strike
from jupyter_gpu_bridge.rentals.ledger.chapter import Chapter
from jupyter_gpu_bridge.rentals.ledger.facts import Facts, changes_of
from jupyter_gpu_bridge.rentals.ledger.history import write_event
from jupyter_gpu_bridge.rentals.ledger.limits import Limits, require_longer_within, require_within
from jupyter_gpu_bridge.rentals.ledger.registry import read_rental
from jupyter_gpu_bridge.rentals.ledger.rows import offer_text, rental_of
from jupyter_gpu_bridge.rentals.ledger.spending import read_spending
from jupyter_gpu_bridge.rentals.ledger.steps import WITHOUT_MACHINE, require_step, sentence
from jupyter_gpu_bridge.rentals.ledger.wishes import read_wish

if TYPE_CHECKING:
    from typing_extensions import Unpack

_T = tables.rentals

_NOTHING_SENT = "Nothing new was rented."


class Attempts(Chapter):
    @property
    def is_newer(self) -> bool:
        """Newer code had changed the tables before we came: all can be read and ended here, and nothing new rented."""
        return self._version > SCHEMA

    def intend(
        self,
        wish_id: WishId,
        offer: Offer,
        account: str,
        *,
        attempt_id: AttemptId,
        name: str,
        price: Money,
        cap: Money | None,
        worst_case: Money,
        deadline: datetime,
        host_key: str,
        limits: Limits,
        now: datetime,
    ) -> Rental:
        """Write down that this offer is about to be rented; only then may the request be sent.

        Raises `RentalUnknown`, `RentalEnded` when the wish is closed, `AttemptUnderWay` while another attempt of it is
        not gone, `AccountUnclear`, `OverBudget`, and `LedgerBroken`.
        """
        with self._database.writing() as connection:
            self._require_known_tables(connection)
            _require_open(read_wish(connection, wish_id))
            _require_no_other(connection, wish_id)
            _require_clear(connection, offer.provider, account)
            spending = read_spending(connection, now, is_pretend=offer.is_pretend)
            require_within(limits, spending, price, worst_case)
            row = insert(_T).values(
                attempt_id=attempt_id,
                wish_id=wish_id,
                state=RentalState.INTENT.value,
                provider=offer.provider,
                account=account,
                offer=offer_text(offer),
                is_pretend=offer.is_pretend,
                name=name,
                price=price,
                cap=cap,
                worst_case=worst_case,
                accrued=Money(),
                deadline=deadline,
                written=now,
                address="",
                port=22,
                login="",
                host_key=host_key,
                reason="",
            )
            try:
                connection.execute(row)
            except IntegrityError:
                raise AttemptUnderWay(
                    f"The attempt {attempt_id[:8]}, its name, or another one for the same wish is written already.",
                    billing=_NOTHING_SENT,
                ) from None
            write_event(connection, wish_id, attempt_id, "state", sentence(None, RentalState.INTENT, ""), now)
            return read_rental(connection, attempt_id)

    def advance(
        self,
        attempt_id: AttemptId,
        to: RentalState,
        *,
        now: datetime,
        reason: str = "",
        gone: datetime | None = None,
        **facts: Unpack[Facts],
    ) -> Rental:
        """The next state, or the same one with more facts; `gone`: since when, where the provider says it.

        Adds no cost: `accrue` up to the end that is right, before or after. One that never was a machine has cost
        nothing. Raises `RentalUnknown`, `RentalEnded`, `BadRequest`, `HostKeyChanged`.
        """
        with self._database.writing() as connection:
            before = read_rental(connection, attempt_id)
            require_step(before, to)
            changes = changes_of(before, facts) | _reason(before, to, reason)
            if to is not before.state:
                changes |= {"state": to.value} | _times(before, to, now, gone)
                write_event(connection, before.wish_id, attempt_id, "state", sentence(before.state, to, reason), now)
                if to is RentalState.GONE and before.state in WITHOUT_MACHINE:
                    strike(connection, attempt_id)
            return _change(connection, attempt_id, changes)

    def extend(self, attempt_id: AttemptId, deadline: datetime, limits: Limits, now: datetime) -> Rental:
        """A later deadline, when the limits allow what it can come to then.

        Raises `RentalUnknown`, `RentalEnded` when it is being ended, and `OverBudget`, after which nothing has changed.
        """
        with self._database.writing() as connection:
            before = read_rental(connection, attempt_id)
            if before.state in (RentalState.RELEASING, RentalState.GONE):
                require_step(before, RentalState.IN_USE)
            rental = _change(connection, attempt_id, changes_of(before, {"deadline": deadline}))
            if rental.worst_case > before.worst_case:
                spending = read_spending(connection, now, is_pretend=rental.offer.is_pretend)
                require_longer_within(limits, spending, rental.worst_case, f"{before.deadline:%Y-%m-%d %H:%M} UTC")
            text = f"It ends at {deadline:%Y-%m-%d %H:%M} UTC now, and can come to {rental.worst_case}."
            write_event(connection, rental.wish_id, attempt_id, "extended", text, now)
            return rental

    def learn(self, attempt_id: AttemptId, **facts: Unpack[Facts]) -> Rental:
        """Facts alone, whatever the state is. Raises `RentalUnknown`, `BadRequest`, `HostKeyChanged`."""
        with self._database.writing() as connection:
            return _change(connection, attempt_id, changes_of(read_rental(connection, attempt_id), facts))

    def resurrect(self, attempt_id: AttemptId, now: datetime, reason: str, ref: Ref | None = None) -> Rental:
        """The provider has brought a machine back that was gone: it is to be ended again, and has cost all the while.

        It stands in the way of no other attempt of its wish. `ref`: where none was known. Raises `RentalUnknown`, and
        `BadRequest` when it is not gone.
        """
        with self._database.writing() as connection:
            before = read_rental(connection, attempt_id)
            if before.state is not RentalState.GONE:
                raise BadRequest(f"The rental {attempt_id[:8]} is not gone.", billing="It may be billed.")
            text = f"The machine is back, although it was gone, and is being ended again. {reason}".strip()
            write_event(connection, before.wish_id, attempt_id, "warning", text, now)
            state = RentalState.RELEASING.value
            times: dict[str, object] = {
                "requested": before.requested or before.written,  # so it was sent, whatever was thought
                "created": before.created or now,
                "ref": before.ref or ref,
                "gone": None,
                "resurrected": now,
            }
            return _change(connection, attempt_id, times | {"state": state, "reason": reason})

    def _require_known_tables(self, connection: Connection) -> None:
        """Asked each time: newer code may have come while we were here."""
        if (read_version(connection) or SCHEMA) > SCHEMA:
            raise LedgerBroken(
                f"The ledger ({self._database.place}) was written by a newer version of jupyter-gpu-bridge.",
                billing="Nothing new was rented; what is rented can be seen and ended here.",
                advice="pip install --upgrade jupyter-gpu-bridge",
            )


def _require_open(wish: Wish) -> None:
    if not wish.is_open:
        raise RentalEnded(f"This order is closed. {wish.closed_because}".strip(), billing=_NOTHING_SENT)


def _require_no_other(connection: Connection, wish_id: WishId) -> None:
    query = select(_T).where(_T.c.wish_id == wish_id, _T.c.state != RentalState.GONE.value, _T.c.resurrected.is_(None))
    row = connection.execute(query).first()
    if row is None:
        return
    other = rental_of(row)
    if other.state in (RentalState.UNKNOWN, RentalState.REQUESTED):
        raise AttemptUnderWay(
            f"It is not known yet whether {other.provider} has rented a machine for this order ({other.name}).",
            billing=f"If it has, that machine costs {other.price} per hour. {_NOTHING_SENT}",
            advice="It is being looked for; wait until it is found or certainly not there.",
        )
    raise AttemptUnderWay(
        f"For this order there is a machine already, or one is being made or ended: {other.name} at {other.provider}.",
        billing=f"It costs {other.price} per hour. {_NOTHING_SENT}",
        advice="Use that one, or wait until it is gone.",
    )


def _require_clear(connection: Connection, provider: str, account: str) -> None:
    """A provider that does not say what it has done is asked for nothing more, until that is known."""
    query = select(_T).where(
        _T.c.provider == provider, _T.c.account == account, _T.c.state == RentalState.UNKNOWN.value
    )
    row = connection.execute(query).first()
    if row is not None:
        other = rental_of(row)
        raise AccountUnclear(
            f"It is not known yet whether {provider} has rented a machine for another order ({other.name}).",
            billing=f"If it has, that machine costs {other.price} per hour. {_NOTHING_SENT}",
            advice="It is being looked for; until then nothing more is rented there.",
            details={"wish": other.wish_id},
        )


def _reason(before: Rental, to: RentalState, reason: str) -> dict[str, object]:
    """Why it ends stays, and the first reason counts; why it was unclear is over when it is clear."""
    if to is before.state:
        return {"reason": before.reason or reason}
    ending = to in (RentalState.RELEASING, RentalState.GONE)
    return {"reason": reason or (before.reason if ending else "")}


def _times(before: Rental, to: RentalState, now: datetime, gone: datetime | None) -> dict[str, object]:
    if to is RentalState.REQUESTED:
        return {"requested": now}
    if to is RentalState.CREATED:
        return {"created": now}
    if to is RentalState.GONE:
        return {"gone": now if gone is None else min(gone, now)}
    return {}


def _change(connection: Connection, attempt_id: AttemptId, changes: dict[str, object]) -> Rental:
    if changes:
        connection.execute(update(_T).where(_T.c.attempt_id == attempt_id).values(changes))
    return read_rental(connection, attempt_id)
