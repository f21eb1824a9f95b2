"""The way to a machine: the SSH servers that are entered one after another, as the user's ssh_config has it.

Where the system has `ssh`, it is asked (`ssh -G`), since nobody knows its configuration language better; elsewhere
paramiko reads the files. Both carriers follow the same route, so they agree on what a name means.
"""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from jupyter_gpu_bridge.errors import BadRequest, Unreachable
from jupyter_gpu_bridge.machine.carriers import hostkeys
from jupyter_gpu_bridge.machine.carriers.hostkeys import HostKey
from jupyter_gpu_bridge.machine.carriers.ssh_config import read_ssh_config
from jupyter_gpu_bridge.machine.carriers.target import SshTarget

_MOST_HOPS = 8
_DEADLINE = 10.0

Settings = Mapping[str, Sequence[str]]
"""What ssh_config says of one host: keyword in lower case, and each of its lines."""


@dataclass(frozen=True, slots=True)
class Hop:
    """One SSH server on the way; the last is the machine itself."""

    address: str
    host: str
    port: int
    user: str
    known_hosts_name: str
    """Under what name its key is looked up."""
    known_hosts_port: int
    """22 also where the name stands alone, as an alias of ssh_config does."""
    known_hosts: tuple[Path, ...]
    """The user's and the system's files, without ours."""
    user_known_hosts: tuple[Path, ...]
    identity_files: tuple[Path, ...]
    certificate_files: tuple[Path, ...]
    identities_only: bool
    identity_agent: str | None
    """Where the agent listens; `None`: where SSH_AUTH_SOCK says, empty: nowhere."""
    proxy_jump: str | None
    proxy_command: str | None
    ciphers_chosen: bool
    """Whether the user says in ssh_config how to encrypt."""
    own_identity: Path | None = None
    """The key file that the user gave us for this machine; also the first of `identity_files`."""

    def __str__(self) -> str:
        return self.host if self.port == 22 else f"{self.host} port {self.port}"


async def find_route(target: SshTarget) -> tuple[Hop, ...]:
    """The nearest server first, the machine last. Raises `BadRequest` for a configuration that makes no sense."""
    user, at, host = target.address.rpartition("@")
    last = await _resolve(target, host, target.user or (user if at else None), target.port, target.identity_file)
    route = [last]
    jumps = last.proxy_jump
    while jumps is not None:
        before, _, nearest = jumps.rpartition(",")
        route.insert(0, await _resolve(target, *_parse_jump(nearest)))
        # With several jumps in a list, the configuration of the later ones does not count, as in ssh itself.
        jumps = before or route[0].proxy_jump
        if len(route) > _MOST_HOPS:
            raise BadRequest(
                f"The way to {target.name} in your ssh_config goes over more than {_MOST_HOPS} hosts.",
                advice="Check its ProxyJump lines; they may lead in a circle.",
            )
    return tuple(route)


async def trusted_keys(target: SshTarget) -> tuple[HostKey, ...]:
    """Those that the machine itself may show; empty where an authority vouches for it instead."""
    last = (await find_route(target))[-1]
    return hostkeys.trusted((target.known_hosts, *last.known_hosts), last.known_hosts_name, last.known_hosts_port)


def _parse_jump(jump: str) -> tuple[str, str | None, int | None]:
    """`[user@]host[:port]` or `ssh://[user@]host[:port]`."""
    user, at, place = jump.strip().removeprefix("ssh://").rstrip("/").rpartition("@")
    host, port = place, ""
    if place.startswith("["):
        host, _, rest = place[1:].partition("]")
        port = rest.removeprefix(":")
    elif place.count(":") == 1:
        host, _, port = place.partition(":")
    if not host or host.startswith("-") or (port and not port.isdigit()):
        raise BadRequest(f"ProxyJump “{jump}” in your ssh_config is not a host.", advice="Correct that line.")
    return host, (user if at else None), (int(port) if port else None)


async def _resolve(
    target: SshTarget, address: str, user: str | None, port: int | None, identity_file: str | None = None
) -> Hop:
    binary = shutil.which("ssh")
    if binary is None:
        settings = await asyncio.to_thread(read_ssh_config, target, address, user, port)
        defaults: Settings = {}
    else:
        settings = await _ask_ssh(binary, target, address, user, port)
        defaults = await _ask_ssh(binary, replace(target, config_file=Path("none")), "localhost", None, None)
    return _hop(settings, defaults, address, user, port, identity_file)


