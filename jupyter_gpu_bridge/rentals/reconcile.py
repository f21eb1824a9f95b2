"""Compares the ledger with what the providers list, in both directions; one listing for each account.

What is not certainly ours is not touched: a machine counts as ours when its name bears this installation's id.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from jupyter_gpu_bridge.errors import BridgeError, CloudError, RentalUnknown, Unclear
from jupyter_gpu_bridge.marks import reached
from jupyter_gpu_bridge.model import Account, Provider, Rental, RentalState, Seen, SeenState, Wish, WishId
from jupyter_gpu_bridge.providers.clouds import Clouds
from jupyter_gpu_bridge.rentals import key_pairs
from jupyter_gpu_bridge.rentals.book import Book
from jupyter_gpu_bridge.rentals.clock import Trust
from jupyter_gpu_bridge.rentals.installation import former_ids, installation_id, new_attempt_id, parse_machine_name
from jupyter_gpu_bridge.rentals.ledger import Ledger

log = logging.getLogger(__name__)

EVERY = timedelta(minutes=5)
GRACE = timedelta(minutes=5)
"""For the user to say that a machine which nobody remembers is to be kept."""
_THERE = (RentalState.CREATED, RentalState.REACHABLE, RentalState.IN_USE)
_MAY_BE_LATE = timedelta(minutes=5)
FOUND = "found:"
KEPT = "kept:"
"""How the keys of wishes begin that came of machines which nobody knew; and of those that are to be kept."""


@dataclass(frozen=True, slots=True)
class Orphan:
    """A machine of ours that the ledger did not know, or believed gone."""

    provider: str
    seen: Seen
    wish: Wish
    """Under which it is known from now on."""
    text: str


@dataclass(frozen=True, slots=True)
class Differences:
    """Between the ledger and what a provider lists."""

    orphans: Sequence[Orphan] = ()
    missing: Sequence[Rental] = ()
    """Ours, and not listed. Whether they have ended is for their wardens to judge, who look more than once."""
    unwanted: Sequence[Rental] = ()
    """Ours, listed, and wanted no more: whoever was to end them may be dead."""
    elsewhere: Sequence[Seen] = ()
    """Of an installation whose folder was copied to here, which may use them: they are only shown."""

    @property
    def wishes(self) -> Sequence[WishId]:
        """Those whose wardens have something to do."""
        ours = (each.wish_id for each in (*self.missing, *self.unwanted))
        return [*(each.wish.wish_id for each in self.orphans), *ours]


async def reconcile(book: Book, clouds: Clouds, providers: Sequence[str]) -> Sequence[WishId]:
    """Orphans are entered in the ledger. Whose wardens have to be there now."""
    found: list[WishId] = []
    for provider in providers:
        try:
            found += (await compare(provider, book, clouds)).wishes
        except CloudError as error:
            log.warning("%s could not be asked for its machines: %s", provider, error)
    return found


async def reconcile_now_and_then(book: Book, clouds: Clouds, provider: str) -> Sequence[WishId]:
    """As one of many processes: whoever comes first does it for all."""
    owner = f"{os.uname().nodename}:{os.getpid()}"
    try:
        account = await clouds.account(provider)
    except CloudError as error:
        log.warning("%s could not be asked whose account it is: %s", provider, error)
        return ()
    work = f"reconcile:{provider}:{account.fingerprint}:{installation_id()}"  # no other installation's are compared
    if await book.read(Ledger.take_lock, work, owner, EVERY, book.clock.now()):
        return await reconcile(book, clouds, [provider])
    return ()


async def compare(provider: str, book: Book, clouds: Clouds) -> Differences:
    """One account. Raises `CloudError` when it cannot be asked."""
    installation = installation_id()
    account = await clouds.account(provider)
    listed = await clouds.get(provider).list()
    if (await clouds.get(provider).check()).fingerprint != account.fingerprint:
        raise Unclear(f"The key of {provider} was changed while it was asked.", advice="It is asked again.")
    book.clock.believe()
    reached("listed")
    found, unwanted = [], []
    for seen in listed:
        name = parse_machine_name(seen.name)
        if name is None or name[0] != installation or not seen.is_billed or seen.state is SeenState.ENDING:
            continue
        rental = await book.read(Ledger.by_name, seen.name)
        wish = None if rental is None else await book.wish(rental.wish_id)
        if rental is None:
            found.append(await _enter(clouds.get(provider), account, seen, book))
        elif rental.state is RentalState.GONE:
            found.append(await _returned(rental, seen, book))
        elif _is_twin(seen, rental, listed):
            await _end_twin(rental, seen, clouds.get(provider), book)
        elif wish is not None and wish.key.startswith(FOUND):
            found.append(await _still_there(rental, seen, book))
        elif wish is not None and not wish.is_open:
            unwanted.append(rental)
    elsewhere = [each for each in listed if each.is_billed and await _is_left_alone(each, book)]
    return Differences(found, await _missing(provider, account, listed, book), unwanted, elsewhere)


def _is_twin(seen: Seen, rental: Rental, listed: Sequence[Seen]) -> bool:
    """A second one of the same name, beside the one that we know: whatever was on the way has sent a request twice."""
    return rental.ref is not None and seen.ref != rental.ref and any(each.ref == rental.ref for each in listed)


async def _end_twin(rental: Rental, seen: Seen, cloud: Provider, book: Book) -> None:
    text = f"{cloud.traits.title} has made a second machine for {rental.name} ({seen.ref}), which nobody asked for"
    try:
        await cloud.destroy(seen.ref)
        await book.note(rental, "warning", f"{text}: it is ended, and has cost something until now.")
    except BridgeError as error:
        log.warning("%s, and which is not ended yet: %s", text, error)


async def _is_left_alone(seen: Seen, book: Book) -> bool:
    name = parse_machine_name(seen.name)
    if name is None or name[0] not in former_ids():
        return False
    rental = await book.read(Ledger.by_name, seen.name)
    return rental is None or not rental.state.is_live or (await book.wish(rental.wish_id)).is_open


async def end_by_name(name: str, providers: Sequence[str], book: Book, clouds: Clouds) -> WishId:
    """What somebody says is to end, also one of an installation whose folder was copied to here. Its wish, closed.

    Raises `RentalUnknown`, `CloudError`.
    """
    parsed = parse_machine_name(name)
    rental = await book.read(Ledger.by_name, name)
    if rental is None and parsed is not None and parsed[0] in {installation_id(), *former_ids()}:
        for provider in providers:
            account = await clouds.account(provider)
            seen = next((each for each in await clouds.get(provider).list() if each.name == name), None)
            if seen is not None:
                await _enter(clouds.get(provider), account, seen, book)
        rental = await book.read(Ledger.by_name, name)
    if rental is None or not rental.state.is_live:
        raise RentalUnknown(f"There is no machine {name!r} of ours.", advice="See: jupyter gpu orphans")
    await book.close_wish(rental.wish_id, "It was ended by its name.")
    return rental.wish_id


async def _missing(provider: str, account: Account, listed: Sequence[Seen], book: Book) -> Sequence[Rental]:
    """Not those that are so new that they may only not be listed yet."""
    names, since = {seen.name for seen in listed}, book.clock.now() - _MAY_BE_LATE
    return [
        rental
        for rental in await book.read(Ledger.rentals)
        if (rental.provider, rental.account) == (provider, account.fingerprint)
        and rental.state in _THERE
        and rental.created is not None
        and rental.created < since
        and rental.name not in names
        and (parse_machine_name(rental.name) or ("",))[0] == installation_id()
    ]


async def _enter(cloud: Provider, account: Account, seen: Seen, book: Book) -> Orphan:
    key, now = f"{FOUND}{seen.name}", book.clock.now()
    is_pretend = cloud.traits.is_pretend
    named = parse_machine_name(seen.name)
    pairs = None if named is None else key_pairs.find(named[1])
    text = f"{seen.name} runs at {cloud.name}, and the ledger knows nothing of it"
    ending = f"It is ended in {GRACE // timedelta(minutes=1)} min, unless: jupyter gpu orphans --keep {seen.name}"
    rental = await book.read(
        Ledger.adopt,
        key,
        cloud.name,
        account.fingerprint,
        seen,
        now,
        attempt_id=new_attempt_id() if pairs is None else pairs.attempt_id,
        host_key="" if pairs is None else pairs.host_key,
        is_pretend=is_pretend,
        installation=installation_id(),
        warning=f"{text}. {ending}",
    )
    reached("adopted")
    return Orphan(cloud.name, seen, await book.wish(rental.wish_id), text)


async def _returned(rental: Rental, seen: Seen, book: Book) -> Orphan:
    """The provider has brought it back, or never ended it."""
    text = f"{seen.name} was gone and is there again"
    try:
        await book.read(Ledger.resurrect, rental.attempt_id, book.clock.now(), f"{text}.", seen.ref)
        reached("resurrected")
    except BridgeError as error:
        log.warning("%s: %s", text, error)
    return Orphan(rental.provider, seen, await book.wish(rental.wish_id), text)


async def _still_there(rental: Rental, seen: Seen, book: Book) -> Orphan:
    wish = await end_unless_kept(rental.wish_id, book)
    return Orphan(rental.provider, seen, wish, f"{seen.name} runs at {rental.provider} without an owner")


async def end_unless_kept(wish_id: WishId, book: Book) -> Wish:
    """The wish of a machine that was found, closed once its owner has had the time to say that he wants to keep it."""
    wish = await book.wish(wish_id)
    if not wish.key.startswith(FOUND) or not wish.is_open or book.clock.trust is Trust.NONE:
        return wish
    if abs(book.clock.now() - wish.asked) < GRACE:  # found in the future is found by a clock that was wrong
        return wish
    await book.close_wish(wish_id, "Nobody knew of it, and nobody wanted to keep it.", only_for=wish.key)
    reached("unkept")
    return await book.wish(wish_id)
