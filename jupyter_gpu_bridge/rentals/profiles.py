"""Profiles: named orders, each a real kernelspec directory, so that every Jupyter client finds it."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupyter_gpu_bridge.errors import BadRequest, ProfileUnknown
from jupyter_gpu_bridge.files import replace_file
from jupyter_gpu_bridge.keys import variables
from jupyter_gpu_bridge.model import RENTED, MachineRef, Profile
from jupyter_gpu_bridge.naming import PROVISIONER, check_name, check_text, kernel_name, nearest, profile_name
from jupyter_gpu_bridge.providers.machines import require_machine
from jupyter_gpu_bridge.rentals import order_words
from jupyter_gpu_bridge.rentals.environment import check_environment

_ICONS = Path(__file__).parent / "icons"


@dataclass(frozen=True, slots=True)
class Broken:
    """A kernelspec of ours that cannot be used, and why."""

    folder: Path
    why: str


def is_ours(metadata: Mapping[str, Any]) -> bool:
    """Whether a kernelspec with this metadata is started by our provisioner."""
    provisioner = metadata.get("kernel_provisioner")
    return isinstance(provisioner, Mapping) and provisioner.get("provisioner_name") == PROVISIONER


class Profiles:
    """Reads the kernelspec directories on every call: other programs may write there as well."""

    def list(self) -> Sequence[Profile]:
        """All that can be used, by name; the user's own ones hide those of the environment and the system."""
        return sorted((profile for _, profile in self._all() if isinstance(profile, Profile)), key=_by_name)

    def broken(self) -> Sequence[Broken]:
        """Those that cannot be used."""
        return [found for _, found in self._all() if isinstance(found, Broken)]

    def get(self, name: str) -> Profile:
        """Raises `ProfileUnknown`."""
        profiles = {profile.name: profile for profile in self.list()}
        if name not in profiles:
            raise _unknown(name, profiles)
        return profiles[name]

    def add(self, profile: Profile) -> Path:
        """Write the kernelspec, or replace the one of that name; its folder. Raises `BadRequest`, `HostUnknown`."""
        _check(profile)
        _require(profile)
        folder = _user_folder() / kernel_name(profile.name)
        if (folder / "kernel.json").exists() and not is_ours(_metadata(folder)):
            raise BadRequest(
                f"The kernelspec {folder} is not one of ours, so it was left alone.", advice="Choose another name."
            )
        folder.mkdir(parents=True, exist_ok=True)
        for icon in sorted(_ICONS.iterdir()):
            replace_file(folder / icon.name, icon.read_bytes(), mode=0o644)
        # Last: without this file Jupyter does not see the directory at all.
        replace_file(folder / "kernel.json", (json.dumps(_spec(profile), indent=1) + "\n").encode(), mode=0o644)
        return folder

    def remove(self, name: str) -> None:
        """Raises `ProfileUnknown`, or `BadRequest` when it is not this user's to remove."""
        found = dict(self._all()).get(name)
        if found is None:
            raise _unknown(name, {profile.name: profile for profile in self.list()})
        folder = _user_folder() / kernel_name(name)
        if not (folder / "kernel.json").exists():
            raise BadRequest(
                f"The profile {name!r} was not made by you but comes with the environment or the system.",
                advice="Whoever installed it can remove its kernelspec.",
            )
        (folder / "kernel.json").unlink()
        if folder.is_symlink():
            folder.unlink()
        else:
            shutil.rmtree(folder)

    def _all(self) -> Iterator[tuple[str, Profile | Broken]]:
        seen: set[str] = set()
        for kernels in _kernel_folders():
            for folder in sorted(kernels.glob(kernel_name("*"))):
                name = profile_name(folder.name)
                if name in seen or not (folder / "kernel.json").is_file():
                    continue
                seen.add(name)
                found = _read(name, folder)
                if found is not None:
                    yield name, found


