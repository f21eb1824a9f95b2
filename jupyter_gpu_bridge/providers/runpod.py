"""RunPod: REST v2, and GraphQL for what that lacks, which is the account, its balance, and an order with a time limit.

A pod has no start script of its own, so ours travels in its environment, and a command that runs it and then the
image's own start, which opens SSH, takes the place of what the image would run.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import itertools
import json
import os
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import ClassVar
from urllib.parse import quote, urlsplit

from jupyter_gpu_bridge import gpus
from jupyter_gpu_bridge.errors import BadRequest, KeyBad, KeyForbidden, Refused, Unclear
from jupyter_gpu_bridge.keys import RUNPOD, KeyInUse, KeyPlace
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
from jupyter_gpu_bridge.providers import dates, settings
from jupyter_gpu_bridge.providers.answers import Fields
from jupyter_gpu_bridge.providers.http import HttpClient
from jupyter_gpu_bridge.providers.runpod_refusals import TITLE, data_of, refusal

NAME = "runpod"
ADDRESS = "https://api.runpod.io"
IMAGE = "runpod/pytorch:1.0.2-cu1281-torch280-ubuntu2404"
CUDA = "12.8"
"""What that image needs of the host's driver."""
DISK_GIB = 20
DISK_PRICE = Decimal("0.10") / 730
"""Dollars per hour for each GB of a container's disk while it runs; the price list says it per month."""

settings.api_paths(NAME, "/v2", "/graphql")

_GRAPHQL = "graphql"
"""The part that may have an address of its own."""

_LOG_LINES = 40
"""No more of them are kept; see `rentals/harmless.py`."""
_LOG_WITHIN = 2.5
"""Seconds: whether the stream ends by itself is not known."""
_CLOUDS = ("SECURE", "COMMUNITY")
_COUNTS = (1, 2, 4, 8)
_STATES = {
    "PROVISIONING": SeenState.BOOTING,
    "STARTING": SeenState.BOOTING,
    "RUNNING": SeenState.RUNNING,
    "EXITED": SeenState.STOPPED,
    "ERROR": SeenState.FAILED,
}
_GONE = "TERMINATED"

_MYSELF = "query { myself { id email clientBalance } }"
_CREATE = (
    "mutation createPod($input: PodFindAndDeployOnDemandInput!) { podFindAndDeployOnDemand(input: $input) { id } }"
)
_TERMINATE = '{"query":"mutation($id:String!){podTerminate(input:{podId:$id})}","variables":{"id":"{RUNPOD_POD_ID}"}}'

_SCRIPT = "GPU_BRIDGE_START"
_COMMAND = "; ".join(
    [
        f'( eval "$(printf %s "${_SCRIPT}" | base64 -d | gzip -dc)" )',
        f"unset {_SCRIPT}",
        "[ ! -x /start.sh ] || exec /start.sh",
        "mkdir -p ~/.ssh /run/sshd",
        'echo "$PUBLIC_KEY" >>~/.ssh/authorized_keys',
        "chmod 700 ~/.ssh",
        "chmod 600 ~/.ssh/authorized_keys",
        "command -v sshd || { apt-get update && apt-get install -y openssh-server; } || apk add openssh",
        'exec "$(command -v sshd || echo /usr/sbin/sshd)" -D',
    ]
)


