"""What a link remembers of a kernel on disk, so that it can be killed and go on."""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from jupyter_gpu_bridge.model import KernelId
from jupyter_gpu_bridge.settings import private_folder

_KERNEL_ID = re.compile(r"[A-Za-z0-9-]{1,64}")


@dataclass(frozen=True, slots=True)
class KernelOrder:
    """What is asked for when a kernel is to be started; travels to the machine as it is."""

    kernel_id: KernelId
    key: str
    profile: str = ""
    path: str = ""
    python: str | None = None
    folder: str | None = None
    environment: dict[str, str] = field(default_factory=dict)
    extra_arguments: tuple[str, ...] = ()
    survives: bool = False
    """Whether it goes on when the process that asked for it is lost: so for a Jupyter server, not for a script."""
    grace: float = 30.0
    """Seconds that it goes on then, if it does not survive."""
    signature_scheme: str = "hmac-sha256"

    def without_secrets(self) -> KernelOrder:
        """For the disk: the values of the environment are only needed at the start."""
        return replace(self, environment={})

    def as_spec(self, owner: str) -> dict[str, object]:
        """In the words of the agent."""
        return {
            "kernel_id": self.kernel_id,
            "owner": owner,
            "key": self.key,
            "signature_scheme": self.signature_scheme,
            "python": self.python,
            "cwd": self.folder,
            "env": self.environment,
            "extra_arguments": list(self.extra_arguments),
            "about": {"profile": self.profile, "path": self.path, "survives": self.survives},
        }

    @classmethod
    def from_json(cls, data: dict[str, object]) -> KernelOrder:
        """Raises `ValueError` or `TypeError` for what is no order; its names become those of files, here and there."""
        kernel_id, environment = data.get("kernel_id"), data.get("environment", {})
        if not isinstance(kernel_id, str) or not _KERNEL_ID.fullmatch(kernel_id):
            raise ValueError("that is no kernel id")
        if not isinstance(data.get("key"), str) or not isinstance(environment, dict):
            raise ValueError("that is no order")
        known = {name: data[name] for name in cls.__dataclass_fields__ if name in data}
        known["extra_arguments"] = tuple(known.get("extra_arguments") or ())  # type: ignore[arg-type]
        return cls(**known)  # type: ignore[arg-type]

    def as_json(self) -> dict[str, object]:
        return asdict(self)


def save(folder: Path, order: KernelOrder) -> None:
    """0600 in a 0700 folder: it holds the key that signs messages."""
    private_folder(folder.parent)
    private_folder(folder)
    fresh = folder / "order.new"
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(order.without_secrets().as_json(), file)
    fresh.replace(folder / "order.json")


def load_all(folder: Path) -> list[KernelOrder]:
    """Every kernel that was not let go; a torn file is none."""
    found = []
    for path in sorted(folder.glob("*/order.json")):
        try:
            found.append(KernelOrder.from_json(json.loads(path.read_text())))
        except (ValueError, TypeError):
            continue
    return found