def profile_of(name: str, display_name: str, config: Mapping[str, Any]) -> Profile:
    """The profile that a kernelspec's `config` describes; raises `BadRequest`."""
    unknown = sorted(set(config) - {"machine", "python", "folder", "environment", "keep", "order"})
    if unknown:
        raise BadRequest(f"The profile {name!r} has a setting {unknown[0]!r}, which means nothing.")
    environment = config.get("environment") or {}
    order = config.get("order")
    if order is not None and not isinstance(order, Mapping):
        raise BadRequest(f"The profile {name!r} has an order that is none.")
    if not isinstance(environment, Mapping) or not isinstance(config.get("keep", False), bool):
        raise BadRequest(f"The profile {name!r} has a setting of the wrong kind.")
    texts = {key: config.get(key) for key in ("machine", "python", "folder")}
    if not isinstance(texts["machine"], str) or not all(isinstance(text, str | None) for text in texts.values()):
        raise BadRequest(f"The profile {name!r} has a setting of the wrong kind, or names no machine.")
    profile = Profile(
        name=name,
        machine=MachineRef.parse(texts["machine"]),
        display_name=display_name,
        python=texts["python"],
        folder=texts["folder"],
        environment=tuple(environment.items()),
        keep=config.get("keep", False),
        order=None if order is None else order_words.understand(order),
    )
    _check(profile)
    return profile


def default_title(name: str) -> str:
    return f"{name} (GPU bridge)"


def _spec(profile: Profile) -> dict[str, Any]:
    config = {
        "machine": str(profile.machine),
        "python": profile.python,
        "folder": profile.folder,
        "environment": dict(profile.environment),
        "keep": profile.keep,
        "order": None if profile.order is None else order_words.describe(profile.order),
    }
    return {
        "argv": [sys.executable, "-m", "jupyter_gpu_bridge.kernels.explain", "{connection_file}"],
        "display_name": profile.display_name or default_title(profile.name),
        "language": "python",
        "interrupt_mode": "message",
        "env": {},
        "metadata": {
            "debugger": True,
            "kernel_provisioner": {
                "provisioner_name": PROVISIONER,
                "config": {key: value for key, value in config.items() if value is not None},
            },
        },
    }


def _require(profile: Profile) -> None:
    """Raises `HostUnknown` or `BadRequest` when there is no such machine, or one that must not have its variables."""
    if (profile.order is not None) != (profile.machine == RENTED):
        raise BadRequest("A profile has either a machine or an order for one.", advice="Give one of both.")
    if profile.machine.provider == RENTED.provider:
        _check_no_keys(profile)
    if profile.order is not None:
        order_words.check_order(profile.order)
    elif profile.machine.provider != RENTED.provider:  # those come and go; one that is gone says so when it is used
        require_machine(profile.machine)


def _check_no_keys(profile: Profile) -> None:
    """Raises `BadRequest`: whoever owns a rented machine could rent in our name."""
    keys = sorted(name for name, _ in profile.environment if name in variables())
    if keys:
        raise BadRequest(
            f"{keys[0]} is the key of an account, and such a key goes to no rented machine.",
            advice=f"Leave out --env {keys[0]}; nothing on the machine needs it.",
        )


def _check(profile: Profile) -> None:
    check_name(profile.name, "profile")
    if profile.display_name:
        check_text(profile.display_name, "display name")
    if profile.folder is not None:
        check_text(profile.folder, "folder")
    if profile.python is not None and check_text(profile.python, "Python").startswith("-"):
        raise BadRequest(f"{profile.python!r} is not a path of Python.", advice="Give its path on the machine.")
    check_environment(profile.environment)


def _read(name: str, folder: Path) -> Profile | Broken | None:
    try:
        spec = json.loads((folder / "kernel.json").read_bytes())
        if not is_ours(spec["metadata"]):
            return None
        return profile_of(name, str(spec["display_name"]), spec["metadata"]["kernel_provisioner"].get("config") or {})
    except BadRequest as error:
        return Broken(folder, str(error))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return Broken(folder, f"The file kernel.json in {folder} cannot be read: {error}.")


def _metadata(folder: Path) -> Mapping[str, Any]:
    try:
        metadata = json.loads((folder / "kernel.json").read_bytes()).get("metadata")
    except (OSError, ValueError, AttributeError):
        return {}
    return metadata if isinstance(metadata, dict) else {}


def _user_folder() -> Path:
    from jupyter_core.paths import jupyter_data_dir

    return Path(jupyter_data_dir()) / "kernels"


def _kernel_folders() -> Sequence[Path]:
    from jupyter_core.paths import jupyter_path

    # The user's own come first here even where Jupyter prefers the environment's: they alone can be changed.
    return list(dict.fromkeys([_user_folder(), *(Path(path) for path in jupyter_path("kernels"))]))


def _by_name(profile: Profile) -> str:
    return profile.name


def _unknown(name: str, profiles: Mapping[str, Profile]) -> ProfileUnknown:
    advice = nearest(name, profiles) or "Add one with: jupyter gpu profiles add"
    return ProfileUnknown(f"There is no profile {name!r}.", advice=advice)
