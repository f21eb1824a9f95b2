"""The sandbox cloud as a process that a test starts, kills, asks and disturbs; and the machines that it rents."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any

from jupyter_gpu_bridge.machine.carriers import Dialer, HostKey, SshTarget, pin
from jupyter_gpu_bridge.machine.carriers.openssh import OpenSshDialer
from jupyter_gpu_bridge.machine.carriers.paramiko_ssh import ParamikoDialer
from jupyter_gpu_bridge.model import CreatePlan, Need, Offer, Provider, Ref, Seen
from jupyter_gpu_bridge.providers.sandbox import Sandbox
from jupyter_gpu_bridge.sandbox.market import STOCK
from tests.sshd import make_key, public_half

DEADLINE = 20.0
REPOSITORY = Path(__file__).resolve().parents[2]


class SandboxCloud:
    """One cloud in a folder of its own. Only the test moves its clock, and machines boot at once."""

    program: Sequence[str] = ("-m", "jupyter_gpu_bridge.sandbox")
    """What Python runs; the folder follows."""

    is_apart = False
    """Ctrl-C in this terminal does not reach it: whoever has started it ends it, with its machines."""

    def __init__(
        self, *, boot_seconds: float = 0.0, rate: float = 0.0, idle_seconds: float = 600.0, stock: int = STOCK
    ) -> None:
        # Short, because Unix sockets are made below it.
        self.folder = Path(tempfile.mkdtemp(prefix="gs-", dir="/tmp"))
        self.options = ["--boot-seconds", str(boot_seconds), "--idle-seconds", str(idle_seconds)]
        self.options += ["--stock", str(stock)]
        self.process: subprocess.Popen[bytes] | None = None
        self.keys = self.folder / "keys"
        self.keys.mkdir()
        self.identity = make_key(self.keys / "identity")
        self.host_key = make_key(self.keys / "host_key")
        self._rate = rate

    def __enter__(self) -> SandboxCloud:
        self.start()
        self.clock(rate=self._rate)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    # its process ---------------------------------------------------------------------------------------------------

    @property
    def cloud(self) -> Path:
        """The folder that is the cloud's own."""
        return self.folder / "cloud"

    def start(self) -> None:
        """Returns when it can be asked."""
        with open(self.folder / "api.log", "ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *self.program, str(self.cloud), *self.options],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=REPOSITORY,
                start_new_session=self.is_apart,
            )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"ready\n", (self.folder / "api.log").read_text()

    def kill(self) -> None:
        """As a crash would, whoever has started it; the machines do not notice."""
        pid = int(self.api["pid"])
        os.kill(pid, signal.SIGKILL)
        give_up = time.monotonic() + DEADLINE
        while lives(pid):
            assert time.monotonic() < give_up, "the cloud does not die"
            time.sleep(0.005)
        self.bury()

    def end(self) -> None:
        """All machines as well, whoever started the process; nothing is left of it."""
        if not self._is_there():
            self.bury()
            self.start()
        self.control("POST", "end")
        give_up = time.monotonic() + DEADLINE
        while self._is_there():
            assert time.monotonic() < give_up, "the cloud does not end"
            time.sleep(0.01)
        self.bury()
        shutil.rmtree(self.folder, ignore_errors=True)

    def bury(self) -> None:
        """Wait for the process that we have started, which has ended or is about to."""
        if self.process is not None:
            self.process.wait(DEADLINE)
            assert self.process.stdout is not None
            self.process.stdout.close()
        self.process = None

    def _is_there(self) -> bool:
        try:
            self.control("GET", "clock")
        except (OSError, FileNotFoundError):
            return False
        return True

    # what it is asked ----------------------------------------------------------------------------------------------

    @property
    def api(self) -> dict[str, Any]:
        """Address and keys."""
        said: dict[str, Any] = json.loads((self.cloud / "api.json").read_bytes())
        return said

    def ask(self, method: str, path: str, body: object = None, *, key: str | None = None) -> tuple[int, Any]:
        """Status and content of an answer; raises `OSError` when there is none."""
        api = self.api
        request = urllib.request.Request(  # noqa: S310 - it is http, on this computer
            api["address"] + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {key or api['account_key']}"},
        )
        try:
            with urllib.request.urlopen(request, timeout=DEADLINE) as answer:  # noqa: S310
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read())

    def control(self, method: str, path: str, body: object = None) -> Any:
        status, content = self.ask(method, f"/control/{path}", body, key=self.api["control_key"])
        assert status < 400, content
        return content

    def clock(self, **change: float) -> float:
        """`advance_seconds`, `rate`; what it shows then. Whatever is due has happened."""
        return float(self.control("POST" if change else "GET", "clock", change or None)["seconds"])

    def advance(self, seconds: float) -> None:
        self.clock(advance_seconds=seconds)

    def fault(self, kind: str, **how: Any) -> None:
        """`calls`, `seconds`, `machine`, `verb`, `value`."""
        self.control("POST", "faults", {"kind": kind, **how})

    def mend(self) -> None:
        """No fault is switched on any more."""
        self.control("DELETE", "faults")

    def machines(self) -> Sequence[dict[str, Any]]:
        """The truth."""
        found: Sequence[dict[str, Any]] = self.control("GET", "machines")["machines"]
        return found

    def truth(self, ref: str) -> dict[str, Any]:
        """Of one machine, by id or name."""
        return next(each for each in self.machines() if ref in (each["machine_id"], each["name"]))

    def raise_price(self, ref: object, times: float = 2) -> None:
        self.control("POST", f"machines/{ref}/price", {"times": times})

    def log(self) -> Sequence[dict[str, Any]]:
        found: Sequence[dict[str, Any]] = self.control("GET", "log")["log"]
        return found

    def another_key(self) -> str:
        """Of a fresh account."""
        return str(self.control("POST", "accounts", {})["account_key"])

    def provider(self, **how: Any) -> Sandbox:
        return Sandbox(self.cloud, options=self.options, **how)

    def environment(self) -> Mapping[str, str]:
        """What leads an adapter here that does not find it by itself."""
        return {}

    # what is ordered -----------------------------------------------------------------------------------------------

    def plan(self, offer: Offer, name: str, script: str = "", limit: timedelta = timedelta(hours=8)) -> CreatePlan:
        """With our own host key, as the house does it."""
        put = f"cat > \"$GPU_BRIDGE_HOST_KEY\" <<'END'\n{self.host_key.read_text()}END\n"
        return CreatePlan(offer, name, public_half(self.identity) + " test", put + script, limit)

    def dialer(self, seen: Seen, carrier: str = "paramiko") -> Dialer:
        """To a machine that shows the host key that its plan gave it, and no other."""
        known_hosts = self.keys / "known_hosts"
        pin(known_hosts, seen.address, seen.port, HostKey.parse(public_half(self.host_key)))
        nothing = self.keys / "ssh_config"
        nothing.touch()
        target = SshTarget(
            "box", seen.address, known_hosts, seen.user, seen.port, str(self.identity), config_file=nothing
        )
        return OpenSshDialer(target) if carrier == "openssh" else ParamikoDialer(target)