class RunPod:
    """`key`, `address`: without them, the key from where it is kept, and the address from the environment."""

    name = NAME
    key: ClassVar[KeyPlace] = RUNPOD
    rate: ClassVar[str] = "60/min"

    def __init__(self, *, key: str | None = None, address: str | None = None, limits_at_create: bool = True) -> None:
        """Without `limits_at_create`, pods are ordered by REST, which takes no limit, and not by GraphQL."""
        self._given_key = key
        self._key = KeyInUse(RUNPOD)
        self._address = _sound(address or _address())
        self._clients: dict[tuple[str, str], HttpClient] = {}
        """By key and part: a new key may be given while the old one is in use."""
        self.traits = Traits(
            title=TITLE,
            removal=(
                SelfRemovalCall("DELETE", f"{self._address}/v2/pods/{{RUNPOD_POD_ID}}", "RUNPOD_API_KEY"),
                SelfRemovalCall(
                    "POST", f"{_graphql(self._address)}/graphql", "RUNPOD_API_KEY", body_template=_TERMINATE
                ),
            ),
            limits_at_create=limits_at_create,
            tells_bill=True,
            tells_log=True,
            bills_stopped=False,
            boot_limit=timedelta(minutes=20),
            login_limit=timedelta(minutes=5),
            console="https://console.runpod.io/pods",
        )

    async def check(self) -> Account:
        async with self._http() as http:
            await http.read("/v2/account/ssh-keys")
        async with self._http(_GRAPHQL) as http:
            answer = await http.read("/graphql", content={"query": _MYSELF, "variables": {}}, also=(400,))
            fields = data_of(answer).inner("myself")
        mark = hashlib.sha256(f"{NAME} {fields.text('id')}".encode()).hexdigest()[:16]
        balance = fields.money("clientBalance") if fields.has("clientBalance") else None
        return Account(mark, fields.text("email", ""), balance)

    async def offers(self, need: Need) -> Sequence[Offer]:
        """What makes no sense costs its own GPU, and no answer its own cloud; all of them, the answer."""
        named, disk = _counts_named(need), max(DISK_GIB, need.disk_gib)
        now = datetime.now(timezone.utc)
        found: list[Offer] = []
        trouble: Unclear | None = None
        for count, cloud in itertools.product(named or [max(1, need.gpu_count)], _CLOUDS):
            try:
                sold = await self._sold(cloud, count)
            except Unclear as error:
                sold, trouble = [], error
            for gpu in sold:
                try:
                    found += list(_offers(gpu, cloud, count, disk, now, is_named=bool(named)))
                except Unclear as error:
                    trouble = error
        if trouble is not None and not found:
            raise trouble
        return found

    async def create(self, plan: CreatePlan) -> Created:
        cloud, count, place, gpu = _parts(plan.offer.offer_id)
        image, cuda = plan.image or IMAGE, _cuda(plan, gpu)
        variables = {
            "PUBLIC_KEY": plan.public_key.strip(),
            _SCRIPT: _packed(plan.start_script),
            "GPU_BRIDGE_NAME": plan.name,
        }
        disk = plan.offer.disk_gib or DISK_GIB
        command = f"sh -c '{_COMMAND}'"
        if self.traits.limits_at_create:
            asked: dict[str, object] = {
                "name": plan.name,
                "imageName": image,
                "cloudType": cloud,
                "gpuTypeId": gpu,
                "gpuCount": count,
                "containerDiskInGb": disk,
                "volumeInGb": 0,
                "ports": "22/tcp",
                "supportPublicIp": True,
                "startSsh": False,
                "startJupyter": False,
                "dockerArgs": command,
                "env": [{"key": name, "value": value} for name, value in variables.items()],
                "terminateAfter": _moment(dates.now() + plan.limit),
            }
            asked |= {"dataCenterId": place} if place else {}
            asked |= {"minCudaVersion": cuda} if cuda else {}
            content = {"query": _CREATE, "variables": {"input": asked}}
            async with self._http(_GRAPHQL) as http:
                data = data_of(await http.once("POST", "/graphql", content, refusal=refusal))
            return Created(Ref(data.inner("podFindAndDeployOnDemand").text("id")))
        what: dict[str, object] = {"id": gpu, "count": count}
        what |= {"minCudaVersion": cuda} if cuda else {}
        order: dict[str, object] = {
            "name": plan.name,
            "image": image,
            "cloud": cloud,
            "gpu": what,
            "disk": disk,
            "ports": ["22/tcp"],
            "env": variables,
            "args": command,
        }
        order |= {"dataCenterIds": [place]} if place else {}
        async with self._http() as http:
            answer = await http.once("POST", "/v2/pods", order, refusal=refusal)
        return Created(Ref(answer.fields.text("id")))

    async def get(self, ref: Ref) -> Seen | None:
        async with self._http() as http:
            answer = await http.read(f"/v2/pods/{quote(ref, safe='')}", also=(404,))
        if answer.status == 404 or answer.fields.text("status", "") == _GONE:
            return None
        return _seen(answer.fields)

    async def list(self) -> Sequence[Seen]:
        async with self._http() as http:
            answer = await http.read("/v2/pods")
        there = [each for each in answer.fields.list("pods") if each.text("status", "") != _GONE]
        return [seen for seen in map(_seen, there) if seen.name.startswith(MACHINE_PREFIX)]

    async def destroy(self, ref: Ref) -> None:
        async with self._http() as http:
            await http.destroy(f"/v2/pods/{quote(ref, safe='')}")

    async def bill(self, ref: Ref, since: datetime) -> Money:
        days = (datetime.now(timezone.utc) - since).days + 2
        asked = {"bucketSize": "day", "lastN": str(max(days, 2)), "podId": str(ref)}
        async with self._http() as http:
            records = (await http.read("/v2/billing/pods", asked)).fields.list("records")
        return sum((each.money("totalAmount") for each in records if each.text("podId") == ref), Money())

    async def last_lines(self, ref: Ref) -> str:
        """A stream of events, which goes on when it has told what there was."""
        path, asked = f"/v2/pods/{quote(ref, safe='')}/logs", {"tail": str(_LOG_LINES)}
        async with self._http() as http:
            events = await http.first_lines(
                path, asked, beginning="data:", lines=_LOG_LINES, within=_LOG_WITHIN, also=(404,)
            )
        return "\n".join(_line(each.removeprefix("data:")) for each in events)

    async def close(self) -> None:
        clients, self._clients = list(self._clients.values()), {}
        for client in clients:
            await client.close()

    async def _sold(self, cloud: str, count: int) -> Sequence[Fields]:
        asked = {"include": "AVAILABILITY", "product": "POD", "count": str(count), "cloud": cloud}
        async with self._http() as http:
            return (await http.read("/v2/catalog/gpus", asked)).fields.list("gpus")

    @asynccontextmanager
    async def _http(self, part: str = "") -> AsyncIterator[HttpClient]:
        """With the key that there is now; one that is refused is looked for anew."""
        key = self._given_key or (await self._key.now()).reveal()
        if (key, part) not in self._clients:
            headers = {"Authorization": f"Bearer {key}"}
            self._clients[key, part] = HttpClient(
                TITLE, self._address, part=part, headers=headers, secrets=[key], rate=self.rate
            )
        try:
            yield self._clients[key, part]
        except (KeyBad, KeyForbidden):
            self._key.refused()
            raise


