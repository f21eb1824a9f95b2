"""The rules of the pretend cloud: what happens to machines when they are asked for, and as time goes by."""

from __future__ import annotations

import asyncio
import contextlib
import math
import secrets
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from jupyter_gpu_bridge.sandbox.clock import Clock, Reading, moment
from jupyter_gpu_bridge.sandbox.errors import No, bad, not_found
from jupyter_gpu_bridge.sandbox.faults import Fault, Faults, Kind
from jupyter_gpu_bridge.sandbox.fleet import Fleet
from jupyter_gpu_bridge.sandbox.machine.place import USER, Setup
from jupyter_gpu_bridge.sandbox.market import DISK_PRICE, ITEMS, STOCK, Item, Market
from jupyter_gpu_bridge.sandbox.records import Record, Status
from jupyter_gpu_bridge.sandbox.store import Store

_TICK = 0.1
"""Real seconds between two looks at the machines."""

_GRACE = 24 * 3600.0
"""A machine whose cloud is dead ends by itself so many real seconds after its limit, which may have been put off."""

_LONGEST = 30 * 24 * 3600.0


class Cloud:
    """All calls come from one event loop; what is not waited for in a call happens as a whole."""

    def __init__(self, folder: Path, boot_seconds: float, stock: int = STOCK, items: Sequence[Item] = ITEMS) -> None:
        self.store = Store(folder / "cloud.db")
        said = self.store.fact("clock")
        self.clock = Clock(Reading(**said) if said else None)
        self.faults = Faults(self.store.fact("faults"))
        self.market = Market(self.store.fact("pushes") or {}, items)
        self.address = ""
        self.off_price: Decimal | None = DISK_PRICE
        """Per hour, of a machine that is switched off; `None`: as one that runs."""
        self._folder = folder
        self._boot_seconds = boot_seconds
        self._stock = stock
        self._fleet = Fleet(folder)
        self._records = {record.machine_id: record for record in self.store.machines()}
        self._ends: dict[str, asyncio.Task[None]] = {}
        self._changed = asyncio.Event()
        """There is something to look at before the next tick."""

    # what is asked -------------------------------------------------------------------------------------------------

    def offers(self) -> list[dict[str, object]]:
        return self.market.offers(self.clock.now(), self._folder)

    def create(self, account: str, asked: dict[str, Any]) -> Record:
        """Raises `No` when there is nothing to be had."""
        now = self.clock.now()
        item, price = self._ordered(asked, now)
        record = self._written(account, item, price, asked, now)
        record.bill_from(now, record.billed_price)
        self._save(record)
        self._changed.set()
        return record

    def shown(self, account: str) -> Sequence[Record]:
        now = self.clock.now()
        for each in self._of(account):
            self._look(each)
        return [each for each in self._of(account) if each.is_there and each.listed_from <= now]

    def get(self, account: str, machine_id: str) -> Record:
        """Raises `No`."""
        record = self._there(account, machine_id)
        self._look(record)
        if record.readable_from > self.clock.now():
            raise not_found(machine_id)
        return record

    async def destroy(self, account: str, machine_id: str, reason: str, *, takes: float = 0.0) -> None:
        """Returns when it is gone, but for a cloud that is slow (`takes` seconds); raises `No`."""
        record = self._there(account, machine_id)
        if record.status is Status.DELETING:
            return
        fault = self.strikes(Kind.SLOW_DESTROY, record)
        seconds = fault.value if fault else takes
        await self._take(record, reason, self.clock.now() + seconds, waits=not seconds and fault is None)

    async def stop(self, account: str, machine_id: str) -> None:
        record = self._there(account, machine_id)
        if record.status not in (Status.ACTIVE, Status.PROVISIONING):
            raise No(409, "wrong_state", f"The machine is {record.status.value}.")
        self._switch_off(record, "Stopped through the API.")
        await asyncio.shield(self._spawn_end(record, keep_disk=True))

    def put_off(self, account: str, machine_id: str, limit_seconds: int) -> None:
        """Its time limit from now on, counted from its creation."""
        record = self._there(account, machine_id)
        record.limit_seconds = limit_seconds
        self._save(record)

    def start(self, account: str, machine_id: str) -> None:
        record = self._there(account, machine_id)
        if record.status is not Status.OFF:
            raise No(409, "wrong_state", f"The machine is {record.status.value}.")
        self._boot_again(record)

    def billing(self, account: str) -> list[dict[str, object]]:
        """Also of machines that are gone."""
        now = self.clock.now()
        return [
            {
                "machine_id": each.machine_id,
                "name": each.name,
                "seconds": each.billed_seconds(now),
                "amount": str(each.billed(now)),
                "is_billed": bool(each.segments) and each.segments[-1].end is None,
            }
            for each in self._of(account)
        ]

    def console(self, account: str, machine_id: str) -> str:
        """The last of what its start script said."""
        record = self._there(account, machine_id)
        with contextlib.suppress(OSError):
            return self._fleet.place(record.machine_id).console.read_text(errors="replace")[-65536:]
        return ""

    def find_key(self, key: str) -> Record | None:
        """The machine whose own key it is."""
        return next((each for each in self._records.values() if is_same(each.key, key)), None)

    # what tests ask ------------------------------------------------------------------------------------------------

    def all(self) -> Sequence[Record]:
        return list(self._records.values())

    def folder_of(self, record: Record) -> Path:
        return self._fleet.place(record.machine_id).folder

    def strikes(self, kind: Kind, record: Record | None = None, *, verb: str = "", name: str = "") -> Fault | None:
        names = (name,) if record is None else (record.machine_id, record.name)
        fault = self.faults.strikes(kind, self.clock.now(), verb=verb, names=names)
        if fault is not None:
            self.note()
        return fault

    def reclaim(self, machine_id: str, notice: float) -> None:
        """The cloud takes the machine back in so many seconds."""
        record = self._any(machine_id)
        record.reclaim_at = self.clock.now() + notice
        self._save(record)
        self._changed.set()

    def resurrect(self, machine_id: str) -> None:
        """A machine that was deleted is there again, with an empty disk, and billed."""
        record = self._any(machine_id)
        if record.is_there:
            raise bad("The machine is not deleted.")
        record.ended, record.end_reason, record.delete_at, record.reclaim_at = None, "", None, None
        record.limit_seconds = None
        self._boot_again(record)

    def raise_price(self, machine_id: str, times: float) -> None:
        """Of a machine that somebody has: from now on it is billed so many times what it was."""
        record = self._any(machine_id)
        record.billed_price = str(Decimal(record.billed_price) * Decimal(str(times)))
        if record.is_there and record.status is not Status.OFF:
            record.bill_from(self.clock.now(), record.billed_price)
        self._save(record)

    def charge(self, machine_id: str, amount: float) -> None:
        """What no price per hour says, as for traffic."""
        record = self._any(machine_id)
        record.fees = str(Decimal(record.fees) + Decimal(str(amount)))
        self._save(record)

    def let_in(self, record: Record, public_key: str) -> None:
        """One more line of authorized_keys, also of a machine that runs."""
        record.public_key = f"{record.public_key}\n{public_key}".strip()
        self._save(record)
        self._fleet.place(record.machine_id).let_in(record.public_key)

    def note(self) -> None:
        """Write down what belongs to no machine."""
        self.store.note("faults", self.faults.plain())
        self.store.note("pushes", self.market.pushes)
        reading = self.clock.reading()
        self.store.note("clock", {"virtual": reading.virtual, "wall": reading.wall, "rate": reading.rate})
        self._changed.set()

    # time goes by --------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until it is cancelled: what is due is done."""
        for record in self.all():
            if record.status is Status.OFF:  # the cloud may have been killed while it was switched off
                self._spawn_end(record, keep_disk=True)
        while True:
            self._changed.clear()
            for record in self.all():
                self._look(record)
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._changed.wait(), _TICK)

    async def catch_up(self) -> None:
        """All that is due now has been done, to its end."""
        for record in self.all():
            self._look(record)
        await asyncio.gather(*self._ends.values())

    async def end_all(self) -> None:
        """Every machine of every account."""
        for record in self.all():
            if record.is_there:
                await self._take(record, "The sandbox was closed.", self.clock.now(), waits=True)

    def _look(self, record: Record) -> None:
        if not record.is_there or record.machine_id in self._ends:
            return
        now = self.clock.now()
        if record.status is Status.DELETING:
            if record.delete_at is not None and record.delete_at <= now:
                self._end(record)
            return
        for due, reason in ((record.limit_at, "limit"), (record.reclaim_at, "reclaimed")):
            if due is not None and due <= now:
                record.status, record.delete_at, record.end_reason = Status.DELETING, due, reason
                self._save(record)
                self._end(record)
                return
        if record.status is Status.PROVISIONING and record.boot_at is not None and record.boot_at <= now:
            self._boot(record)
        if record.status is Status.ACTIVE:
            self._listen(record)

    def _boot(self, record: Record) -> None:
        record.status = Status.ACTIVE
        record.boot_at = None
        port, record.pid, record.port = record.port, 0, 0
        self._save(record)
        try:
            self._fleet.start(self._setup(record, port))
        except OSError as error:
            self._switch_off(record, f"It could not be started ({error.strerror}).")

    def _setup(self, record: Record, port: int) -> Setup:
        left = _LONGEST if record.limit_at is None else record.limit_at - self.clock.now()
        return Setup(
            machine_id=record.machine_id,
            mark=record.mark,
            public_key=record.public_key,
            start_script=record.start_script,
            environment=record.environment,
            login=record.login or USER,
            api=self.address,
            key=record.key,
            port=port,
            has_ssh=record.has_ssh,
            has_python=record.has_python,
            longest=min(left + _GRACE, _LONGEST),
        )

    def _listen(self, record: Record) -> None:
        news = self._fleet.heard(record.machine_id)
        if (news.pid, news.port, news.detail) != (record.pid, record.port, record.detail) and news.phase != "off":
            record.pid, record.port, record.detail = news.pid, news.port, news.detail
            self._save(record)
        if self._fleet.lives(record.machine_id, record.mark, record.pid):
            return
        news = self._fleet.heard(record.machine_id)
        if news.phase == "new" and not self._fleet.has_started(record.machine_id):
            self._boot(record)  # the cloud was killed in the instant before
            return
        self._switch_off(record, news.detail if news.phase == "off" else "Its process has ended.")
        self._spawn_end(record, keep_disk=True)

    def _switch_off(self, record: Record, detail: str) -> None:
        record.status, record.detail, record.boot_at = Status.OFF, detail, None
        price = record.billed_price if self.off_price is None else str(self.off_price)
        record.bill_from(self.clock.now(), price)
        self._save(record)

    def _boot_again(self, record: Record) -> None:
        now = self.clock.now()
        record.status, record.detail, record.boot_at = Status.PROVISIONING, "", now + self._boot_seconds
        record.bill_from(now, record.billed_price)
        self._save(record)
        self._changed.set()

    # the end of a machine ------------------------------------------------------------------------------------------

    async def _take(self, record: Record, reason: str, when: float, *, waits: bool) -> None:
        record.status, record.delete_at, record.end_reason = Status.DELETING, when, reason
        self._save(record)
        self._changed.set()
        while waits and record.is_there:
            self._end(record)
            await asyncio.shield(self._ends[record.machine_id])

    def _end(self, record: Record) -> None:
        if record.machine_id not in self._ends:
            record.bill_to(record.delete_at or self.clock.now())
            self._save(record)
            self._spawn_end(record)

    def _spawn_end(self, record: Record, *, keep_disk: bool = False) -> asyncio.Task[None]:
        """It goes on whoever waits for it; `catch_up` and `end_all` wait for all."""
        task = asyncio.create_task(self._really_end(record, keep_disk))
        self._ends[record.machine_id] = task
        task.add_done_callback(lambda _: self._ends.pop(record.machine_id, None))
        return task

    async def _really_end(self, record: Record, keep_disk: bool) -> None:
        await asyncio.to_thread(self._fleet.end, record.machine_id, record.mark, record.pid, keep_disk=keep_disk)
        if keep_disk:
            return
        record.status, record.ended = Status.DELETED, record.delete_at
        record.pid = record.port = 0
        record.start_script = ""  # it holds a private key
        self._save(record)

    # what is written -----------------------------------------------------------------------------------------------

    def _ordered(self, asked: dict[str, Any], now: float) -> tuple[Item, Decimal]:
        item = self.market.find(str(asked.get("offer_id")))
        if item is None:
            raise No(404, "no_such_offer", f"There is no offer {asked.get('offer_id')!r}.")
        try:
            price = Decimal(str(asked["price"])) if "price" in asked else self.market.price(item, now)
        except InvalidOperation:
            raise bad("The price is no number.") from None
        if self.strikes(Kind.PRICE_CHANGED, verb="create", name=str(asked.get("name"))):
            self.market.push(item.offer_id)
            self.note()
        if not self.market.takes(item, price, now):
            raise No(409, "price_changed", f"The offer costs {self.market.price(item, now)} now.")
        full = sum(each.is_there for each in self._records.values()) >= self._stock
        if full or self.strikes(Kind.NO_CAPACITY, verb="create", name=str(asked.get("name"))):
            raise No(409, "no_capacity", "The offer is taken.")
        return item, price

    def _written(self, account: str, item: Item, price: Decimal, asked: dict[str, Any], now: float) -> Record:
        name = str(asked.get("name") or "")

        def strikes(kind: Kind) -> Fault | None:
            return self.strikes(kind, verb="create", name=name)

        slow = strikes(Kind.SLOW_BOOT)
        double = strikes(Kind.DOUBLE_BILLING)
        unlisted = strikes(Kind.LISTING_LAG)
        unread = strikes(Kind.GET_LAG)
        wait = self._boot_seconds + (slow.value if slow else 0.0)
        lag = now + (unlisted.value if unlisted else 0.0)
        return Record(
            machine_id=str(asked.get("machine_id") or f"m-{secrets.token_hex(6)}"),
            account=account,
            name=name,
            offer_id=item.offer_id,
            gpu=item.gpu,
            region=item.region,
            host=item.host,
            is_spot=item.is_spot,
            price=str(price),
            billed_price=str(price * Decimal(str(double.value)) if double else price),
            public_key=str(asked.get("public_key") or ""),
            start_script=str(asked.get("start_script") or ""),
            environment=dict(asked.get("environment") or {}),
            login=str(asked.get("login") or USER),
            limit_seconds=asked.get("limit_seconds"),
            key=f"mk-{secrets.token_urlsafe(24)}",
            mark=secrets.token_hex(16),
            created=now,
            boot_at=None if strikes(Kind.NEVER_BOOTS) else now + wait,
            has_ssh=strikes(Kind.NO_SSH) is None,
            has_python=strikes(Kind.NO_PYTHON) is None,
            listed_from=lag,
            readable_from=max(lag, now + (unread.value if unread else 0.0)),
        )

    def _of(self, account: str) -> Sequence[Record]:
        return [each for each in self._records.values() if each.account == account]

    def _there(self, account: str, machine_id: str) -> Record:
        """Raises `No` also for what is there and not to be seen yet."""
        record = self._records.get(machine_id)
        if record is None or record.account != account or not record.is_there:
            raise not_found(machine_id)
        if record.listed_from > self.clock.now():
            raise not_found(machine_id)
        return record

    def _any(self, machine_id: str) -> Record:
        for record in self._records.values():
            if machine_id in (record.machine_id, record.name):
                return record
        raise not_found(machine_id)

    def _save(self, record: Record) -> None:
        self._records[record.machine_id] = record
        self.store.save(record)


def is_same(one: str, other: str) -> bool:
    """Whether two keys are the same; takes equally long when they are not."""
    return secrets.compare_digest(one.encode(), other.encode())


def shown(record: Record) -> dict[str, object]:
    """One machine as the API shows it."""
    is_up = record.status is Status.ACTIVE and record.port > 0
    return {
        "id": record.machine_id,
        "name": record.name,
        "status": record.status.value,
        "detail": record.detail,
        "offer_id": record.offer_id,
        "gpu": record.gpu,
        "region": record.region,
        "host": record.host,
        "spot": record.is_spot,
        "price_per_hour": str(DISK_PRICE) if record.status is Status.OFF else record.billed_price,
        "billed": bool(record.segments) and record.segments[-1].end is None,
        "created_at": moment(record.created),
        "limit_at": None if record.limit_at is None or math.isinf(record.limit_at) else moment(record.limit_at),
        "reclaim_at": None if record.reclaim_at is None else moment(record.reclaim_at),
        "ssh": {"host": "127.0.0.1", "port": record.port, "user": record.login or USER} if is_up else None,
        "pretend": True,
    }
