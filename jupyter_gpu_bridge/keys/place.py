"""What there is to say about the key of one provider; an adapter carries it as its `key`."""

from __future__ import annotations

import re
from dataclasses import dataclass

_PROVIDER = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class KeyPlace:
    """Where the key of a provider may be. Raises `ValueError` for names that cannot be."""

    provider: str
    variables: tuple[str, ...]
    """The environment variables in which it may be, the first one that is set counts."""
    advice: str
    """One sentence: where a key is made, and which rights it needs."""

    def __post_init__(self) -> None:
        if not _PROVIDER.fullmatch(self.provider):
            raise ValueError(f"{self.provider!r} cannot be the name of a provider")
        for name in self.variables:
            if not _VARIABLE.fullmatch(name):
                raise ValueError(f"{name!r} cannot be the name of an environment variable")

    @property
    def how_to_set(self) -> str:
        return f"jupyter gpu keys set {self.provider}"
