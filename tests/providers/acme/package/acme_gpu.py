"""Acme, a small cloud: it rents boxes off a shelf. All of this file is translation."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from urllib.parse import quote

from jupyter_gpu_bridge import gpus
from jupyter_gpu_bridge.errors import CloudError, KeyBad, KeyForbidden, KeyUnfunded, NoCapacity, Refused
from jupyter_gpu_bridge.keys import KeyInUse, KeyPlace
from jupyter_gpu_bridge.model import (
    Account,
    Created,
    CreatePlan,
    Money,
    Need,
    Offer,
    Ref,
    Seen,
    SeenState,
    SelfRemovalCall,
    Traits,
)
from jupyter_gpu_bridge.naming import MACHINE_PREFIX
from jupyter_gpu_bridge.providers.answers import Fields
from jupyter_gpu_bridge.providers.http import Answer, HttpClient

_ADDRESS = "https://api.acme.example"
_STATES = {
    "queued": SeenState.BOOTING,
    "up": SeenState.RUNNING,
    "down": SeenState.STOPPED,
    "leaving": SeenState.ENDING,
}
_TAKEN = {"sold-out", "dearer-now"}


class Acme:
    name = "acme"
    key = KeyPlace("acme", ("ACME_API_KEY",), "Make one at acme.example, under Keys; it needs the right to write.")
    traits = Traits(
        title="Acme",
        removal=(SelfRemovalCall("DELETE", "{ACME_API}/boxes/{ACME_BOX}", "ACME_BOX_KEY"),),
        limits_at_create=True,
        tells_log=True,
        boot_limit=timedelta(minutes=7),
    )

    def __init__(self) -> None:
        self._key = KeyInUse(self.key)
        self._client: tuple[str, HttpClient] | None = None
        """And the key with which it asks."""

    async def check(self) -> Account:
        fields = (await (await self._http()).read("/me")).fields
        mark = hashlib.sha256(f"acme {fields.text('customer')}".encode()).hexdigest()[:16]
        return Account(mark, fields.text("mail", ""), _dollars(fields, "credit_cents"))

    async def offers(self, need: Need) -> Sequence[Offer]:
        now = datetime.now(timezone.utc)
        shelf = (await (await self._http()).read("/shelf")).fields.list("shelf")
        return [_offer(each, now) for each in shelf if each.whole("left") > 0]

    async def create(self, plan: CreatePlan) -> Created:
        order: dict[str, object] = {
            "sku": plan.offer.offer_id,
            "at_most_cents": str(Decimal(plan.offer.price.micros) / 10_000),
            "label": plan.name,
            "key": plan.public_key,
            "boot": plan.start_script,
            "minutes": -(-plan.limit // timedelta(minutes=1)),
        }
        answer = await (await self._http()).once("POST", "/boxes", order, refusal=_refusal)
        return Created(Ref(answer.fields.text("box")))

    async def get(self, ref: Ref) -> Seen | None:
        answer = await (await self._http()).read(f"/boxes/{quote(ref, safe='')}", also=(404,))
        return None if answer.status == 404 else _seen(answer.fields)

    async def list(self) -> Sequence[Seen]:
        boxes = (await (await self._http()).read("/boxes")).fields.list("boxes")
        return [_seen(each) for each in boxes if each.text("label", "").startswith(MACHINE_PREFIX)]

    async def destroy(self, ref: Ref) -> None:
        await (await self._http()).destroy(f"/boxes/{quote(ref, safe='')}")

    async def last_lines(self, ref: Ref) -> str:
        answer = await (await self._http()).read(f"/boxes/{quote(ref, safe='')}/console", also=(404,))
        return "" if answer.status == 404 else answer.fields.text("console")

    async def close(self) -> None:
        held, self._client = self._client, None
        if held is not None:
            await held[1].close()

    async def _http(self) -> HttpClient:
        """With the key that there is now. Raises `KeyMissing`."""
        key = (await self._key.now()).reveal()
        if self._client is None or self._client[0] != key:
            await self.close()
            headers = {"Authorization": f"Bearer {key}"}
            client = HttpClient("Acme", _ADDRESS, headers=headers, secrets=[key], key_refusal=self._key_refusal)
            self._client = (key, client)
        return self._client[1]

    def _key_refusal(self, answer: Answer) -> CloudError:
        """One that is refused is looked for anew: the user may have given another meanwhile."""
        kind = {401: KeyBad, 402: KeyUnfunded}.get(answer.status, KeyForbidden)
        if kind is not KeyUnfunded:
            self._key.refused()
        return kind(f"Acme does not take the key: {answer.fields.text('why', '')}", advice=self.key.advice)


def _offer(fields: Fields, now: datetime) -> Offer:
    card, memory = fields.text("card"), fields.whole("vram_gb") << 10
    gpu = gpus.identify(card, memory_mib=memory, provider="acme")
    return Offer(
        provider="acme",
        offer_id=fields.text("sku"),
        gpu=gpu.title,
        gpu_count=fields.whole("cards"),
        gpu_memory_mib=gpu.memory_mib or memory,
        price=_dollars(fields, "cents_per_hour"),
        region=fields.text("where", ""),
        sold_as=card,
        seen=now,
    )


def _seen(fields: Fields) -> Seen:
    way = fields.inner("ssh") if fields.has("ssh") else None
    return Seen(
        ref=Ref(fields.text("box")),
        name=fields.text("label", ""),
        state=_STATES.get(fields.text("is"), SeenState.FAILED),
        is_billed=True,
        price=_dollars(fields, "cents_per_hour"),
        address=way.text("host") if way else "",
        port=way.whole("port") if way else 22,
        user=way.text("user") if way else "root",
    )


def _dollars(fields: Fields, name: str) -> Money:
    return Money.parse(fields.number(name) / 100)


def _refusal(answer: Answer) -> CloudError:
    kind = NoCapacity if answer.fields.text("no") in _TAKEN else Refused
    return kind(f"Acme: {answer.fields.text('why', 'no reason was given')}")
