"""A real PostgreSQL of the tests' own, on a Unix socket in a folder of its own; a new database for whoever asks."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import pytest

from tests.missing_programs import find_program

_DEADLINE = 30.0
_USER = "postgres"
"""It refuses to run as root; Debian's package brings this user."""

# It need not survive a power cut: what is tested is what our code asks of it.
_SETTINGS = ("-c", "listen_addresses=", "-c", "fsync=off", "-c", "synchronous_commit=off")


class Postgres:
    """Within `with`, it accepts connections from this computer's users who may enter its folder."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="jgb-pg-", dir="/tmp"))  # a socket's path must be short
        self._log: list[str] = []
        self._ready = threading.Event()
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None

    def __enter__(self) -> Postgres:
        if os.getuid() == 0:
            shutil.chown(self._folder, _USER, _USER)
        data = str(self._folder / "data")
        subprocess.run(
            [*_as_user(), _program("initdb"), "-D", data, "-U", _USER, "-A", "trust", "-E", "UTF8", "--no-sync"],
            check=True,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            timeout=60,
        )
        self._process = subprocess.Popen(
            [*_as_user(), _program("postgres"), "-D", data, "-k", str(self._folder), *_SETTINGS],
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read_log, args=(self._process,), daemon=True)
        self._reader.start()
        if not self._ready.wait(_DEADLINE) or self._process.poll() is not None:
            self._stop()
            raise RuntimeError("PostgreSQL did not start:\n" + "\n".join(self._log[-20:]))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def url(self, database: str) -> str:
        return f"postgresql://{_USER}@/{database}?host={self._folder}"

    def new_database(self) -> str:
        """The URL of one that is empty."""
        name = f"t{uuid.uuid4().hex[:12]}"
        self.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def execute(self, statement: str, url: str | None = None) -> None:
        """In the database of this URL."""
        import psycopg

        with psycopg.connect(url or self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(2)  # its "fast" end: connections are cut
            process.wait(_DEADLINE)
        if self._reader is not None:
            self._reader.join(_DEADLINE)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _read_log(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None
        with process.stderr:
            for line in process.stderr:
                self._log.append(line.rstrip())
                if "ready to accept connections" in line:
                    self._ready.set()
        self._ready.set()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with Postgres() as server:
        yield server


def _program(name: str) -> str:
    found = find_program("postgres")
    if found is None:
        raise RuntimeError("PostgreSQL is not installed: the tests need the package postgresql")
    return str(Path(found).with_name(name))


def _as_user() -> list[str]:
    if os.getuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    assert setpriv is not None
    return [setpriv, f"--reuid={_USER}", f"--regid={_USER}", "--init-groups"]
