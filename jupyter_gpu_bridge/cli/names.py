"""The names that a shell completes: from files of this computer only, at once, and never an error."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from jupyter_gpu_bridge.errors import BridgeError

_HARMLESS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]*")
"""Shells expand what they are given to complete, so nothing else may get there."""


def known(kind: str) -> list[str]:
    """All names of that kind; none where they cannot be read, for nobody waits for an error there."""
    try:
        return sorted(name for name in KINDS[kind]() if _HARMLESS.fullmatch(name))
    except (BridgeError, OSError, ValueError):
        return []


def _hosts() -> Iterable[str]:
    from jupyter_gpu_bridge.providers.hosts import Hosts

    return [host.name for host in Hosts().list()]


def _machines() -> Iterable[str]:
    return ["local", *(f"ssh:{name}" for name in _hosts())]


def _profiles() -> Iterable[str]:
    from jupyter_gpu_bridge.rentals.profiles import Profiles

    return [profile.name for profile in Profiles().list()]


def _kernels() -> Iterable[str]:
    """Those that a link of this computer looks after."""
    from jupyter_gpu_bridge.settings import data_folder

    return [order.parent.name for order in data_folder().glob("links/*/kernels/*/order.json")]


def _gpus() -> Iterable[str]:
    """Written in one word, which means the same."""
    from jupyter_gpu_bridge import gpus

    return [title.replace(" ", "-") for title in (*(model.name for model in gpus.models()), *gpus.groups())]


def _providers() -> Iterable[str]:
    from jupyter_gpu_bridge.keys import names

    return names()


def _clouds() -> Iterable[str]:
    """With those that take no key, as the pretend one."""
    from jupyter_gpu_bridge.providers.clouds import cloud_names

    return cloud_names()


KINDS: Mapping[str, Callable[[], Iterable[str]]] = {
    "hosts": _hosts,
    "machines": _machines,
    "profiles": _profiles,
    "kernels": _kernels,
    "gpus": _gpus,
    "providers": _providers,
    "clouds": _clouds,
}