# where it is ---------------------------------------------------------------------------------------------------------


def _address() -> str:
    return os.environ.get("RUNPOD_BASE_URL") or os.environ.get("RUNPOD_API_BASE_URL") or ADDRESS


def _graphql(usual: str) -> str:
    """For a machine; what makes no sense there is said with each call of ours."""
    try:
        return settings.without_api(NAME, settings.base_url(NAME, usual, _GRAPHQL))
    except BadRequest:
        return usual


def _sound(said: str) -> str:
    address = settings.without_api(NAME, said)
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/") or parts.query:
        raise BadRequest(
            f"{said!r} is no address of RunPod.", advice="RUNPOD_BASE_URL has a scheme and a host, and no other path."
        )
    return address


# what is for sale ----------------------------------------------------------------------------------------------------


def _counts_named(need: Need) -> Sequence[int]:
    """How many GPUs the offers have that somebody names: only who is asked for so many says where they are."""
    named = [
        each.split(":")[2] for each in need.offers if each.casefold().startswith(f"{NAME}:") and each.count(":") > 3
    ]
    return sorted({int(count) for count in named if re.fullmatch("[1-9][0-9]?", count)})


def _offers(
    gpu: Fields, cloud: str, count: int, disk: int, now: datetime, *, is_named: bool = False
) -> Iterator[Offer]:
    """One for each data centre that has some; larger ones than were asked for without a place, their stock unknown.

    `is_named`: one of so many GPUs is, so whatever it was shown for is found: also without a place, and none larger.
    """
    prices, most = gpu.inner("price"), gpu.inner("maxCount") if gpu.has("maxCount") else Fields(TITLE, {})
    word = cloud.lower()
    if not gpu.truth(word, True) or gpu.text("availability", "") == "NONE" or gpu.text("id") == "unknown":
        return
    if not prices.has(word) or prices.money(word) <= Money():
        return
    largest = most.count(word, count)
    places = gpu.list("dataCenters") if gpu.has("dataCenters") else []
    here = [(each.text("id"), each.text("availability", "")) for each in places]
    here = [(place, stock) for place, stock in here if stock != "NONE"] or [("", gpu.text("availability", ""))]
    rows = [(count, place, stock) for place, stock in here] if count <= largest else []
    if is_named and rows and rows[0][1]:
        rows.append((count, "", gpu.text("availability", "")))
    elif not is_named:
        rows += [(more, "", "") for more in _COUNTS if count < more <= largest]
    sold_as, memory = gpu.text("id"), gpu.count("memory", 0) * 1024
    model = gpus.identify(sold_as, memory_mib=memory, provider=NAME)
    cuda = _newest_cuda(gpu)
    for number, place, stock in rows:
        yield Offer(
            provider=NAME,
            offer_id=f"{cloud}:{number}:{place}:{sold_as}",
            gpu=model.title,
            gpu_count=number,
            gpu_memory_mib=model.memory_mib or memory,
            price=prices.money(word) * number + _disk_price(disk),
            region=place,
            disk_gib=disk,
            sold_as=sold_as,
            tier=word,
            stock=stock.lower(),
            cuda=cuda,
            needs_image=_is_of_amd(sold_as) or (bool(cuda) and _version(cuda) < _version(CUDA)),
            seen=now,
        )