def _hop(
    settings: Settings,
    defaults: Settings,
    address: str,
    user: str | None,
    port: int | None,
    identity_file: str | None,
) -> Hop:
    def first(keyword: str) -> str | None:
        value = next(iter(settings.get(keyword, ())), None)
        return None if value is None or value.lower() == "none" else value

    host = first("hostname") or address
    found_port = port or _port(first("port") or "22", address)
    found_user = user or first("user") or getpass.getuser()
    tokens = {
        "%%": "%", "%d": str(Path.home()), "%h": host, "%i": str(os.getuid()), "%n": address,
        "%p": str(found_port), "%r": found_user, "%u": getpass.getuser(),
    }  # fmt: skip

    def path(text: str) -> Path:
        return Path(os.path.expandvars(_expand(text.strip('"'), tokens))).expanduser()

    def expanded(keyword: str) -> str | None:
        value = first(keyword)
        return None if value is None else _expand(value, tokens)

    def paths(keyword: str, default: str = "") -> tuple[Path, ...]:
        lines = settings.get(keyword) or [default]
        return tuple(path(word) for line in lines for word in line.split() if word.lower() != "none")

    own: Path | None = None
    if identity_file:
        # What there is by this very name is meant, whatever a `%` or `$` in it could stand for.
        own = Path(identity_file) if os.path.exists(identity_file) else path(identity_file)
    configured = tuple(path(each) for each in settings.get("identityfile", ()) if each.lower() != "none")
    agent = first("identityagent")
    if "identityagent" in settings and agent is None:
        agent = ""  # `none`
    elif agent == "SSH_AUTH_SOCK":
        agent = None
    elif agent is not None:
        agent = str(path(os.environ.get(agent[1:], "") if agent.startswith("$") else agent))
    alias = first("hostkeyalias")
    user_known_hosts = paths("userknownhostsfile", "~/.ssh/known_hosts ~/.ssh/known_hosts2")
    return Hop(
        address=address,
        host=host,
        port=found_port,
        user=found_user,
        known_hosts_name=alias or host.lower(),
        known_hosts_port=22 if alias else found_port,
        known_hosts=user_known_hosts
        + paths("globalknownhostsfile", "/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2"),
        user_known_hosts=user_known_hosts,
        identity_files=configured if own is None else (own, *configured),
        certificate_files=tuple(path(each) for each in settings.get("certificatefile", ())),
        identities_only=own is not None or (first("identitiesonly") or "no") == "yes",
        identity_agent=agent,
        proxy_jump=expanded("proxyjump"),
        proxy_command=expanded("proxycommand"),
        ciphers_chosen=settings.get("ciphers", []) != defaults.get("ciphers", []),
        own_identity=own,
    )


def _port(text: str, address: str) -> int:
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise BadRequest(f"Your ssh_config gives {address} the port “{text}”.", advice="Give a number up to 65535.")
    return int(text)


def _expand(text: str, tokens: Mapping[str, str]) -> str:
    parts = []
    at = 0
    while at < len(text):
        pair = text[at : at + 2]
        parts.append(tokens.get(pair, text[at]))
        at += 2 if pair in tokens else 1
    return "".join(parts)


async def _ask_ssh(
    binary: str, target: SshTarget, address: str, user: str | None, port: int | None
) -> dict[str, list[str]]:
    argv = [binary, "-G", "-T"]
    if target.config_file is not None:
        argv += ["-F", str(target.config_file)]
    if user is not None:
        argv += ["-l", user]
    if port is not None:
        argv += ["-p", str(port)]
    process = await asyncio.create_subprocess_exec(
        *argv,
        "--",
        address,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        out, said = await asyncio.wait_for(process.communicate(), _DEADLINE)
    except asyncio.TimeoutError:
        raise Unreachable(
            f"Reading your ssh_config for {target.name} took more than {_DEADLINE:.0f} seconds.",
            advice=f"Try `ssh -G {address}`: a `Match exec` line or a name server may hang.",
        ) from None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode != 0:
        lines = [line.strip() for line in said.decode(errors="replace").splitlines() if line.strip()]
        raise BadRequest(
            f"ssh does not understand how to reach {target.name}: {'; '.join(lines[-3:])}.",
            advice=f"Try `ssh -G {address}` and correct your ssh_config.",
        )
    settings: dict[str, list[str]] = {}
    for line in out.decode(errors="replace").splitlines():
        keyword, _, value = line.partition(" ")
        settings.setdefault(keyword.lower(), []).append(value.strip())
    return settings