@dataclass(frozen=True)
class Box:
    """One machine that runs, with its owner's way to ask for it."""

    cloud: SandboxCloud
    provider: Sandbox
    ref: Ref
    seen: Seen

    @property
    def folder(self) -> Path:
        """What of it is on this computer's disk."""
        return Path(self.cloud.truth(self.ref)["folder"])

    @property
    def home(self) -> Path:
        return self.folder / "disk" / "home"

    @property
    def own_key(self) -> str:
        """The one that it was given to end itself with."""
        return str(json.loads((self.folder / "disk" / "sandbox.json").read_bytes())["key"])

    def dialer(self, carrier: str = "paramiko") -> Dialer:
        return self.cloud.dialer(self.seen, carrier)

    def ask(self, method: str, path: str = "") -> tuple[int, Any]:
        """What its owner asks of the API and our `Provider` has no word for."""
        return self.cloud.ask(method, f"/v1/machines/{self.ref}{path}", key=key_of(self.provider))


@asynccontextmanager
async def account(cloud: SandboxCloud) -> AsyncIterator[Sandbox]:
    """A fresh one; what is rented in it is destroyed at the end."""
    provider = cloud.provider(account_key=cloud.another_key())
    try:
        yield provider
        cloud.mend()
        for seen in await provider.list():
            await provider.destroy(seen.ref)
    finally:
        await provider.close()


def key_of(provider: Sandbox) -> str:
    assert provider._account_key is not None
    return provider._account_key


async def order(cloud: SandboxCloud, provider: Sandbox, name: str, script: str = "", **how: Any) -> Ref:
    """The cheapest offer; returns when the cloud has said yes."""
    offer = min(await provider.offers(Need()), key=lambda each: each.price)
    return (await provider.create(cloud.plan(offer, name, script, **how))).ref


async def rent(cloud: SandboxCloud, provider: Sandbox, name: str = "gpu-bridge-box", script: str = "") -> Box:
    """A machine that can be entered."""
    ref = await order(cloud, provider, name, script)
    seen = await running(provider, ref)
    await until(lambda: is_open(seen))
    return Box(cloud, provider, ref, seen)


async def running(provider: Provider, ref: Ref) -> Seen:
    """As soon as it has an address."""
    give_up = time.monotonic() + DEADLINE
    while True:
        seen = await provider.get(ref)
        if seen is not None and seen.address:
            return seen
        assert time.monotonic() < give_up, f"it does not run: {seen}"
        await asyncio.sleep(0.02)


def is_open(seen: Seen) -> bool:
    """Whether its port takes connections."""
    with socket.socket() as probe:
        return probe.connect_ex((seen.address, seen.port)) == 0


async def until(condition: Callable[[], object], within: float = DEADLINE) -> None:
    give_up = time.monotonic() + within
    while not condition():
        assert time.monotonic() < give_up, "it did not become true in time"
        await asyncio.sleep(0.02)


def lives(pid: int) -> bool:
    """Whether such a process runs (and is not only waiting to be buried)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return False
    return stat[stat.rindex(b")") + 2 : stat.rindex(b")") + 3] != b"Z" and os.path.exists(f"/proc/{pid}")
