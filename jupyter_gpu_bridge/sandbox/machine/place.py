"""Where a machine has its things; the disk is removed when the machine is."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from jupyter_gpu_bridge.files import replace_file

HOST_KEY = "GPU_BRIDGE_HOST_KEY"
USER = "sandbox"


@dataclass(frozen=True, slots=True)
class Setup:
    """What the cloud tells a machine as it boots."""

    machine_id: str
    mark: str
    public_key: str
    """Lines of authorized_keys; more may come: see `Place.let_in`."""
    start_script: str
    environment: dict[str, str]
    login: str
    api: str
    key: str
    port: int
    """The one it had before; 0: any."""
    has_ssh: bool
    has_python: bool
    longest: float
    """After so many real seconds it ends by itself, in case the cloud is no more."""


@dataclass(frozen=True, slots=True)
class News:
    """What a machine says of itself."""

    pid: int = 0
    port: int = 0
    phase: str = "new"
    """`booting`, `ready`, `off`."""
    detail: str = ""


class Place:
    """The folder of one machine: `disk` is what the machine sees; the rest is the cloud's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.disk = folder / "disk"
        self.home = self.disk / "home"
        self.programs = self.disk / "bin"
        self.temporary = self.disk / "tmp"
        self.host_key = self.disk / "host_key"
        self.credentials = self.disk / "sandbox.json"
        self.start_script = self.disk / "start.sh"
        self.console = folder / "console.log"

    @property
    def sockets(self) -> Path:
        """Short, since paths of sockets end at about a hundred bytes, and the user's folder may be deep."""
        return Path("/tmp") / f"gpbs-{os.getuid()}-{self.folder.name}"  # noqa: S108 - made private, by a random name

    def make(self) -> None:
        for folder in (self.folder, self.disk, self.home, self.programs, self.temporary, self.sockets):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.sockets.is_symlink() or self.sockets.lstat().st_uid != os.getuid():
            raise PermissionError(13, f"{self.sockets} belongs to somebody else")

    def remove(self) -> None:
        """Whatever is there of it."""
        for folder in (self.sockets, self.folder):
            if not folder.is_symlink():
                shutil.rmtree(folder, ignore_errors=True)

    def tell(self, setup: Setup) -> None:
        replace_file(self.folder / "setup.json", json.dumps(asdict(setup)).encode())
        self.let_in(setup.public_key)

    def let_in(self, public_keys: str) -> None:
        """Who may enter from now on; on the cloud's side of the folder, where the machine cannot change it."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_file(self.folder / "authorized_keys", public_keys.encode())

    def keys(self) -> Sequence[str]:
        """Type and content of each key that may enter now."""
        lines = (self.folder / "authorized_keys").read_text().splitlines()
        return [" ".join(line.split()[:2]) for line in lines]

    def told(self) -> Setup:
        return Setup(**json.loads((self.folder / "setup.json").read_bytes()))

    def say(self, news: News) -> None:
        replace_file(self.folder / "news.json", json.dumps(asdict(news)).encode())

    def forget_news(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            (self.folder / "news.json").unlink()

    def heard(self) -> News:
        try:
            return News(**json.loads((self.folder / "news.json").read_bytes()))
        except FileNotFoundError:
            return News()
