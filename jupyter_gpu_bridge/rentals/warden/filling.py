"""Finds a machine for a wish: offer after offer, until one of them can be entered."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from jupyter_gpu_bridge import settings
from jupyter_gpu_bridge.durations import spoken
from jupyter_gpu_bridge.errors import (
    AccountUnclear,
    BridgeError,
    CloudError,
    KeptForDebugging,
    KeyRefused,
    LedgerBroken,
    NoCapacity,
    NothingFits,
    OrderRefused,
    Refused,
    RentalEnded,
    RentFailed,
    Unreachable,
)
from jupyter_gpu_bridge.machine.link.link import Link, Report
from jupyter_gpu_bridge.machine.link.stages import usually
from jupyter_gpu_bridge.machine.link.target import Target
from jupyter_gpu_bridge.market.search import search
from jupyter_gpu_bridge.marks import reached
from jupyter_gpu_bridge.model import (
    CONSOLE,
    Money,
    Offer,
    Order,
    Outcome,
    Provider,
    Rental,
    RentalState,
    Seen,
    Wish,
    WishId,
)
from jupyter_gpu_bridge.providers.clouds import Clouds, clouds_set_up
from jupyter_gpu_bridge.rentals import key_pairs
from jupyter_gpu_bridge.rentals.allowance import Allowance
from jupyter_gpu_bridge.rentals.attempt import Attempt, TooDear, until_running
from jupyter_gpu_bridge.rentals.book import Book
from jupyter_gpu_bridge.rentals.clock import Trust
from jupyter_gpu_bridge.rentals.experience import tell_outcome
from jupyter_gpu_bridge.rentals.last_lines import LastLines
from jupyter_gpu_bridge.rentals.ledger import Ledger
from jupyter_gpu_bridge.rentals.limits import user_limits
from jupyter_gpu_bridge.rentals.quote import Tries, without_avoided
from jupyter_gpu_bridge.rentals.release import look_for, release
from jupyter_gpu_bridge.rentals.standing import KEPT_FOR, TRIED
from jupyter_gpu_bridge.rentals.unguarded import without_unguarded
from jupyter_gpu_bridge.rentals.warden.absence import EndedAlone, ended_alone
from jupyter_gpu_bridge.rentals.warden.failing import BootFailed, MachineFailed, SetUpFailed, never_entered
from jupyter_gpu_bridge.rentals.warden.others import Others
from jupyter_gpu_bridge.rentals.warden.over_all import OverAll
from jupyter_gpu_bridge.rentals.warden.tending import TICK

T = TypeVar("T")

_AVOIDED_FOR = timedelta(hours=6)
_CLEAR_SOON = timedelta(seconds=2)


class Filling:
    def __init__(
        self,
        wish_id: WishId,
        book: Book,
        clouds: Clouds,
        link: Link,
        report: Report,
        cloud_of: Callable[[Rental], Awaitable[Provider]],
        others: Others,
    ) -> None:
        """`cloud_of`: the one of a rental, with the key of its account, once it can be asked."""
        self._others = others
        self._cloud_of = cloud_of
        self._wish_id = wish_id
        self._book = book
        self._clouds = clouds
        self._link = link
        self._report = report

    @staticmethod
    def is_settled(rental: Rental) -> bool:
        """There is a machine that was entered before; no more is asked but to find it again."""
        return rental.state in (RentalState.REACHABLE, RentalState.IN_USE)

    async def machine(self) -> tuple[Rental, Target]:
        """Raises why there is none; nothing is left of what was tried."""
        wish = await self._book.wish(self._wish_id)
        left = await self._book.live(self._wish_id)
        if left is not None:
            taken_up = await self._take_up(wish, left)
            if taken_up is not None:
                return taken_up
        while True:
            try:
                return await self._first_of_all(wish)
            except AccountUnclear as error:
                await self._wait_for_clarity(error)

    async def _first_of_all(self, wish: Wish) -> tuple[Rental, Target]:
        """Raises `RentFailed`, or `AccountUnclear` where something is left to be tried as soon as that is known."""
        await self._stage("searching", "looking for offers")
        places: Sequence[str] = wish.order.need.providers or await asyncio.to_thread(clouds_set_up)
        first = await self._offered(wish.order, places)
        reached("searched")
        offers = await self._usable(first, wish.order)
        failures: list[str] = []
        console = ""
        unclear: AccountUnclear | None = None
        why = ""
        tries = Tries(offers, wish.order.need)
        hopeless: dict[str, str] = {}
        """Providers that take this order for nothing they have, and what can be done about it."""
        while (offer := tries.next([each for each in offers if each.provider not in hopeless])) is not None:
            try:
                found = await self._try(wish, offer, why)
                if failures:
                    await self._stage(TRIED, f"{len(failures)} before it came to nothing: {'; '.join(failures)}")
                return found
            except (NoCapacity, Refused, KeyRefused, RentFailed) as error:
                failures.append(why := f"{error.what.rstrip('.')} at {offer.provider}")
                console = error.details.get(CONSOLE, console)
                if isinstance(error, OrderRefused):
                    hopeless[offer.provider] = error.advice
            except AccountUnclear as error:
                unclear, why = error, error.what.rstrip(".")
            with contextlib.suppress(NothingFits):  # what was offered before is better than nothing
                offers = await self._usable(await self._offered(wish.order, places), wish.order)
        if unclear is not None:
            raise unclear
        raise RentFailed(
            f"Tried {len(failures)} of {len(first)} offers: {'; '.join(failures) or 'all hosts failed before'}.",
            advice=" ".join(filter(None, hopeless.values())) or _advice(wish, first),
            billing=await self._told_spent(),
            details=_details(console),
        )

    async def _offered(self, order: Order, places: Sequence[str]) -> Sequence[Offer]:
        """What can be had now, by somebody who knows what he has already: before each attempt. Raises `NothingFits`."""
        found, _ = await asyncio.gather(
            search(order.full_need, self._clouds, ranking=order.ranking), self._others.compare(places)
        )
        return found.offers

    async def _usable(self, offers: Sequence[Offer], order: Order) -> Sequence[Offer]:
        """As they were quoted."""
        return await without_unguarded(await without_avoided(offers, self._book), order, self._clouds)

    async def _try(self, wish: Wish, offer: Offer, why: str) -> tuple[Rental, Target]:
        """Raises `RentFailed` also where the order leaves nothing for it. `why`: what became of the one before it."""
        cloud = self._clouds.get(offer.provider)
        account = await self._clouds.account(offer.provider)
        began = self._book.clock.now()
        allowance = Allowance.of(wish.order, await self._book.read(Ledger.of_wish, wish.wish_id), began)
        why_not = allowance.forbids(offer.price)
        if why_not:
            raise RentFailed(f"{offer.title} not tried, since {why_not}")
        doing = f"{why}; " if why else ""
        doing += f"renting {offer.title} at {cloud.traits.title} for {offer.price} per hour"
        bill = f", at most {allowance.in_all(offer.price)} in all"
        if offer.lasts is not None and offer.ends_within(allowance.lasts(offer.price)):
            bill += f", to be had for {spoken(offer.lasts)} only"
        await self._stage("renting", doing + bill + await self._usually("renting", offer))
        rental = await Attempt(wish, offer, allowance, cloud, account, self._book, user_limits()).request()
        await self._took("renting", rental, began)
        return await self._settle(wish, rental)

    async def _wait_for_clarity(self, error: AccountUnclear) -> None:
        """By whoever looks after the other wish; should nobody do that any more, somebody does from now on."""
        await self._stage("renting", error.what)
        await self._others.wake(WishId(str(error.details["wish"])))
        await self._book.clock.sleep(_CLEAR_SOON)

    async def _take_up(self, wish: Wish, rental: Rental) -> tuple[Rental, Target] | None:
        """What a killed warden of this wish has left."""
        if self.is_settled(rental):
            await self._require_there(wish, rental)
            return rental, self._target(wish, rental)
        if rental.is_kept:
            raise self._kept(rental)
        cloud = await self._cloud_of(rental)
        if rental.state is not RentalState.RELEASING:
            found = rental if rental.state is RentalState.CREATED else await look_for(rental, cloud, self._book)
            if found is None:
                return None
            if (ended := await self._ended_alone(wish, found)) is not None:
                await release(found, cloud, self._book, ended.because, ended=ended.at)
                await self._stage("searching", f"{ended.because.rstrip('.')}: looking for another")
                return None
            try:
                return await self._settle(wish, found)
            except RentFailed as error:
                await self._stage("searching", f"{error.what}: looking for another")
                return None
        await release(rental, cloud, self._book, "Its request was interrupted.")
        return None

    async def _require_there(self, wish: Wish, rental: Rental) -> None:
        """Nobody has looked after it for a while, and it may have ended itself. Raises `RentalEnded`."""
        if (ended := await self._ended_alone(wish, rental)) is not None:
            cloud = await self._cloud_of(rental)
            rental = await release(rental, cloud, self._book, ended.because, ended=ended.at)
            await tell_outcome(self._book, rental, Outcome.ENDED_ALONE, ended.because)
            raise RentalEnded(ended.because, billing=f"It has cost {await self._spent()} at the most.")

    async def _ended_alone(self, wish: Wish, rental: Rental) -> EndedAlone | None:
        """What its provider does not say now is asked again: until then it is looked after."""
        try:
            return await ended_alone(rental, wish.order, await self._clouds.of(rental), self._book.clock)
        except CloudError:
            return None

    async def _settle(self, wish: Wish, rental: Rental) -> tuple[Rental, Target]:
        """From created to entered. What cannot be is ended before anything else is tried."""
        cloud = await self._cloud_of(rental)
        reached("created")
        try:
            return await self._within_limits(wish, rental, self._boot_and_enter(wish, rental, cloud))
        except RentFailed as error:
            if rental.offer.host and isinstance(error, MachineFailed):  # a limit that came first is no fault of a host
                until = self._book.clock.now() + _AVOIDED_FOR
                await self._book.read(Ledger.avoid, rental.provider, rental.offer.host, until, error.what)
            reached("failed")
            rental = await self._book.rental(rental.attempt_id)
            lines = LastLines(cloud, self._book)
            if wish.order.keeps_failed and isinstance(error, SetUpFailed):
                kept = await self._keep(rental, error)
                await lines.keep(rental)
                await self._tell(rental, error, wish.order)
                raise kept from error
            asked = lines if isinstance(error, MachineFailed) else None
            await release(rental, cloud, self._book, error.what, last_lines=asked)
            await self._tell(rental, error, wish.order)
            raise RentFailed(f"{error.what}, destroyed", details=_details(lines.text)) from error

    async def _boot_and_enter(self, wish: Wish, rental: Rental, cloud: Provider) -> tuple[Rental, Target]:
        await self._stage("booting", f"the machine starts{await self._usually('booting', rental.offer)}")
        began = self._book.clock.now()
        try:
            agreed = wish.order.agreed_price
            seen = await until_running(rental, cloud, self._book, rental.created or began, agreed)
        except TooDear:
            raise
        except RentFailed as error:
            raise BootFailed(error.what) from error
        await self._took("booting", rental, began)
        reached("running")
        began = self._book.clock.now()
        await self._stage("connecting", f"entering the machine{await self._usually('connecting', rental.offer)}")
        rental, target = await self._enter(wish, rental, seen)
        await self._took("connecting", rental, began)
        await tell_outcome(self._book, rental, Outcome.ENTERED)
        return rental, target

    async def _within_limits(self, wish: Wish, rental: Rental, work: Coroutine[Any, Any, T]) -> T:
        """A machine costs from when it was asked for, also one that nobody can use yet. Raises `RentFailed`."""
        working = asyncio.ensure_future(work)
        watching = asyncio.ensure_future(self._until_limit(wish, rental))
        try:
            await asyncio.wait([working, watching], return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                raise RentFailed(watching.result())
            return working.result()
        finally:
            for task in (working, watching):
                task.cancel()
            await asyncio.gather(working, watching, return_exceptions=True)

    async def _until_limit(self, wish: Wish, rental: Rental) -> str:
        """Which one it was, as a phrase."""
        over_all = OverAll(self._book)
        while True:
            if self._book.clock.trust is Trust.NONE:  # its cloud is asked, and says what time it is
                await self._book.clock.sleep(TICK)
                continue
            with contextlib.suppress(LedgerBroken):
                rental = await self._book.accrue(rental)
                await over_all.look(rental)
            now, begun = self._book.clock.now(), rental.requested or rental.written
            if now + TICK >= rental.deadline:
                return "its deadline came before it could be used"
            if rental.ceiling is not None and rental.price.during(now + TICK - begun) >= rental.ceiling:
                return f"the {rental.ceiling} that it may cost were used up before it could be used"
            why_not = over_all.passed(rental, wish.order, TICK)
            if why_not:
                return f"{why_not[0].lower()}{why_not[1:]}".rstrip(".")
            await self._book.clock.sleep(TICK)

    async def _keep(self, rental: Rental, error: RentFailed) -> KeptForDebugging:
        """It stays what it is, with a reason and a nearer deadline."""
        deadline = min(rental.deadline, self._book.clock.now() + KEPT_FOR)
        reason = f"{error.what[0].upper()}{error.what[1:]}."
        rental = await self._book.advance(rental, RentalState.CREATED, reason, deadline=deadline)
        kept = self._kept(rental)
        await self._book.note(rental, "warning", str(kept))
        return kept

    def _kept(self, rental: Rental) -> KeptForDebugging:
        identity = key_pairs.load(rental.attempt_id).identity_file
        login = f"ssh -i {identity} -p {rental.port} {rental.user}@{rental.address}"
        return KeptForDebugging(
            rental.reason,
            billing=f"The machine is kept until {rental.deadline:%H:%M} UTC, and costs {rental.price} per hour.",
            advice=f"Look at it: {login}; end it: jupyter gpu stop {self._wish_id[:8]}",
        )

    async def _enter(self, wish: Wish, rental: Rental, seen: Seen) -> tuple[Rental, Target]:
        cloud = await self._cloud_of(rental)
        rental = await self._book.advance(
            rental, RentalState.CREATED, address=seen.address, port=seen.port, user=seen.user
        )
        reached("addressed")
        target = self._target(wish, rental)
        await self._link.aim(target)
        reached("aimed")
        give_up = self._book.clock.now() + cloud.traits.login_limit
        while True:
            try:
                await self._link.connection.up()
                break
            except BridgeError as error:
                if self._book.clock.now() > give_up:
                    raise never_entered(error, cloud.traits.login_limit // timedelta(minutes=1)) from error
                if not isinstance(error, Unreachable):
                    await asyncio.sleep(1.0)
        reached("entered")
        rental = await self._book.advance(rental, RentalState.REACHABLE)
        reached("reachable")
        return rental, target

    def _target(self, wish: Wish, rental: Rental) -> Target:
        pairs = key_pairs.load(rental.attempt_id)
        return Target(
            name=f"{rental.offer.title} ({rental.provider})",
            address=rental.address,
            user=rental.user,
            port=rental.port,
            identity_file=str(pairs.identity_file),
            carrier="auto",
            python=wish.order.python,
            known_hosts=str(_known_hosts(rental)),
        )

    async def _stage(self, name: str, text: str) -> None:
        """For whoever waits, and for whoever looks later."""
        self._report(name, text)
        await self._book.note_wish(self._wish_id, name, text)

    async def _tell(self, rental: Rental, error: RentFailed, order: Order) -> None:
        """Not of an image of the user's own: then it may be that."""
        if isinstance(error, MachineFailed) and order.image is None:
            await tell_outcome(self._book, rental, error.outcome, error.what)

    async def _spent(self) -> Money:
        """By all attempts of this wish."""
        attempts = await self._book.read(Ledger.of_wish, self._wish_id)
        return sum((each.accrued for each in attempts), Money())

    async def _told_spent(self) -> str:
        spent = await self._spent()
        return f"Nothing is billed any more; the tries cost {spent.cents_at_most()}." if spent else "Nothing is billed."

    async def _usually(self, stage: str, offer: Offer) -> str:
        return usually((await self._book.read(Ledger.typical, offer.provider, offer.gpu)).get(stage))

    async def _took(self, stage: str, rental: Rental, began: datetime) -> None:
        now = self._book.clock.now()
        await self._book.read(
            Ledger.stage,
            rental.attempt_id,
            stage,
            now - began,
            rental.provider,
            rental.offer.gpu,
        )


