"""A key of an account: it is given to the provider that made it, and is shown to nobody."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NoReturn

from jupyter_gpu_bridge.errors import BadRequest

MOST_CHARACTERS = 4096

_SHOWN = 4
_LONG_ENOUGH = 12
"""Of a shorter key the last characters would be too much of it."""


class SourceKind(Enum):
    """In the order in which they are looked at."""

    VARIABLE = "environment"
    KEYRING = "keyring"
    FILE = "file"


@dataclass(frozen=True, slots=True)
class Source:
    """Where a key is."""

    kind: SourceKind
    name: str
    """Of the variable, of the keyring, or of the file."""

    def __str__(self) -> str:
        if self.kind is SourceKind.VARIABLE:
            return f"the environment variable {self.name}"
        return f"the keyring ({self.name})" if self.kind is SourceKind.KEYRING else f"the file {self.name}"


class Key:
    """Whatever prints, logs, compares or copies it does not see its text; only `reveal` gives that."""

    __slots__ = ("_text", "source")

    def __init__(self, text: str, source: Source) -> None:
        self._text = text
        self.source = source

    def reveal(self) -> str:
        """For the header of a request to its provider, and for nothing else."""
        return self._text

    @property
    def last(self) -> str:
        """Enough to tell one's keys apart; empty for a short one."""
        return self._text[-_SHOWN:] if len(self._text) >= _LONG_ENOUGH else ""

    def __repr__(self) -> str:
        return f"<Key from {self.source}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Key) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> NoReturn:
        raise TypeError("A key is not written anywhere.")


def cleaned(text: str) -> str:
    """As it was pasted, without what is around it. Raises `BadRequest`, which does not repeat it."""
    key = text.strip()
    if not key:
        raise BadRequest("That is no key: it is empty.", advice="Paste the key alone.")
    if len(key) > MOST_CHARACTERS:
        raise BadRequest(
            f"That is no key: it has more than {MOST_CHARACTERS} characters.", advice="Paste the key alone."
        )
    if not all("!" <= character <= "~" for character in key):
        raise BadRequest(
            "That is no key: it holds spaces, line breaks, control characters or letters with accents.",
            advice="Paste the key alone, as its provider shows it.",
        )
    return key
