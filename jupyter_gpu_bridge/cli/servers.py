"""The Jupyter servers of this user that run on this computer, and what our extension in them answers.

Jupyter writes down where each of them is and its token. A token goes to this computer only: to a loopback address or
a Unix socket, in a header. A server that died costs nothing, one that hangs a few seconds.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from tornado.netutil import Resolver

_WITHIN = 5.0
_ALL_ADDRESSES = ("0.0.0.0", "::", "*", "")  # noqa: S104 - asked for, not listened at
_LARGEST = 1 << 20


class NotAsked(Exception):
    """Why there is no answer, as a sentence."""


class Silent(NotAsked):
    """It has not answered, and would not if it was asked again."""


class NotThere(NotAsked):
    """It has died, or knows nothing of us: nobody has to hear of it."""


@dataclass(frozen=True, slots=True)
class Server:
    address: str
    """Without anything secret."""
    folder: str
    socket: str
    """Of the file system; empty where it listens at a port."""
    token: str

    def __repr__(self) -> str:
        return f"<Server {self.address}>"

    @property
    def title(self) -> str:
        where = f"socket {self.socket}" if self.socket else self.address
        return f"Jupyter server in {self.folder} ({where})"

    async def ask(self, path: str, *, method: str = "GET", content: object = None) -> object:
        """What it answers; `None` where it has nothing to say. Raises `NotAsked`."""
        from tornado.httpclient import HTTPRequest
        from tornado.simple_httpclient import SimpleAsyncHTTPClient

        resolver = _to_socket(self.socket) if self.socket else None
        client = SimpleAsyncHTTPClient(force_instance=True, resolver=resolver, max_body_size=_LARGEST)
        request = HTTPRequest(
            self.address + path,
            method,
            headers={"Authorization": f"token {self.token}"},
            body=None if method == "GET" else json.dumps(content),
            connect_timeout=_WITHIN,
            request_timeout=_WITHIN,
            follow_redirects=False,
            validate_cert=False,  # it is on this computer, and its certificate seldom of that name
        )
        try:
            answer = await client.fetch(request, raise_error=False)
        except (ConnectionRefusedError, FileNotFoundError):
            raise NotThere("It has ended.") from None
        except Exception as error:  # whatever a program at that port may do
            raise Silent(f"It could not be asked ({type(error).__name__}: {error}).") from None
        finally:
            client.close()
        return _understood(answer.code, answer.reason, answer.body)


def running() -> Sequence[Server]:
    """Those of which Jupyter has written down that they run; in the order of their addresses."""
    from jupyter_core.paths import jupyter_runtime_dir

    written = [_read(path) for path in Path(jupyter_runtime_dir()).glob("jpserver-*.json")]
    found = [server for each in written if each is not None and (server := _server(each)) is not None]
    return sorted(found, key=lambda server: server.address)


def _read(path: Path) -> Mapping[str, Any] | None:
    """Of us, and of a process that lives."""
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_uid != os.getuid():
                return None
            said = json.load(file)
        os.kill(int(said["pid"]), 0)
    except (OSError, ValueError, TypeError, KeyError, OverflowError):
        return None
    return said if isinstance(said, dict) else None


def _server(said: Mapping[str, Any]) -> Server | None:
    """`None`: it cannot be reached without leaving this computer."""
    words = {name: str(said.get(name) or "") for name in ("url", "hostname", "base_url", "root_dir", "sock", "token")}
    base = f"/{words['base_url'].strip('/')}/".replace("//", "/")
    if words["sock"]:
        return Server(f"http://localhost{base}", words["root_dir"], words["sock"], words["token"])
    try:
        parts = urlsplit(words["url"])
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return None
    if words["hostname"] in _ALL_ADDRESSES:
        host = "127.0.0.1"
    if parts.scheme not in ("http", "https") or port is None or not _is_here(host):
        return None
    shown = f"[{host}]" if ":" in host else host
    return Server(f"{parts.scheme}://{shown}:{port}{base}", words["root_dir"], "", words["token"])


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _to_socket(path: str) -> Resolver:
    from tornado.netutil import Resolver

    class ToSocket(Resolver):
        def initialize(self) -> None:
            """There is nothing to find out."""

        async def resolve(self, host: str, port: int, family: Any = socket.AF_UNSPEC) -> list[tuple[int, Any]]:
            return [(int(socket.AF_UNIX), path)]

    return cast("Resolver", ToSocket())


def _understood(status: int, reason: str, body: bytes) -> object:
    if status == 404:
        raise NotThere("It does not load jupyter-gpu-bridge, or an older one.")
    try:
        said = json.loads(body or b"null")
    except ValueError:
        said = None
    if 200 <= status < 300:
        return said
    message = said.get("message") if isinstance(said, dict) else None
    raise NotAsked(f"It has refused: {message or f'{status} {reason}'}")


async def ask_all(
    servers: Sequence[Server], path: str, *, method: str = "GET", content: object = None
) -> Sequence[object | NotAsked]:
    """At the same time; for each of them what it answers, or why it does not."""

    async def one(server: Server) -> object | NotAsked:
        try:
            return await server.ask(path, method=method, content=content)
        except NotAsked as error:
            return error

    return await asyncio.gather(*(one(server) for server in servers))
