"""Kernels of every kind, started and held in the same way, and a real client for each."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from queue import Empty, Queue
from types import TracebackType
from typing import Any

import psutil
from jupyter_client.blocking.client import BlockingKernelClient

from benchmarks import owner
from tests.compatibility.conversation import Ran, run
from tests.compatibility.world import REPOSITORY, SSHPYK_PYTHON, Kind, World

_DEADLINE = 120.0


class OwnerFailed(RuntimeError):
    """The process that owns the kernels could not do what it was asked."""


class Owner:
    """Our end of the process that owns the kernels of one kind."""

    def __init__(self, world: World, kind: Kind) -> None:
        self.kind = kind
        self.world = world
        self.kernel_name = world.kernel_name(kind)
        self._count = 0
        self._turn = threading.Lock()
        self._answers: Queue[str] = Queue()
        self._log = (world.folder / f"owner-{kind.value}.log").open("ab")

    def __enter__(self) -> Owner:
        python, registrars = sys.executable, ["tests.compatibility.plain_ssh"]
        if self.kind is Kind.SSHPYK:
            if not SSHPYK_PYTHON.exists():
                raise OwnerFailed("sshpyk is not there; install the peers with: python -m benchmarks.peers")
            python, registrars = str(SSHPYK_PYTHON), []
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
        self._process = subprocess.Popen(
            [python, owner.__file__, *registrars],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env=environment,
            cwd=self.world.folder,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(_DEADLINE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        self._log.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    def request(self, verb: str, kernel: int, **fields: Any) -> dict[str, Any]:
        with self._turn:
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps({"verb": verb, "kernel": kernel, **fields}) + "\n")
            self._process.stdin.flush()
            try:
                answer: dict[str, Any] = json.loads(self._answers.get(timeout=_DEADLINE) or "{}")
            except Empty:
                answer = {"error": f"no answer within {_DEADLINE:.0f} s"}
        if not answer or "error" in answer:
            raise OwnerFailed(
                f"{self.kind.value}: {verb}: {answer.get('error', 'the process ended')}\n{self._last_words()}"
            )
        return answer

    def start(self) -> Kernel:
        """A new kernel; `with` ends it."""
        self._count += 1
        self.request("start", self._count, name=self.kernel_name, cwd=str(self.world.folder))
        return Kernel(self, self._count)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._answers.put(line)
        self._answers.put("")

    def _last_words(self) -> str:
        self._log.flush()
        return (self.world.folder / f"owner-{self.kind.value}.log").read_text(errors="replace")[-2000:]


class Kernel:
    """One running kernel. Clients made here are real ones, on sockets of their own."""

    def __init__(self, owner: Owner, number: int) -> None:
        self._owner = owner
        self._number = number
        self.kind = owner.kind
        self._clients: list[BlockingKernelClient] = []

    def __enter__(self) -> Kernel:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for client in self._clients:
            client.stop_channels()
        self._owner.request("kill", self._number)

    def state(self) -> dict[str, Any]:
        return self._owner.request("state", self._number)

    def interrupt(self) -> None:
        self._owner.request("interrupt", self._number)

    def restart(self) -> None:
        self._owner.request("restart", self._number)

    @property
    def connection_file(self) -> str:
        return str(self.state()["connection_file"])

    def client(self) -> BlockingKernelClient:
        """A client that has just connected; requests can be sent at once."""
        client = BlockingKernelClient(connection_file=self.connection_file)
        client.load_connection_file()
        client.start_channels(hb=False)
        self._clients.append(client)
        return client

    def ready_client(self) -> BlockingKernelClient:
        """A client that has heard the kernel on all its channels, so that no output can be missed."""
        client = self.client()
        client.wait_for_ready(timeout=60)
        run(client, "pass")
        return client

    def pid(self, client: BlockingKernelClient) -> int:
        return int(run(client, "import os; print(os.getpid())").stdout)


@contextmanager
def owners(world: World, kinds: list[Kind]) -> Iterator[list[Owner]]:
    """One owner for each kind, all alive at the same time."""
    with ExitStack() as stack:
        yield [stack.enter_context(Owner(world, kind)) for kind in kinds]


def is_alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def measure_run(client: BlockingKernelClient, code: str, deadline: float = _DEADLINE) -> tuple[float, Ran]:
    """Seconds from asking until the cell was idle here, and what came of it."""
    begun = time.perf_counter()
    ran = run(client, code, deadline=deadline)
    return time.perf_counter() - begun, ran