def _disk_price(gib: int) -> Money:
    return Money.parse(DISK_PRICE * gib)


def _newest_cuda(gpu: Fields) -> str:
    versions = gpu.list("cudaVersions") if gpu.has("cudaVersions") else []
    found = [each.text("version", "") for each in versions if each.truth("available", False)]
    return max((each for each in found if re.fullmatch(r"\d{1,4}\.\d{1,4}", each)), key=_version, default="")


def _version(text: str) -> tuple[int, int]:
    """The first two parts, which is what RunPod takes."""
    major, minor, *_ = [*text.split("."), "0"]
    return int(major), int(minor)


def _is_of_amd(sold_as: str) -> bool:
    """It has no CUDA, and which image for ROCm would be good there is not known."""
    return sold_as.startswith("AMD")


def _parts(offer_id: str) -> tuple[str, int, str, str]:
    """Cloud, count, data centre and GPU."""
    words = offer_id.split(":", 3)
    if len(words) != 4 or words[0] not in _CLOUDS or not words[1].isdigit():
        raise Refused(f"{offer_id!r} is no offer of {TITLE}.", advice="Search again. Nothing was rented.")
    return words[0], int(words[1]), words[2], words[3]


# what is ordered -----------------------------------------------------------------------------------------------------


def _cuda(plan: CreatePlan, gpu: str) -> str:
    """The least that the host's driver has to take: what is demanded, and what our image needs. Raises `Refused`."""
    if _is_of_amd(gpu):
        if plan.image is None:
            raise Refused(f"{gpu} has no CUDA, and {IMAGE} needs it.", advice="Name an image for ROCm: --image")
        return ""
    asked = [*([CUDA] if plan.image in (None, IMAGE) else []), *([plan.cuda] if plan.cuda else [])]
    return ".".join(map(str, max(map(_version, asked)))) if asked else ""


def _packed(script: str) -> str:
    return base64.b64encode(gzip.compress(script.encode(), mtime=0)).decode()


def _moment(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


# what is there -------------------------------------------------------------------------------------------------------


def _seen(pod: Fields) -> Seen:
    status = pod.text("status", "")
    cost = pod.money("cost") if pod.has("cost") else None
    host, port, user = _way_in(pod) if status == "RUNNING" else ("", 22, "root")
    return Seen(
        ref=Ref(pod.text("id")),
        name=_name(pod),
        state=_STATES.get(status, SeenState.FAILED),
        is_billed=status != "EXITED" or bool(cost),
        price=cost or None,
        address=host,
        port=port,
        user=user,
        detail="" if status in _STATES and status != "ERROR" else f"RunPod says {status or 'nothing'}",
    )


def _line(event: str) -> str:
    """Of the log; an event in another form is shown as it is."""
    try:
        content = json.loads(event)
    except (ValueError, RecursionError):
        return event.strip()
    line = content.get("line") if isinstance(content, dict) else None
    return line.rstrip("\r\n") if isinstance(line, str) else event.strip()


def _name(pod: Fields) -> str:
    """Also of one that somebody has renamed. Raises `Unclear` when the answer has a hole there."""
    if pod.has("env"):
        ours = pod.inner("env").text("GPU_BRIDGE_NAME", "")
        if ours:
            return ours
        return pod.text("name", "")
    return pod.text("name")


def _way_in(pod: Fields) -> tuple[str, int, str]:
    """Late, and what a pod that does not run shows of it is old."""
    ssh = pod.inner("ssh") if pod.has("ssh") else Fields(TITLE, {})
    if ssh.has("direct"):
        direct = ssh.inner("direct")
        if direct.has("host") and direct.has("port"):
            return direct.text("host"), direct.whole("port"), direct.text("username", "root")
    runtime = pod.inner("runtime") if pod.has("runtime") else Fields(TITLE, {})
    for each in runtime.list("ports") if runtime.has("ports") else []:
        if each.has("private") and each.whole("private") == 22 and each.has("public") and each.has("ip"):
            return each.text("ip"), each.whole("public"), "root"
    return "", 22, "root"
