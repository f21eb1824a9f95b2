"""Looks at what is installed here and says what is wrong, with the next step."""

from __future__ import annotations

import json
import os
import platform
import shutil
import stat
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from importlib import metadata
from pathlib import Path

from jupyter_gpu_bridge import __version__, settings
from jupyter_gpu_bridge.errors import BridgeError
from jupyter_gpu_bridge.model import RENTED, Finding, Host, Stage
from jupyter_gpu_bridge.naming import PROVISIONER
from jupyter_gpu_bridge.providers import ssh
from jupyter_gpu_bridge.providers.hosts import Hosts
from jupyter_gpu_bridge.providers.machines import require_machine
from jupyter_gpu_bridge.rentals import doctor_rented
from jupyter_gpu_bridge.rentals.profiles import Profiles

CheckHost = Callable[[str], AsyncIterator[Stage]]

_PACKAGES = ("jupyter_server", "jupyter_client", "ipykernel", "pyzmq", "paramiko", "jupyterlab")

_EXTENSION = "jupyter_gpu_bridge"

_LABEXTENSION = "jupyter-gpu-bridge"

_REINSTALL = "Install it again, in the environment that runs Jupyter: pip install --force-reinstall jupyter-gpu-bridge"


async def examine(check_host: CheckHost | None) -> Sequence[Finding]:
    """Everything that can be seen from here; each host is connected to only with `check_host`."""
    findings = [*_alone("installation", _installed), *_places()]
    hosts: Sequence[Host] | None = None
    try:
        hosts = Hosts().list()
        of_hosts = Finding("hosts", True, ", ".join(host.name for host in hosts) or "None yet.")
    except _HINDRANCES as hindrance:
        of_hosts = _hindered("hosts", hindrance)
    findings += [*_alone("profiles", lambda: _profiles(hosts)), of_hosts]
    findings += await _rented()
    if check_host is not None:
        findings += [await _reached(host.name, check_host) for host in hosts or ()]
    return findings


_HINDRANCES = (BridgeError, OSError, ValueError)
"""What keeps one thing from being looked at, and must not keep the others."""


