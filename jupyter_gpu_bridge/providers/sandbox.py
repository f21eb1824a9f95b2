"""The sandbox: real machines on this computer, rented from a pretend cloud. It needs no account and costs nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path

from jupyter_gpu_bridge.errors import CloudError, NoCapacity, Refused
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
from jupyter_gpu_bridge.providers.sandbox_process import Running, running
from jupyter_gpu_bridge.settings import data_folder

NAME = "sandbox"
TITLE = "Sandbox (pretend cloud on this computer)"
_SELF_REMOVAL = SelfRemovalCall("DELETE", "{SANDBOX_API}/v1/machines/{SANDBOX_MACHINE_ID}", "SANDBOX_MACHINE_KEY")
_STATES = {
    "provisioning": SeenState.BOOTING,
    "active": SeenState.RUNNING,
    "off": SeenState.STOPPED,
    "deleting": SeenState.ENDING,
}
_RATE = "100/s"
_TAKEN = {"no_capacity", "price_changed", "no_such_offer"}


class Sandbox:
    """`folder`: where the cloud lives; `account_key`: of another account than the usual one."""

    name = NAME

    def __init__(
        self,
        folder: Path | None = None,
        *,
        account_key: str | None = None,
        limits_at_create: bool = True,
        options: Sequence[str] = (),
    ) -> None:
        """`options`: of the process, when it has to be started; without `limits_at_create` no limit is passed on."""
        self.traits = Traits(
            title=TITLE,
            removal=(_SELF_REMOVAL,),
            limits_at_create=limits_at_create,
            puts_off=limits_at_create,
            tells_bill=True,
            tells_log=True,
            has_spot=True,
            boot_limit=timedelta(minutes=5),
            login_limit=timedelta(minutes=2),
            listing_lag=timedelta(seconds=90),
            is_pretend=True,
        )
        self._folder = folder
        self._account_key = account_key
        self._options = tuple(options)
        self._running: Running | None = None
        self._client: HttpClient | None = None

    @staticmethod
    def is_set_up() -> bool:
        """Whether it was ever used here; to ask it would start it."""
        return (data_folder() / NAME).exists()

    async def check(self) -> Account:
        fields = (await (await self._http()).read("/v1/account")).fields
        mark = hashlib.sha256(f"{NAME} {fields.text('account')}".encode()).hexdigest()[:16]
        return Account(mark, fields.text("title", ""), fields.money("balance"))

    async def offers(self, need: Need) -> Sequence[Offer]:
        answer = await (await self._http()).read("/v1/offers")
        now = datetime.now(timezone.utc)
        return [_offer(each, now) for each in answer.fields.list("offers")]

    async def create(self, plan: CreatePlan) -> Created:
        order: dict[str, object] = {
            "offer_id": plan.offer.offer_id,
            "price": plan.offer.price.exact(),
            "name": plan.name,
            "public_key": plan.public_key,
            "start_script": plan.start_script,
        }
        if self.traits.limits_at_create:
            order["limit_seconds"] = int(plan.limit.total_seconds())
        answer = await (await self._http()).once("POST", "/v1/machines", order, refusal=_refusal)
        return Created(Ref(answer.fields.text("id")))

    async def get(self, ref: Ref) -> Seen | None:
        answer = await (await self._http()).read(f"/v1/machines/{ref}", also=(404,))
        return None if answer.status == 404 else _seen(answer.fields)

    async def list(self) -> Sequence[Seen]:
        answer = await (await self._http()).read("/v1/machines")
        return [_seen(each) for each in answer.fields.list("machines") if each.text("name").startswith(MACHINE_PREFIX)]

    async def destroy(self, ref: Ref) -> None:
        await (await self._http()).destroy(f"/v1/machines/{ref}")

    async def put_off(self, ref: Ref, limit: timedelta) -> None:
        asked = {"limit_seconds": int(limit.total_seconds())}
        await (await self._http()).once("POST", f"/v1/machines/{ref}/limit", asked, refusal=_refusal)

    async def bill(self, ref: Ref, since: datetime) -> Money:
        rows = (await (await self._http()).read("/v1/billing")).fields.list("machines")
        return next((each.money("amount") for each in rows if each.text("machine_id") == ref), Money())

    async def last_lines(self, ref: Ref) -> str:
        answer = await (await self._http()).read(f"/v1/machines/{ref}/console", also=(404,))
        return "" if answer.status == 404 else answer.fields.text("console")

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def _http(self) -> HttpClient:
        """The cloud may have been started again since, at another place."""
        folder = self._folder or data_folder() / NAME
        now = await running(folder, self._options)
        if self._client is None or now != self._running:
            await self.close()
            key = self._account_key or now.account_key
            self._client = HttpClient(
                TITLE,
                now.address,
                headers={"Authorization": f"Bearer {key}"},
                secrets=[key],
                name=NAME,
                rate=_RATE,
                trust_env=False,  # no proxy leads to this computer
            )
            self._running = now
        return self._client


def _offer(fields: Fields, now: datetime) -> Offer:
    return Offer(
        provider=NAME,
        offer_id=fields.text("id"),
        gpu=fields.text("gpu"),
        gpu_count=fields.whole("gpu_count"),
        gpu_memory_mib=fields.whole("gpu_memory_mib"),
        price=fields.money("price_per_hour"),
        region=fields.text("region"),
        is_spot=fields.truth("spot"),
        cpus=fields.whole("cpus"),
        memory_mib=fields.whole("memory_mib"),
        disk_gib=fields.whole("disk_gib"),
        host=fields.text("host"),
        is_pretend=True,
        seen=now,
    )


def _seen(fields: Fields) -> Seen:
    ssh = fields.inner("ssh") if fields.has("ssh") else None
    return Seen(
        ref=Ref(fields.text("id")),
        name=fields.text("name"),
        state=_STATES.get(fields.text("status"), SeenState.FAILED),
        is_billed=fields.truth("billed"),
        price=fields.money("price_per_hour"),
        address=ssh.text("host") if ssh else "",
        port=ssh.whole("port") if ssh else 22,
        user=ssh.text("user") if ssh else "",
        host=fields.text("host"),
        reclaim_at=fields.moment("reclaim_at"),
        detail=fields.text("detail", ""),
    )


def _refusal(answer: Answer) -> CloudError:
    error = answer.fields.inner("error")
    code, message = error.text("code"), error.text("message")
    kind = NoCapacity if code in _TAKEN else Refused
    return kind(f"{TITLE}: {message}")
