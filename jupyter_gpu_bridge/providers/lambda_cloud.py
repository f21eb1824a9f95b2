"""Lambda's cloud: whole computers, rented by name of their type and region.

It takes no time limit, gives a machine no key of its own, and bills one that has switched itself off: only a terminate
from outside ends a bill. A machine takes no public key with its launch but the name of one that was registered before.
Ours is registered for each attempt under the machine's name and the second of it, and deleted when the launch is
refused or the machine is terminated; one that a crash has left is found by its name, a day later, at the next
terminate.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import time
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import ClassVar
from urllib.parse import quote

from jupyter_gpu_bridge import gpus
from jupyter_gpu_bridge.errors import (
    CloudError,
    KeyBad,
    KeyForbidden,
    KeyRefused,
    KeyUnfunded,
    NoCapacity,
    OrderRefused,
    Refused,
    Unclear,
)
from jupyter_gpu_bridge.keys import LAMBDA, KeyInUse
from jupyter_gpu_bridge.model import Account, Created, CreatePlan, Money, Need, Offer, Ref, Seen, SeenState, Traits
from jupyter_gpu_bridge.naming import MACHINE_PREFIX
from jupyter_gpu_bridge.providers import settings
from jupyter_gpu_bridge.providers.answers import Fields
from jupyter_gpu_bridge.providers.http import Answer, HttpClient
from jupyter_gpu_bridge.providers.user_data import user_data

NAME = "lambda"
TITLE = "Lambda"
LOGIN = "ubuntu"

_ADDRESS = "https://cloud.lambda.ai"
_ADDRESS_VARIABLE = "LAMBDA_BASE_URL"
_API = "/api/v1"
settings.api_paths(NAME, _API)
_LAUNCH, _TERMINATE = f"{_API}/instance-operations/launch", f"{_API}/instance-operations/terminate"
_LAUNCH_WITHIN = 90.0

_STATES = {
    "booting": SeenState.BOOTING,
    "active": SeenState.RUNNING,
    "unhealthy": SeenState.FAILED,
    "terminating": SeenState.ENDING,
}
_OVER = {"terminated", "preempted"}

_ABSENT = "global/object-does-not-exist"
_TAKEN = {"instance-operations/launch/insufficient-capacity", _ABSENT}

_GPU = re.compile(r"(?:\d+x )?(?:Tesla )?(?P<model>.+?)(?: \((?P<gb>\d{1,6}) GB(?: (?P<form>[^)]*))?\))?")
_IMAGE_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SSH_KEY = re.compile(rf"{re.escape(MACHINE_PREFIX)}.+-(?P<second>\d{{10}})")
_STALE = timedelta(days=1)
"""No launch takes so long: an SSH key so old that no machine has is one of a launch that never was."""


class LambdaCloud:
    """Without `key` that from where it is kept; without `address` that of the environment, read at the first call."""

    name = NAME
    key = LAMBDA
    traits = Traits(
        title=TITLE,
        bills_stopped=True,
        boot_limit=timedelta(minutes=30),  # eight GPUs take up to fifteen; a machine that boots is not billed yet
        login_limit=timedelta(minutes=10),
        console="https://cloud.lambda.ai/instances",
    )
    rate = "1/s"
    """Of all calls of one account, as published;"""
    paces: ClassVar[Mapping[str, str]] = {"create": "1/12s"}
    """and of launches alone."""

    def __init__(self, *, key: str | None = None, address: str | None = None) -> None:
        self._given_key = key
        self._key = KeyInUse(LAMBDA)
        self._address = address
        self._client: tuple[str, HttpClient] | None = None
        """And the key with which it asks."""

    async def check(self) -> Account:
        """There is no call that says whose key it is: another key of the same account looks like another account."""
        key = await self._account_key()
        await (await self._http()).read(f"{_API}/instances")
        return Account(hashlib.sha256(f"{NAME} {key}".encode()).hexdigest()[:16])

    async def offers(self, need: Need) -> Sequence[Offer]:
        now = datetime.now(timezone.utc)
        offers: list[Offer] = []
        problem: Unclear | None = None
        for line in _lines(await self._types()):
            try:
                offers += _offers(line, now)
            except Unclear as error:  # one type that makes no sense does not take away the others
                problem = error
        if problem is not None and not offers:
            raise problem
        return offers

    async def create(self, plan: CreatePlan) -> Created:
        http, ssh_key = await self._http(), f"{plan.name}-{int(time.time()):010d}"
        type_name, region = _parts(plan.offer.offer_id)
        try:
            await self._look_again(plan.offer, type_name)
            if plan.image is not None:
                await self._look_for_image(plan.image)
            await self._register(ssh_key, plan.public_key)
        except Unclear as error:
            raise NoCapacity(f"{error.what} No machine was asked for.") from None
        order: dict[str, object] = {
            "region_name": region,
            "instance_type_name": type_name,
            "ssh_key_names": [ssh_key],
            "name": plan.name,
            "user_data": user_data(plan.start_script, LOGIN),
        }
        if plan.image is not None:
            order["image"] = {"id" if _IMAGE_ID.fullmatch(plan.image) else "family": plan.image}
        try:
            answer = await http.once("POST", _LAUNCH, order, refusal=_refusal, within=_LAUNCH_WITHIN, verb="create")
        except (NoCapacity, Refused, KeyRefused):
            await self._tidy({ssh_key})
            raise
        return Created(_only_ref(answer))

    async def get(self, ref: Ref) -> Seen | None:
        answer = await (await self._http()).read(f"{_API}/instances/{quote(ref, safe='')}", also=(404,))
        return None if _says_absent(answer) else _seen(answer.fields.inner("data"))

    async def list(self) -> Sequence[Seen]:
        seen = [_seen(each) for each in await self._instances() if each.text("name", "").startswith(MACHINE_PREFIX)]
        return [each for each in seen if each is not None]

    async def destroy(self, ref: Ref) -> None:
        answer = await (await self._http()).destroy(_TERMINATE, {"instance_ids": [ref]}, method="POST")
        keys: set[str] = set()
        if not _says_absent(answer):
            with contextlib.suppress(Unclear):  # it was done, whatever it says of the machine
                for each in answer.fields.inner("data").list("terminated_instances"):
                    keys |= _ssh_keys(each)
        await self._tidy(keys)

    async def close(self) -> None:
        held, self._client = self._client, None
        if held is not None:
            await held[1].close()

    # a launch, and what has to be there before it ------------------------------------------------------------------

    async def _look_again(self, offer: Offer, type_name: str) -> None:
        """A launch says nothing of a price, so it is looked at just before. Raises `NoCapacity`.

        Whether there is capacity is left to the launch: the listing is late in both directions.
        """
        types = await self._types()
        if not types.has(type_name):
            raise NoCapacity(f"{TITLE} does not sell {type_name} any more.")
        price = _price(types.inner(type_name).inner("instance_type"))
        if price > offer.price:
            raise NoCapacity(f"{TITLE}: {type_name} costs {price} per hour now, and not {offer.price}.")

    async def _look_for_image(self, image: str) -> None:
        """A launch says no more of one that there is nowhere than of a type that is gone. Raises `OrderRefused`."""
        try:
            rows = (await (await self._http()).read(f"{_API}/images")).fields.list("data")
            ids, families = ({row.text(name, "") for row in rows} - {""} for name in ("id", "family"))
        except Unclear:  # then the launch tells
            return
        if image not in ids | families:
            raise OrderRefused(
                f"{TITLE} has no image {image!r}.",
                advice=f"Name one by its id, or by its family: {', '.join(sorted(families)) or 'there are none'}.",
            )

    async def _register(self, name: str, public_key: str) -> None:
        """An answer that was lost, or a name that is taken, is looked into: it may be there. Raises `CloudError`."""
        asked = {"name": name, "public_key": public_key}
        try:
            await (await self._http()).once("POST", f"{_API}/ssh-keys", asked, refusal=_refusal)
        except (Refused, NoCapacity, Unclear):
            wanted = (name, public_key.split()[:2])
            if not any(
                (each.text("name"), each.text("public_key").split()[:2]) == wanted for each in await self._keys()
            ):
                raise

    async def _tidy(self, names: Collection[str]) -> None:
        """SSH keys of these names, and such as a crash has left. What fails is left for the next time."""
        with contextlib.suppress(CloudError):
            keys = {each.text("name"): each.text("id") for each in await self._keys()}
            stale = {name for name in keys if _is_stale(name)} - set(names)
            if stale:
                stale -= {name for each in await self._instances() for name in _ssh_keys(each)}
            for name in {*names, *stale} & keys.keys():
                await (await self._http()).destroy(f"{_API}/ssh-keys/{quote(keys[name], safe='')}")

    # what is read --------------------------------------------------------------------------------------------------

    async def _types(self) -> Fields:
        """By name; those that are sold out as well."""
        return (await (await self._http()).read(f"{_API}/instance-types")).fields.inner("data")

    async def _instances(self) -> Sequence[Fields]:
        return (await (await self._http()).read(f"{_API}/instances")).fields.list("data")

    async def _keys(self) -> Sequence[Fields]:
        return (await (await self._http()).read(f"{_API}/ssh-keys")).fields.list("data")

    # the account ---------------------------------------------------------------------------------------------------

    async def _http(self) -> HttpClient:
        """With the key that there is now. Raises `KeyMissing`."""
        key = await self._account_key()
        if self._client is None or self._client[0] != key:
            await self.close()
            address = self._address or os.environ.get(_ADDRESS_VARIABLE) or _ADDRESS
            client = HttpClient(
                TITLE,
                settings.without_api(NAME, address),
                headers={"Authorization": f"Bearer {key}", "User-Agent": "jupyter-gpu-bridge"},
                secrets=[key],
                rate=self.rate,
                paces=self.paces,
                key_refusal=self._key_refusal,
            )
            self._client = (key, client)
        return self._client[1]

    async def _account_key(self) -> str:
        return self._given_key or (await self._key.now()).reveal()

    def _key_refusal(self, answer: Answer) -> CloudError:
        """One that is refused is looked for anew."""
        error = _key_refusal(answer)
        if isinstance(error, KeyBad | KeyForbidden):
            self._key.refused()
        return error


# what is sold --------------------------------------------------------------------------------------------------------


def _lines(types: Fields) -> Sequence[Fields]:
    return [Fields(TITLE, each) for each in types.content.values()] if isinstance(types.content, dict) else []


def _offers(line: Fields, now: datetime) -> Sequence[Offer]:
    """One for each region where there is one to be had."""
    kind, specs = line.inner("instance_type"), line.inner("instance_type").inner("specs")
    name, count = kind.text("name"), specs.count("gpus")
    sold_as = kind.text("gpu_description", "") or kind.text("description", "")
    gpu, memory_mib = _gpu(name, sold_as) if count else ("", 0)
    price = _price(kind)
    return [
        Offer(
            provider=NAME,
            offer_id=f"{name}@{region.text('name')}",
            gpu=gpu,
            gpu_count=count,
            gpu_memory_mib=memory_mib,
            price=price,
            region=region.text("name"),
            cpus=specs.count("vcpus", 0),
            memory_mib=specs.count("memory_gib", 0) << 10,
            disk_gib=specs.count("storage_gib", 0),
            sold_as=sold_as,
            seen=now,
        )
        for region in line.list("regions_with_capacity_available")
    ]


def _parts(offer_id: str) -> tuple[str, str]:
    """Type and region. Raises `NoCapacity` for what was never offered here."""
    type_name, at, region = offer_id.partition("@")
    if not (type_name and at and region):
        raise NoCapacity(f"{TITLE} has no offer {offer_id!r}.")
    return type_name, region


def _gpu(type_name: str, sold_as: str) -> tuple[str, int]:
    """The model, by the name of the type or as it is described; and the memory of each in MiB, 0 if not told."""
    described = _GPU.fullmatch(sold_as.strip())
    if described is None:
        found = gpus.identify(type_name, provider=NAME)
        return found.title, found.memory_mib or 0
    told, names = int(described["gb"] or 0) << 10, (type_name, described["model"])
    found = gpus.identify_first(names, memory_mib=told or None, form_factor=described["form"], provider=NAME)
    return found.title, found.memory_mib or told


def _price(kind: Fields) -> Money:
    """Cents for all of it, per hour."""
    price = Money(kind.money("price_cents_per_hour").micros // 100)
    if price <= Money():
        raise Unclear(f"{TITLE} names a price that is none ({price}).")
    return price


# machines, and their SSH keys ----------------------------------------------------------------------------------------


def _seen(fields: Fields) -> Seen | None:
    """`None` for one that is over and only remembered."""
    status = fields.text("status")
    if status in _OVER:
        return None
    price = None
    with contextlib.suppress(Unclear):  # what it costs is known from its offer; that it is there is what counts
        price = _price(fields.inner("instance_type"))
    address, port = _place(fields.text("ip", ""))
    return Seen(
        ref=Ref(fields.text("id")),
        name=fields.text("name", ""),
        # One that we do not know yet is none that has ended.
        state=_STATES.get(status, SeenState.BOOTING),
        is_billed=True,
        price=price,
        address=address,
        port=port,
        user=LOGIN,
        detail="" if status in ("active", "booting") else f"{TITLE} calls it {status}",
    )


def _place(said: str) -> tuple[str, int]:
    """Lambda's own SSH servers are at port 22, and it says only where; another port may stand behind a colon."""
    address, colon, port = said.partition(":")
    return (address, int(port)) if colon and port.isdigit() else (said, 22)