def _alone(subject: str, look: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """What it finds, and what stops it."""
    try:
        yield from look()
    except _HINDRANCES as hindrance:
        yield _hindered(subject, hindrance)


def _hindered(subject: str, hindrance: BridgeError | OSError | ValueError) -> Finding:
    if isinstance(hindrance, BridgeError):
        return Finding(subject, False, hindrance.what, hindrance.advice)
    return Finding(subject, False, f"This cannot be looked at: {hindrance}.", _elsewhere())


def _installed() -> Iterator[Finding]:
    yield Finding("versions", True, _versions())
    named = metadata.entry_points(group="jupyter_client.kernel_provisioners", name=PROVISIONER)
    yield _either(
        "provisioner", bool(named), "Jupyter finds our kernel provisioner.", "Jupyter does not find it.", _REINSTALL
    )
    yield _either(
        "server extension",
        _enabled(),
        "The Jupyter server loads our extension.",
        "The Jupyter server does not load our extension, so there is no sidebar and no session survives a restart.",
        f"Enable it: jupyter server extension enable {_EXTENSION}",
    )
    yield _either(
        "sidebar",
        _labextension() is not None,
        "JupyterLab finds the sidebar.",
        "JupyterLab does not find the sidebar; everything else works without it.",
        _REINSTALL,
    )
    yield _openssh()


def _versions() -> str:
    found = [f"jupyter-gpu-bridge {__version__}", f"Python {platform.python_version()}"]
    for package in _PACKAGES:
        try:
            found.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            continue
    return ", ".join(found)


def _enabled() -> bool:
    from jupyter_core.paths import jupyter_config_path

    for folder in jupyter_config_path():
        # The first that says anything about us decides, as it does for the server.
        files = [Path(folder) / "jupyter_server_config.json"]
        files += sorted((Path(folder) / "jupyter_server_config.d").glob("*.json"), reverse=True)
        for file in files:
            try:
                said = json.loads(file.read_bytes())["ServerApp"]["jpserver_extensions"][_EXTENSION]
            except (OSError, ValueError, KeyError, TypeError):
                continue
            return said is True
    return False


def _labextension() -> Path | None:
    from jupyter_core.paths import jupyter_path

    places = (Path(folder) / _LABEXTENSION / "package.json" for folder in jupyter_path("labextensions"))
    return next((place for place in places if place.is_file()), None)


def _openssh() -> Finding:
    binary = shutil.which("ssh")
    if binary is None:
        return Finding("ssh", True, "There is no ssh program here; paramiko carries instead.")
    try:
        said = subprocess.run(
            [binary, "-V"], capture_output=True, text=True, timeout=5, stdin=subprocess.DEVNULL, check=False
        ).stderr
    except (OSError, subprocess.TimeoutExpired) as error:
        return Finding("ssh", False, f"{binary} cannot be run: {error}.", "Install OpenSSH's client again.")
    return Finding("ssh", True, f"{binary}: {said.strip()}")


def _places() -> Iterator[Finding]:
    for subject, place, what in (
        ("data folder", settings.data_folder, "Hosts and sessions are kept in"),
        ("socket folder", settings.run_folder, "Local sockets are in"),
    ):
        try:
            folder = place()
            private = stat.S_IMODE(folder.stat().st_mode) == 0o700 and os.access(folder, os.W_OK)
        except _HINDRANCES as hindrance:
            yield _hindered(subject, hindrance)
        else:
            yield _either(
                subject, private, f"{what} {folder}.", f"{folder} is not private, or not writable.", _elsewhere()
            )


def _elsewhere() -> str:
    return "Set JUPYTER_GPU_BRIDGE_HOME to a folder of your own that you can write to."


def _profiles(hosts: Sequence[Host] | None) -> Iterator[Finding]:
    """`hosts`: `None` where they cannot be read, which is told once and not for each profile."""
    profiles = Profiles()
    for broken in profiles.broken():
        yield Finding(f"profile {broken.folder.name}", False, broken.why, f"Correct or remove {broken.folder}.")
    for profile in profiles.list():
        subject = f"profile {profile.name}"
        if profile.machine.provider == RENTED.provider:
            yield doctor_rented.of_profile(profile)
            continue
        if hosts is None and profile.machine.provider == ssh.PROVIDER:
            yield Finding(subject, True, f"It is for {profile.machine}, about which the hosts have to say more.")
            continue
        try:
            require_machine(profile.machine)
        except BridgeError as error:
            remove = f"Add the machine, or remove the profile: jupyter gpu profiles remove {profile.name}"
            yield Finding(subject, False, error.what, f"{error.advice} {remove}".strip())
        else:
            yield Finding(subject, True, f"It starts kernels on {profile.machine}.")


async def _rented() -> Sequence[Finding]:
    unsettled = 0
    try:
        ledger, unsettled = await doctor_rented.of_ledger()
    except _HINDRANCES as hindrance:
        ledger = _hindered("ledger", hindrance)
    try:
        guard = await doctor_rented.of_guard(unsettled)
    except _HINDRANCES as hindrance:
        guard = _hindered("guard", hindrance)
    ours = [*_alone("limits", _limits), *_alone("clock", _clock)]
    return [ledger, *ours, *await doctor_rented.of_keys(), guard]


def _limits() -> Iterator[Finding]:
    yield doctor_rented.of_limits()


def _clock() -> Iterator[Finding]:
    finding = doctor_rented.of_clock()
    if finding is not None:
        yield finding


async def _reached(name: str, check_host: CheckHost) -> Finding:
    last = ""
    try:
        async for stage in check_host(name):
            last = stage.text
    except _HINDRANCES as hindrance:
        return _hindered(f"host {name}", hindrance)
    return Finding(f"host {name}", True, last)


def _either(subject: str, ok: bool, good: str, bad: str, advice: str) -> Finding:
    return Finding(subject, True, good) if ok else Finding(subject, False, bad, advice)
