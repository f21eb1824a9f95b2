"""Keeps a key for the next time: in the system's keyring where that works, else in a private file; and forgets it."""

from __future__ import annotations

from dataclasses import dataclass

from jupyter_gpu_bridge.errors import BridgeError
from jupyter_gpu_bridge.keys import ring
from jupyter_gpu_bridge.keys.environment import variable_of
from jupyter_gpu_bridge.keys.file import KeyFile
from jupyter_gpu_bridge.keys.finding import RING_ADVICE
from jupyter_gpu_bridge.keys.key import Key, Source, SourceKind, cleaned
from jupyter_gpu_bridge.keys.place import KeyPlace


@dataclass(frozen=True, slots=True)
class Stored:
    key: Key
    notes: tuple[str, ...] = ()
    """What may keep it from being the one that is found."""


@dataclass(frozen=True, slots=True)
class Removed:
    sources: tuple[Source, ...]
    """Where it was, and is no more."""
    left: Source | None
    """Of the environment, which only its user can change."""
    troubles: tuple[str, ...] = ()
    """Why there may be one left."""


def put(place: KeyPlace, text: str) -> Stored:
    """Raises `BadRequest` for what is no key, and `KeyUnreadable` where nothing can keep it."""
    text = cleaned(text)
    notes = []
    try:
        source = Source(SourceKind.KEYRING, ring.write(place.provider, text))
    except (ring.NoRing, ring.RingFailed) as failure:
        file = KeyFile()
        file.put(place.provider, text)
        source = Source(SourceKind.FILE, str(file.path))
        if isinstance(failure, ring.RingFailed):
            notes.append(
                f"The system's keyring {failure}. Should it have an older key of {place.provider}, that is found first."
            )
    else:
        notes += _forgotten_in_file(place)
    first = variable_of(place)
    if first is not None:
        notes.append(f"{first.name} is set in this environment, and counts more than what is stored.")
    return Stored(Key(text, source), tuple(notes))


def remove(place: KeyPlace) -> Removed:
    """From keyring and file, each whatever the other does."""
    sources: list[Source] = []
    troubles: list[str] = []
    try:
        name = ring.remove(place.provider)
        if name is not None:
            sources.append(Source(SourceKind.KEYRING, name))
    except ring.NoRing:
        pass
    except ring.RingFailed as failure:
        troubles.append(f"The system's keyring {failure}, and may still have one. {RING_ADVICE}")
    try:
        file = KeyFile()
        if file.remove(place.provider):
            sources.append(Source(SourceKind.FILE, str(file.path)))
    except BridgeError as error:
        troubles.append(str(error))
    return Removed(tuple(sources), variable_of(place), tuple(troubles))


def _forgotten_in_file(place: KeyPlace) -> list[str]:
    """An older one there would be found when the keyring is locked."""
    try:
        KeyFile().remove(place.provider)
    except BridgeError as error:
        return [f"An older key may be left. {error}"]
    return []