def _details(console: str) -> dict[str, str]:
    """Beside the sentence: what the last machine that had something to say has said."""
    return {CONSOLE: console} if console else {}


def _advice(wish: Wish, offers: Sequence[Offer]) -> str:
    order, cheapest = wish.order, min(offer.price for offer in offers)
    kind, _, name = wish.key.partition(":")
    again = f"jupyter gpu profiles add {name}" if kind == "profile" else "order it again"
    if order.agreed is not None and order.worst_case(cheapest) > order.agreed:
        least = order.worst_case(cheapest)
        risen = f"{order.agreed} in all: now it is {least} at least"
    elif order.agreed_price is not None and cheapest > order.agreed_price:
        risen = f"{order.agreed_price} per hour: now it is {cheapest} at least"
    else:
        return "Try again later, or allow more: another GPU, a higher price, spot offers."
    return f"Prices have risen since you agreed to {risen}. To agree to that: {again}"


def _known_hosts(rental: Rental) -> Path:
    """A file of its own: addresses are reused within minutes, and the next machine there has another key."""
    from jupyter_gpu_bridge.machine import carriers

    path = settings.data_folder() / "keys" / rental.attempt_id / "known_hosts"
    carriers.pin(path, rental.address, rental.port, carriers.HostKey.parse(rental.host_key))
    return path
