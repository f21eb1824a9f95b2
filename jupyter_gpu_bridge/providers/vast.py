"""Vast.ai: a market of single hosts. An offer is a slice of one machine, and may be gone between two calls.

The price holds the GPUs and the disk that we rent with them, and no traffic. What is not known about this cloud for
certain, and what follows from that: docs/develop/providers/vast.md.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta, timezone
from decimal import ROUND_CEILING, Decimal
from typing import ClassVar

from jupyter_gpu_bridge import gpus
from jupyter_gpu_bridge.errors import CloudError, KeyBad, KeyForbidden, Refused, Unclear
from jupyter_gpu_bridge.keys import VAST, KeyInUse, KeyPlace
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
from jupyter_gpu_bridge.providers import settings
from jupyter_gpu_bridge.providers.answers import Fields
from jupyter_gpu_bridge.providers.http import HttpClient
from jupyter_gpu_bridge.providers.vast_refusals import TITLE, code_of, refusal, used_up, words_of

NAME = "vast"
USUAL_ADDRESS = "https://console.vast.ai"
IMAGE = "pytorch/pytorch:2.4.0-cuda12.4-cudnn9-runtime"
MOST_START = 4096
"""Characters of `onstart`; the start script is longer, however it is packed, so it travels in the environment."""
MOST_ENVIRONMENT = 32_768

settings.api_paths(NAME, "/api", "/api/v0", "/api/v1")

_CUDA_OF_IMAGE = 12.4
_USUAL_DISK_GIB = 30
_LEAST_DISK_GB = 8
_MOST_OFFERS = 3000
_PAGE = 25
_SCRIPT, _PUBLIC_KEY = "GPU_BRIDGE_START", "GPU_BRIDGE_PUBLIC_KEY"
_ON_START = f"""\
home=${{HOME:-/root}}
touch "$home/.no_auto_tmux"
(umask 077
mkdir -p "$home/.ssh"
key=$(printf %s "${_PUBLIC_KEY}" | tr , ' ')
grep -qxF "$key" "$home/.ssh/authorized_keys" 2>/dev/null || printf '%s\\n' "$key" >>"$home/.ssh/authorized_keys")
script=$(printf %s "${_SCRIPT}" | base64 -d | gzip -dc)
unset {_SCRIPT}
eval "$script"
"""
"""The key in the file is only good for some hours, until the cloud writes it anew; see `_let_in`."""

_STATES = {
    "created": SeenState.BOOTING,
    "loading": SeenState.BOOTING,
    "running": SeenState.RUNNING,
    "exited": SeenState.STOPPED,
    "stopped": SeenState.STOPPED,
    "offline": SeenState.FAILED,
    "unknown": SeenState.BOOTING,
}
"""What is missing here, or null, is `BOOTING`: it becomes something else, or the time to boot runs out."""
_DEAD = "oci runtime create failed"
_LOG_LINES = 100
_LOG_WITHIN = 4.0
"""Seconds until the log is at its address."""
_PORTS_WITHIN = 2
"""Minutes up for which the direct way is waited for, and not the slower proxy taken."""
_CLEAR = [status for status in range(400, 500) if status not in (408, 429)]
"""Answers to a create that have to be read: it may have failed and left something behind."""


class Vast:
    name = NAME
    key: ClassVar[KeyPlace] = VAST
    rate: ClassVar[str] = "1/s"
    paces: ClassVar[Mapping[str, str]] = {
        "offers": "10/min",
        "create": "1/5s",
        "get": "1/2.3s",
        "list": "1/1.3s",
        "destroy": "1/3.3s",
        "bill": "1/1.3s",
    }
    """Of one verb with one key; as it counts them there (4.5, 2, 1 and 3 s), and the difference that the way makes.

    A create that comes too early is refused for 12 s.
    """

    def __init__(self, *, key: str | None = None, address: str | None = None) -> None:
        """Without them: the key from where it is kept, the address from the environment."""
        self._given_key = key
        self._key = KeyInUse(VAST)
        self._address = settings.without_api(NAME, address or os.environ.get("VAST_BASE_URL") or USUAL_ADDRESS)
        self._clients: dict[str, HttpClient] = {}
        """By key: a new one may be given while the old one is in use."""
        own = f"{self._address}/api/v0/instances/{{CONTAINER_ID}}/"
        self.traits = Traits(
            title=TITLE,
            removal=(SelfRemovalCall("DELETE", own, "CONTAINER_API_KEY"),),
            tells_bill=True,
            tells_log=True,
            has_spot=True,
            boot_limit=timedelta(minutes=15),
            console="https://cloud.vast.ai/instances/",
        )

    async def check(self) -> Account:
        async with self._http() as http:
            fields = (await http.read("/api/v0/users/current/")).fields
        mark = hashlib.sha256(f"{NAME} {fields.whole('id')}".encode()).hexdigest()[:16]
        return Account(mark, fields.text("email", ""), fields.money("credit") if fields.has("credit") else None)

    async def offers(self, need: Need) -> Sequence[Offer]:
        kinds = ["on-demand", "bid"] if need.allows_spot else ["on-demand"]
        disk = need.disk_gib or _USUAL_DISK_GIB
        found: list[Offer] = []
        for kind in kinds:
            async with self._http() as http:
                answer = await http.read(
                    "/api/v0/bundles/", content=_query(need, kind, disk), also=(404,), long_pause=used_up, verb="offers"
                )
                if answer.status != 200:
                    raise refusal(answer)
            found += _offers(answer.fields.list("offers"), kind, disk)
        return found

    async def create(self, plan: CreatePlan) -> Created:
        number, _, bid = plan.offer.offer_id.partition("@")
        order = _order(plan, bid)
        async with self._http() as http:
            answer = await http.once(
                "PUT", f"/api/v0/asks/{number}/", order, refusal=refusal, also=_CLEAR, verb="create"
            )
            if answer.fields.has("new_contract"):  # also of one that failed: it is there, stopped, and has to be ended
                return Created(Ref(str(answer.fields.whole("new_contract"))))
            raise refusal(answer)

    async def get(self, ref: Ref) -> Seen | None:
        async with self._http() as http:
            answer = await http.read(f"/api/v0/instances/{ref}/", {"owner": "me"}, also=(404,), verb="get")
        if answer.status == 404 and code_of(answer) in ("no_such_instance", "not_found"):
            return None
        if isinstance(answer.content, dict) and "instances" in answer.content and not answer.fields.has("instances"):
            return None
        row = answer.fields.inner("instances")
        seen = _seen(row)
        if seen.address:
            await self._let_in(ref, row)
        return seen

    async def list(self) -> Sequence[Seen]:
        found: list[Seen] = []
        token = ""
        while True:
            async with self._http() as http:
                page = (await http.read("/api/v1/instances/", _page(token), verb="list")).fields
            rows = page.list("instances")
            found += [_seen(row) for row in rows if row.text("label", "").startswith(MACHINE_PREFIX)]
            following = page.text("next_token", "")
            if not following and not (len(rows) >= _PAGE and "next_token" not in _names(page)):
                return found
            if not rows or following in ("", token):
                raise Unclear(f"The listing of {TITLE} does not come to its end.")
            token = following

    async def destroy(self, ref: Ref) -> None:
        async with self._http() as http:
            answer = await http.destroy(f"/api/v0/instances/{ref}/", verb="destroy")
            if answer.status != 404 and not answer.fields.truth("success", True):
                raise Unclear(f"{TITLE} did not destroy {ref} ({words_of(answer)}).")

    async def bill(self, ref: Ref, since: datetime) -> Money:
        """Disk and traffic are billed beside the price per hour."""
        total, token = Money(), ""
        while True:
            async with self._http() as http:
                page = (await http.read("/api/v0/charges/", _charges(since, token), verb="bill")).fields
            rows = [each for each in page.list("results") if each.text("source", "") == f"instance-{ref}"]
            total = sum((each.money("amount") for each in rows), total)
            following = page.text("next_token", "")
            if not following:
                return total
            if following == token:
                raise Unclear(f"The bill of {TITLE} does not come to its end.")
            token = following

    async def last_lines(self, ref: Ref) -> str:
        """Asked for, it is put at an address of a store elsewhere, a moment later."""
        asked = {"tail": str(_LOG_LINES)}
        async with self._http() as http:
            answer = await http.read(
                f"/api/v0/instances/request_logs/{ref}/", content=asked, method="PUT", also=(404,), verb="logs"
            )
            if answer.status == 404:
                return ""
            return await http.text_elsewhere(answer.fields.text("result_url"), within=_LOG_WITHIN)

    async def close(self) -> None:
        clients, self._clients = list(self._clients.values()), {}
        for client in clients:
            await client.close()

    async def _let_in(self, ref: Ref, row: Fields) -> None:
        """Attach our key to the instance where it is not: what the start script has written does not last.

        The key comes from the instance itself, so whoever asks for it first after whatever death does this.
        """
        key = _environment(row).get(_PUBLIC_KEY, "").replace(",", " ")
        path = f"/api/v0/instances/{ref}/ssh/"
        if not key:
            return
        async with self._http() as http:
            if key.split()[1] not in json.dumps((await http.read(path)).content, default=str):
                await http.once("POST", path, {"ssh_key": key}, refusal=refusal)

    @asynccontextmanager
    async def _http(self) -> AsyncIterator[HttpClient]:
        """With the key that there is now, which no error tells; one that is refused is looked for anew."""
        key = self._given_key or (await self._key.now()).reveal()
        if key not in self._clients:
            headers = {"Authorization": f"Bearer {key}"}
            self._clients[key] = HttpClient(
                TITLE, self._address, headers=headers, secrets=[key], rate=self.rate, paces=self.paces
            )
        client = self._clients[key]
        try:
            yield client
        except CloudError as error:
            if isinstance(error, KeyBad | KeyForbidden):
                self._key.refused()
            raise client.masked(error) from None


# offers --------------------------------------------------------------------------------------------------------------


def _query(need: Need, kind: str, disk_gib: int) -> dict[str, object]:
    """Wide: what does not fit is told to the user; what cannot be used is not asked for."""
    return {
        "verified": {"eq": True},
        "external": {"eq": False},
        "rentable": {"eq": True},
        "rented": {"eq": False},
        "vms_enabled": {"eq": False},
        "direct_port_count": {"gte": 1},
        "cuda_max_good": {"gte": _CUDA_OF_IMAGE},
        "disk_space": {"gte": _gigabytes(disk_gib)},
        "order": [["score", "desc"]],
        "type": kind,
        "limit": _MOST_OFFERS,
        "allocated_storage": _gigabytes(disk_gib),
    }


def _offers(rows: Sequence[Fields], kind: str, disk_gib: int) -> Sequence[Offer]:
    """The nonsense of one host costs its own row; of all of them, the answer."""
    now = datetime.now(timezone.utc)
    found, trouble = [], None
    for row in rows:
        try:
            if _can_be_rented(row):
                found.append(_offer(row, kind, disk_gib, now))
        except Unclear as error:
            trouble = error
    if trouble is not None and not found:
        raise trouble
    return found


def _can_be_rented(row: Fields) -> bool:
    """The filters of the query are not always kept."""
    return (
        row.truth("rentable", True)
        and not row.truth("rented", False)
        and row.text("verification", "verified") == "verified"
        and row.amount("direct_port_count", Decimal(1)) >= 1
    )


def _offer(row: Fields, kind: str, disk_gib: int, now: datetime) -> Offer:
    number, price = row.count("id"), row.money("dph_total")
    offer_id = str(number)
    if kind == "bid":
        bid = row.money("min_bid")
        price = bid + (price - row.money("dph_base"))  # the disk is not a part of the bid
        offer_id = f"{number}@{bid.exact()}"
    if price <= Money():
        raise Unclear(f"{TITLE} offers {number} for {price}.")
    sold_as, cores = row.text("gpu_name"), row.amount("cpu_cores_effective", Decimal(0))
    memory = int(row.amount("gpu_ram"))
    model = gpus.identify(sold_as, memory_mib=memory, provider=NAME)
    return Offer(
        provider=NAME,
        offer_id=offer_id,
        gpu=model.title,
        gpu_count=int(row.amount("num_gpus")) * model.count,
        gpu_memory_mib=memory if model.memory_mib is None else model.memory_mib,
        price=price,
        region=row.text("geolocation", "").rpartition(",")[2].strip(),
        is_spot=kind == "bid",
        cpus=int(cores),
        memory_mib=_memory(row, cores),
        disk_gib=disk_gib,
        host=str(row.count("machine_id")) if row.has("machine_id") else "",
        sold_as=sold_as,
        tier="datacenter" if row.amount("hosting_type", Decimal(0)) >= 1 else "community",
        is_verified=row.text("verification") == "verified" if row.has("verification") else None,
        reliability=float(row.amount("reliability")) if row.has("reliability") else None,
        benchmark=float(row.amount("dlperf")) if row.has("dlperf") else None,
        lasts=_lasts(row),
        down_mbps=int(row.amount("inet_down")) if row.has("inet_down") else None,
        up_mbps=int(row.amount("inet_up")) if row.has("inet_up") else None,
        down_price=row.money("inet_down_cost") if row.has("inet_down_cost") else None,
        up_price=row.money("inet_up_cost") if row.has("inet_up_cost") else None,
        cuda=str(row.amount("cuda_max_good")) if row.has("cuda_max_good") else "",
        compute_capability=_capability(row),
        seen=now,
    )


def _memory(row: Fields, cores: Decimal) -> int:
    """What is told is that of the whole computer; a share of it as large as the one of its cores is ours."""
    whole, all_cores = row.amount("cpu_ram", Decimal(0)), row.amount("cpu_cores", Decimal(0))
    share = cores / all_cores if all_cores > 0 else row.amount("gpu_frac", Decimal(0))
    return int(whole * min(share, Decimal(1)))


def _lasts(row: Fields) -> timedelta | None:
    if not row.has("duration"):
        return None
    return timedelta(seconds=int(min(row.amount("duration"), Decimal(10**9))))


def _capability(row: Fields) -> str:
    """890 is 8.9."""
    if not row.has("compute_cap"):
        return ""
    major, rest = divmod(int(row.amount("compute_cap")), 100)
    return f"{major}.{rest // 10}"


def _gigabytes(gib: int) -> int:
    whole = (Decimal(gib) * 2**30 / 10**9).to_integral_value(ROUND_CEILING)
    return max(int(whole), _LEAST_DISK_GB)


# the order -----------------------------------------------------------------------------------------------------------


def _order(plan: CreatePlan, bid: str) -> dict[str, object]:
    environment = {
        _SCRIPT: base64.b64encode(gzip.compress(plan.start_script.encode(), mtime=0)).decode(),
        _PUBLIC_KEY: ",".join(plan.public_key.split()),
    }
    if sum(len(name) + len(value) for name, value in environment.items()) > MOST_ENVIRONMENT:
        raise Refused(f"The start script is too long for {TITLE}.")
    return {
        "client_id": "me",
        "image": plan.image or IMAGE,
        "disk": _gigabytes(plan.offer.disk_gib),
        "label": plan.name,
        "runtype": "ssh_direc ssh_proxy",  # so the vendor's own client writes it
        "env": environment,
        "onstart": _ON_START,
        "cancel_unavail": True,
        "target_state": "running",
        "price": float(bid) if bid else None,  # a JSON number of six places at most
    }


# instances -----------------------------------------------------------------------------------------------------------


def _seen(row: Fields) -> Seen:
    address, port = _way_in(row)
    state = _state(row)
    return Seen(
        ref=Ref(str(row.whole("id"))),
        name=row.text("label", ""),
        state=state,
        is_billed=True,  # its disk is, whatever it does
        price=row.money("dph_total") if row.has("dph_total") else None,
        address=address if state is SeenState.RUNNING else "",
        port=port,
        host=str(row.whole("machine_id")) if row.has("machine_id") else "",
        detail=" ".join(row.text("status_msg", "").split())[:200],
    )


def _state(row: Fields) -> SeenState:
    contract = {row.text(name, "") for name in ("cur_state", "intended_status", "next_state")}
    if contract == {"stopped"}:  # it never began, or somebody has bid more; the status may say "loading" for ever
        return SeenState.STOPPED
    status = row.text("actual_status", "")
    if status in ("created", "loading") and _DEAD in row.text("status_msg", "").lower():
        return SeenState.FAILED
    return _STATES.get(status, SeenState.BOOTING)


def _way_in(row: Fields) -> tuple[str, int]:
    """The direct pair of address and port, else that of the proxy; never one half of each."""
    address, port = row.text("public_ipaddr", "").strip(), _direct_port(row)
    if address and port:
        return address, port
    if row.number("uptime_mins", Decimal(_PORTS_WITHIN)) < _PORTS_WITHIN:
        return "", 22
    address, port = row.text("ssh_host", "").strip(), int(row.number("ssh_port", Decimal(0)))
    return (address, port) if address and port else ("", 22)


def _direct_port(row: Fields) -> int:
    """0: not known yet."""
    ports = row.inner("ports") if row.has("ports") else None
    if ports is None or not ports.has("22/tcp"):
        return 0
    return next((int(each.number("HostPort", Decimal(0))) for each in ports.list("22/tcp")), 0)


def _environment(row: Fields) -> Mapping[str, str]:
    """A list of pairs; the specification has texts."""
    pairs = [each.content for each in row.list("extra_env")] if row.has("extra_env") else []
    split = [pair.partition("=")[::2] if isinstance(pair, str) else pair for pair in pairs]
    return {str(pair[0]): str(pair[1]) for pair in split if isinstance(pair, Sequence) and len(pair) == 2}


def _page(token: str) -> Mapping[str, str]:
    order = json.dumps([{"col": "id", "dir": "asc"}])
    asked = {"select_filters": "{}", "order_by": order, "limit": str(_PAGE)}
    return {**asked, "after_token": token} if token else asked


def _charges(since: datetime, token: str) -> Mapping[str, str]:
    """A day more at both ends: whose day it is there, is not said."""
    day = timedelta(days=1)
    bounds = {"gte": int((since - day).timestamp()), "lte": int((datetime.now(timezone.utc) + day).timestamp())}
    asked = {"select_filters": json.dumps({"day": bounds, "type": {"in": ["instance"]}}), "limit": "500"}
    return {**asked, "after_token": token} if token else asked


def _names(page: Fields) -> Mapping[str, object]:
    return page.content if isinstance(page.content, dict) else {}
