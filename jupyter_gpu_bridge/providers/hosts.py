"""The own hosts of this user, kept in one private file that survives a reboot."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jupyter_gpu_bridge.errors import BadRequest, HostUnknown
from jupyter_gpu_bridge.files import exclusive, replace_file
from jupyter_gpu_bridge.model import Host
from jupyter_gpu_bridge.naming import nearest
from jupyter_gpu_bridge.providers import ssh
from jupyter_gpu_bridge.settings import data_folder

_VERSION = 1

_KINDS = {"address": str, "user": str, "port": int, "identity_file": str, "python": str, "carrier": str}


class Hosts:
    """Reads the file on every call, so that all processes of the user see the same hosts."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or data_folder()

    @property
    def path(self) -> Path:
        return self._folder / "hosts.json"

    def list(self) -> Sequence[Host]:
        """All of them, by name; raises `BadRequest` when the file cannot be understood."""
        return sorted(self._read().values(), key=lambda host: host.name)

    def get(self, name: str) -> Host:
        """Raises `HostUnknown`."""
        hosts = self._read()
        if name not in hosts:
            raise _unknown(name, hosts)
        return hosts[name]

    def add(self, host: Host) -> Host:
        """The host as it was saved; raises `BadRequest` when it is not sound or the name stands for another one."""
        host = _sound(host)
        with exclusive(self._folder / "hosts.lock"):
            hosts = self._read()
            if hosts.get(host.name, host) != host:
                raise BadRequest(
                    f"There is already a host {host.name!r}, with another description.",
                    advice=f"Choose another name, or change it: jupyter gpu hosts change {host.name} --help",
                )
            self._write({**hosts, host.name: host})
        return host

    def change(self, host: Host) -> None:
        """Another description for the host of that name; raises `HostUnknown`, or `BadRequest` when it is not sound."""
        host = _sound(host)
        with exclusive(self._folder / "hosts.lock"):
            hosts = self._read()
            if host.name not in hosts:
                raise _unknown(host.name, hosts)
            self._write({**hosts, host.name: host})

    def remove(self, name: str) -> None:
        """Raises `HostUnknown`."""
        with exclusive(self._folder / "hosts.lock"):
            hosts = self._read()
            if hosts.pop(name, None) is None:
                raise _unknown(name, hosts)
            self._write(hosts)

    def _write(self, hosts: dict[str, Host]) -> None:
        described = {name: _described(host) for name, host in sorted(hosts.items())}
        text = json.dumps({"version": _VERSION, "hosts": described}, indent=2) + "\n"
        replace_file(self.path, text.encode())

    def _read(self) -> dict[str, Host]:
        try:
            content = json.loads(self.path.read_bytes())
        except FileNotFoundError:
            return {}
        except ValueError:
            raise self._damaged("it is not JSON") from None
        if not isinstance(content, dict) or not isinstance(content.get("hosts"), dict):
            raise self._damaged("it holds no hosts")
        if content.get("version") != _VERSION:
            raise BadRequest(
                f"The file {self.path} was written by another version of jupyter-gpu-bridge.",
                advice="Update jupyter-gpu-bridge, or move the file away and add your hosts again.",
            )
        return {name: self._host(name, fields) for name, fields in content["hosts"].items()}

    def _host(self, name: str, fields: Any) -> Host:
        if not isinstance(fields, dict) or "address" not in fields:
            raise self._damaged(f"the host {name!r} has no address")
        for key, value in fields.items():
            if key not in _KINDS:
                raise self._damaged(f"the host {name!r} has a field {key!r}, which means nothing")
            if not isinstance(value, _KINDS[key]) or isinstance(value, bool):
                raise self._damaged(f"the field {key!r} of the host {name!r} has no sensible value")
        try:
            return ssh.checked(Host(name, **fields))
        except BadRequest as error:
            raise self._damaged(f"the host {name!r} is not sound: {error.what.rstrip('.')}") from error

    def _damaged(self, why: str) -> BadRequest:
        return BadRequest(
            f"The file {self.path} cannot be used: {why}.",
            advice="Correct it, or move it away and add your hosts again with: jupyter gpu hosts add",
        )


def _sound(host: Host) -> Host:
    host = ssh.checked(host)
    if host.identity_file is not None and not Path(host.identity_file).is_file():
        raise BadRequest(f"There is no key file {host.identity_file}.", advice="Give the path of your private key.")
    return host


def _described(host: Host) -> dict[str, object]:
    fields = {key: value for key, value in dataclasses.asdict(host).items() if value is not None and key != "name"}
    return {key: value for key, value in fields.items() if (key, value) != ("carrier", "auto")}


def _unknown(name: str, hosts: dict[str, Host]) -> HostUnknown:
    return HostUnknown(
        f"There is no host {name!r}.", advice=nearest(name, hosts) or "Add one with: jupyter gpu hosts add"
    )
