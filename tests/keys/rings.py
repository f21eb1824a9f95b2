"""Keyrings as there are on people's computers: one that works, and all the others."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked, PasswordDeleteError

from jupyter_gpu_bridge.files import exclusive, replace_file

FOLDER = "TEST_RING"
"""The variable that says where the one that works keeps its things, so that several processes share it."""


class Working(KeyringBackend):
    priority = 1

    @property
    def _path(self) -> Path:
        return Path(os.environ[FOLDER]) / "ring.json"

    def _read(self) -> dict[str, str]:
        found: dict[str, str] = json.loads(self._path.read_text()) if self._path.exists() else {}
        return found

    def get_password(self, service: str, username: str) -> str | None:
        return self._read().get(f"{service} {username}")

    def set_password(self, service: str, username: str, password: str) -> None:
        with exclusive(self._path.with_suffix(".lock")):
            replace_file(self._path, json.dumps({**self._read(), f"{service} {username}": password}).encode())

    def delete_password(self, service: str, username: str) -> None:
        with exclusive(self._path.with_suffix(".lock")):
            passwords = self._read()
            if passwords.pop(f"{service} {username}", None) is None:
                raise PasswordDeleteError(username)
            replace_file(self._path, json.dumps(passwords).encode())


class Locked(KeyringBackend):
    priority = 1

    def get_password(self, service: str, username: str) -> str | None:
        raise KeyringLocked("its owner said no")

    def set_password(self, service: str, username: str, password: str) -> None:
        raise KeyringLocked("its owner said no")

    def delete_password(self, service: str, username: str) -> None:
        raise KeyringLocked("its owner said no")


class Broken(KeyringBackend):
    """It repeats in its error what it was given."""

    priority = 1

    def get_password(self, service: str, username: str) -> str | None:
        raise RuntimeError(f"nothing for {username}")

    def set_password(self, service: str, username: str, password: str) -> None:
        raise RuntimeError(f"cannot keep {password}")

    def delete_password(self, service: str, username: str) -> None:
        raise RuntimeError(f"nothing for {username}")


class Hanging(KeyringBackend):
    """As one behind a D-Bus that does not answer."""

    priority = 1

    def get_password(self, service: str, username: str) -> str | None:
        threading.Event().wait()
        return None

    def set_password(self, service: str, username: str, password: str) -> None:
        threading.Event().wait()

    def delete_password(self, service: str, username: str) -> None:
        threading.Event().wait()


class Forgetful(KeyringBackend):
    """As the one by which users switch keyrings off: it takes everything and keeps nothing."""

    priority = 1

    def get_password(self, service: str, username: str) -> str | None:
        return None

    def set_password(self, service: str, username: str, password: str) -> None:
        pass

    def delete_password(self, service: str, username: str) -> None:
        pass
