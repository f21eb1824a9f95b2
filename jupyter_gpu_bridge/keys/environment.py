"""Keys in environment variables: read where they are, and kept from the programs that we start."""

from __future__ import annotations

import os
from collections.abc import Mapping

from jupyter_gpu_bridge.keys.key import Source, SourceKind
from jupyter_gpu_bridge.keys.known import variables
from jupyter_gpu_bridge.keys.place import KeyPlace

_withdrawn: dict[str, str] = {}


def value_of(name: str) -> str | None:
    """What the variable holds, also after it was withdrawn; nothing when that is empty."""
    text = os.environ.get(name) or _withdrawn.get(name, "")
    return text if text.strip() else None


def variable_of(place: KeyPlace) -> Source | None:
    """The one that counts, whatever it holds."""
    return next((Source(SourceKind.VARIABLE, name) for name in place.variables if value_of(name) is not None), None)


def withdraw() -> None:
    """From now on only this process has its keys, and no program that it starts: `ssh` may send on what it is given."""
    for name in variables() & os.environ.keys():
        _withdrawn[name] = os.environ.pop(name)


def with_withdrawn() -> Mapping[str, str]:
    """The environment as it was before."""
    return {**_withdrawn, **os.environ}


def without_keys() -> Mapping[str, str]:
    """This environment, for a program that has no use for any key."""
    keys = variables()
    return {name: value for name, value in os.environ.items() if name not in keys}