def _only_ref(answer: Answer) -> Ref:
    refs = [each.content for each in answer.fields.inner("data").list("instance_ids")]
    if len(refs) != 1 or not isinstance(refs[0], str) or not refs[0]:
        raise Unclear(f"{TITLE} was asked for one machine, and names {len(refs)}.")
    return Ref(refs[0])


def _ssh_keys(machine: Fields) -> set[str]:
    """Those that we have registered."""
    names = [each.content for each in machine.list("ssh_key_names")]
    return {name for name in names if isinstance(name, str) and _SSH_KEY.fullmatch(name)}


def _is_stale(name: str) -> bool:
    found = _SSH_KEY.fullmatch(name)
    return found is not None and time.time() - int(found["second"]) > _STALE.total_seconds()


# what a no means -----------------------------------------------------------------------------------------------------


def _says_absent(answer: Answer) -> bool:
    """Whether the machine is not there; a 404 of anything else says nothing about it. Raises `Unclear`."""
    if answer.status != 404:
        return False
    if answer.fields.inner("error").text("code") != _ABSENT:
        raise Unclear(f"{TITLE} does not know what it is asked for.", advice=f"Is {_ADDRESS_VARIABLE} right?")
    return True


def _refusal(answer: Answer) -> CloudError:
    """By the code alone: the words change. Raises `Unclear` where there is none."""
    code, said = _said(answer)
    if code in _TAKEN:
        return NoCapacity(f"{TITLE}: {said}")
    if answer.status == 429:
        return Refused(f"{TITLE} was asked too often: {said}", advice="Try again in a minute.")
    if code == "global/quota-exceeded":
        return Refused(f"{TITLE}: {said}", advice=f"End other machines, or ask {TITLE} for a larger quota.")
    return Refused(f"{TITLE} refuses ({code}): {said}")


def _key_refusal(answer: Answer) -> CloudError:
    """A 401 or 403: a bad key, an account that cannot pay, or a right that is missing."""
    try:
        code, said = _said(answer)
    except Unclear:
        code, said = "", f"status {answer.status}, without a reason"
    if code == "global/account-inactive":
        return KeyUnfunded(
            f"The account at {TITLE} is not active: {said}", advice="Confirm its mail address, and set up how it pays."
        )
    if code == "global/invalid-address":
        return KeyUnfunded(f"{TITLE} does not take the billing address: {said}", advice="Correct it in its console.")
    if answer.status == 401:
        return KeyBad(f"{TITLE} does not take the key: {said}", advice="Give a good key of the same account.")
    return KeyForbidden(
        f"{TITLE} takes the key, and does not allow this: {said}", advice="Give a key of the same account that may."
    )


def _said(answer: Answer) -> tuple[str, str]:
    """Code, and words for people."""
    error = answer.fields.inner("error")
    words = " ".join(filter(None, (error.text("message", ""), error.text("suggestion", ""))))
    return error.text("code"), words or "no reason was given."
