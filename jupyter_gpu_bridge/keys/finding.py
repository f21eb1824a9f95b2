"""Looks for the key of a provider when it is needed first: the environment, then the keyring, then our own file."""

from __future__ import annotations

from dataclasses import dataclass

from jupyter_gpu_bridge.errors import BridgeError, KeyMissing, KeyUnreadable
from jupyter_gpu_bridge.keys import ring
from jupyter_gpu_bridge.keys.environment import value_of, variable_of
from jupyter_gpu_bridge.keys.file import KeyFile
from jupyter_gpu_bridge.keys.key import Key, Source, SourceKind, cleaned
from jupyter_gpu_bridge.keys.place import KeyPlace


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why it could not be looked for at one place."""

    kind: SourceKind
    what: str
    advice: str


@dataclass(frozen=True, slots=True)
class Held:
    """What there is of one provider's key."""

    place: KeyPlace
    key: Key | None
    troubles: tuple[Trouble, ...] = ()

    @property
    def is_certain(self) -> bool:
        """There is a key, or a place that is broken; a keyring that is locked may have none."""
        return self.key is not None or any(trouble.kind is not SourceKind.KEYRING for trouble in self.troubles)


async def find(place: KeyPlace) -> Key:
    """As `needed`, without holding up anybody else."""
    import asyncio

    return await asyncio.to_thread(needed, place)


def needed(place: KeyPlace) -> Key:
    """Takes seconds where the keyring is silent. Raises `KeyMissing` or `KeyUnreadable`."""
    found = held(place)
    if found.key is not None:
        return found.key
    if found.troubles:
        raise KeyUnreadable(
            f"No key of {place.provider} can be read: {' '.join(trouble.what for trouble in found.troubles)}",
            advice=found.troubles[-1].advice,
        )
    variables = f"in {' or '.join(place.variables)}, " if place.variables else ""
    raise KeyMissing(
        f"There is no key of {place.provider}: {variables}in the keyring, or in the file of keys.",
        advice=f"{place.advice} Then: {place.how_to_set}",
    )


def held(place: KeyPlace, *, other_than: Key | None = None) -> Held:
    """Never raises. A variable that is set counts, also when what it holds is no key."""
    troubles: list[Trouble] = []
    for look in (_in_environment, _in_keyring, _in_file):
        try:
            key = look(place)
        except _Trouble as error:
            troubles.append(error.trouble)
            if error.trouble.kind is SourceKind.VARIABLE:
                break
            continue
        if key is not None and key != other_than:
            return Held(place, key, tuple(troubles))
    return Held(place, None, tuple(troubles))


def is_stored(place: KeyPlace) -> bool:
    """Whether a program without this environment has it as well, as far as can be seen."""
    for look in (_in_keyring, _in_file):
        try:
            if look(place) is not None:
                return True
        except _Trouble:
            continue
    return False


class _Trouble(Exception):
    def __init__(self, kind: SourceKind, what: str, advice: str) -> None:
        super().__init__(what)
        self.trouble = Trouble(kind, what, advice)


def _in_environment(place: KeyPlace) -> Key | None:
    source = variable_of(place)
    text = None if source is None else value_of(source.name)
    if source is None or text is None:
        return None
    return _key(text, source, f"Set {source.name} anew, or take it away.")


def _in_keyring(place: KeyPlace) -> Key | None:
    try:
        found = ring.read(place.provider)
    except ring.NoRing:
        return None
    except ring.RingFailed as failure:
        raise _Trouble(SourceKind.KEYRING, f"The system's keyring {failure}.", RING_ADVICE) from None
    if found is None:
        return None
    text, name = found
    return _key(text, Source(SourceKind.KEYRING, name), f"Give it again: {place.how_to_set}")


def _in_file(place: KeyPlace) -> Key | None:
    try:
        file = KeyFile()
        text = file.get(place.provider)
    except BridgeError as error:
        raise _Trouble(SourceKind.FILE, error.what, error.advice) from None
    except OSError as error:
        raise _Trouble(SourceKind.FILE, f"The file of keys cannot be read: {error.strerror}.", _DOCTOR) from None
    if text is None:
        return None
    return _key(text, Source(SourceKind.FILE, str(file.path)), f"Give it again: {place.how_to_set}")


def _key(text: str, source: Source, advice: str) -> Key:
    try:
        return Key(cleaned(text), source)
    except BridgeError as error:
        what = f"What is in {source} is no key: {error.what.removeprefix('That is no key: ')}"
        raise _Trouble(source.kind, what, advice) from None


RING_ADVICE = "Unlock it, or log in again; a key in an environment variable is taken without it."
_DOCTOR = "See: jupyter gpu doctor"
