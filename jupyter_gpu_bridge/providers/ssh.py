"""Own hosts as machines: what the user may say about one, and how it is named."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

from jupyter_gpu_bridge.errors import BadRequest
from jupyter_gpu_bridge.model import CarrierChoice, Host, MachineRef
from jupyter_gpu_bridge.naming import check_name, check_text

PROVIDER = "ssh"

_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_IPV6 = re.compile(r"[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(%[A-Za-z0-9._-]+)?")
_USER = re.compile(r"[A-Za-z0-9._][A-Za-z0-9._@\\+-]*")
"""No leading dash, space, quote or expansion: these words go into ssh's command line and into ProxyCommand."""

_ADVICE = "Write host, user@host, user@host:port, [IPv6]:port, or an alias of your ssh_config."


def machine_ref(host: Host) -> MachineRef:
    return MachineRef(PROVIDER, host.name)


def parse_address(text: str) -> tuple[str | None, str, int | None]:
    """User, host and port of `[user@]host[:port]`; raises `BadRequest`."""
    rest = text.removeprefix("ssh://").removesuffix("/") if text.startswith("ssh://") else text
    user, at, place = rest.rpartition("@")
    if rest.startswith("["):
        user, at, place = "", "", rest
    address, port = _split_port(place, text)
    _check_address(address, text)
    if at:
        _check_user(user, text)
    return user or None, address, port


def checked(host: Host) -> Host:
    """The host with its paths made absolute; raises `BadRequest` when it could not be used."""
    check_name(host.name, "host")
    _check_address(host.address, host.address)
    if host.user is not None:
        _check_user(host.user, host.user)
    if host.port is not None and not 1 <= host.port <= 65535:
        raise BadRequest(f"{host.port} is not a port.", advice="A port is a number from 1 to 65535.")
    if host.carrier not in get_args(CarrierChoice):
        raise BadRequest(f"There is no carrier {host.carrier!r}.", advice=f"Use {', '.join(get_args(CarrierChoice))}.")
    if host.python is not None and check_text(host.python, "Python").startswith("-"):
        raise BadRequest(f"{host.python!r} is not a path of Python.", advice="Give its path on the machine.")
    return Host(host.name, host.address, host.user, host.port, _identity(host.identity_file), host.python, host.carrier)


def _identity(name: str | None) -> str | None:
    if name is None:
        return None
    return str(Path(check_text(name, "identity file")).expanduser().absolute())


def _split_port(place: str, text: str) -> tuple[str, int | None]:
    if place.startswith("["):
        address, closed, rest = place[1:].partition("]")
        if not closed or (rest and not rest.startswith(":")):
            raise BadRequest(f"{text!r} is not an address.", advice=_ADVICE)
        port = rest[1:] if rest else None
    elif place.count(":") == 1:
        address, _, port = place.partition(":")
    else:
        return place, None
    if port is None:
        return address, None
    if not (port.isascii() and port.isdigit() and 1 <= int(port) <= 65535):
        raise BadRequest(f"{port!r} in {text!r} is not a port.", advice="A port is a number from 1 to 65535.")
    return address, int(port)


def _check_address(address: str, text: str) -> None:
    if len(address) > 255 or not (_HOST.fullmatch(address) or _IPV6.fullmatch(address)):
        raise BadRequest(f"{text!r} is not an address.", advice=_ADVICE)


def _check_user(user: str, text: str) -> None:
    if len(user) > 255 or not _USER.fullmatch(user):
        raise BadRequest(f"{text!r} does not name a user as user@host.", advice=_ADVICE)
