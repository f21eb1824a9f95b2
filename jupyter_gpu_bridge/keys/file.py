"""The private file of keys, for where there is no keyring: only its owner can read it, or it is not used."""

from __future__ import annotations

import json
import os
import stat
from contextlib import AbstractContextManager
from pathlib import Path

from jupyter_gpu_bridge import settings
from jupyter_gpu_bridge.errors import KeyUnreadable
from jupyter_gpu_bridge.files import exclusive, replace_file

_NAME = "provider-keys"
_VERSION = 1
_LARGEST = 1 << 20


class KeyFile:
    """Read on every call, so that all processes of the user see the same keys."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or settings.data_folder()

    @property
    def path(self) -> Path:
        return self._folder / f"{_NAME}.json"

    def get(self, provider: str) -> str | None:
        """Raises `KeyUnreadable` for a file that must not, or cannot, be used."""
        return self._read().get(provider)

    def put(self, provider: str, text: str) -> None:
        """Raises `KeyUnreadable` rather than lose what else is in there."""
        with self._alone():
            self._write({**self._read(), provider: text})

    def remove(self, provider: str) -> bool:
        """Whether it was there. Raises `KeyUnreadable`."""
        with self._alone():
            keys = self._read()
            if keys.pop(provider, None) is None:
                return False
            self._write(keys)
            return True

    def _alone(self) -> AbstractContextManager[None]:
        return exclusive(self._folder / f"{_NAME}.lock")

    def _write(self, keys: dict[str, str]) -> None:
        text = json.dumps({"version": _VERSION, "keys": dict(sorted(keys.items()))}, indent=2) + "\n"
        replace_file(Path(os.path.realpath(self.path)), text.encode(), mode=0o600)

    def _read(self) -> dict[str, str]:
        content = self._content()
        if content is None:
            return {}
        said = _parsed(content)
        if not isinstance(said, dict) or not isinstance(said.get("keys"), dict):
            raise self._unusable("it holds no keys")
        if said.get("version") != _VERSION:
            raise self._unusable("it was written by another version of jupyter-gpu-bridge")
        keys: dict[str, str] = said["keys"]
        if not all(isinstance(text, str) for text in keys.values()):
            raise self._unusable("not every key in it is a text")
        return keys

    def _content(self) -> bytes | None:
        """What is in it; nothing when there is none. Whose it is, a link followed, is looked at once it is open."""
        try:
            # A pipe that somebody has put there must not hold us up.
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unusable(f"it cannot be opened ({error.strerror})") from None
        try:
            self._check(os.fstat(descriptor))
            with open(descriptor, "rb", closefd=False) as file:
                content = file.read(_LARGEST + 1)
        finally:
            os.close(descriptor)
        if len(content) > _LARGEST:
            raise self._unusable("it is too large")
        return content

    def _check(self, found: os.stat_result) -> None:
        if not stat.S_ISREG(found.st_mode):
            raise self._unusable("it is no file")
        if found.st_uid != os.getuid():
            raise self._unusable("it belongs to another user")
        if stat.S_IMODE(found.st_mode) & 0o077:
            raise KeyUnreadable(
                f"The file of keys {self.path} is not used, because others can read or change it.",
                advice=f"Take that back (chmod 600 {self.path}). Whoever has read it has your keys: make new ones "
                "at the providers.",
            )

    def _unusable(self, why: str) -> KeyUnreadable:
        return KeyUnreadable(
            f"The file of keys {self.path} cannot be used: {why}.",
            advice="Correct it, or move it away and give your keys again: jupyter gpu keys set PROVIDER",
        )


def _parsed(content: bytes) -> object:
    """Nothing for what is no JSON; an error of the parser would carry the whole text along."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None
