"""The user's and the system's ssh_config as paramiko reads it, for computers without an `ssh` program.

Paramiko knows no `Include`, so included files are written into the text first.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator
from pathlib import Path

from jupyter_gpu_bridge.errors import BadRequest
from jupyter_gpu_bridge.machine.carriers.target import SshTarget

_DEEPEST_INCLUDE = 16
_INCLUDE = re.compile(r"^\s*include\s*[=\s]\s*(.+?)\s*$", re.I)
_SECTION = re.compile(r"^\s*(host|match)[\s=]", re.I)
_FOR_ALL = "Host *"
_DEFAULT_IDENTITIES = ("id_rsa", "id_ecdsa", "id_ed25519")


def read_ssh_config(target: SshTarget, address: str, user: str | None, port: int | None) -> dict[str, list[str]]:
    """What the configuration says of this host; keywords in lower case. A user and a port given count first."""
    from paramiko import ConfigParseError, SSHConfig

    user_file, system_file = Path("~/.ssh/config").expanduser(), Path("/etc/ssh/ssh_config")
    files = [target.config_file] if target.config_file is not None else [user_file, system_file]
    given = [f"  {keyword} {value}" for keyword, value in (("User", user), ("Port", port)) if value is not None]
    try:
        lines = [line for file in files for line in (_FOR_ALL, *_lines(file, file.parent, _FOR_ALL))]
        text = "\n".join([_FOR_ALL, *given, *lines])
        found: dict[str, str | list[str]] = dict(SSHConfig.from_text(text).lookup(address))
    except (ConfigParseError, ValueError) as error:
        raise BadRequest(
            f"Your ssh_config cannot be read: {error}.", advice="Correct that line; `ssh -G` checks the file elsewhere."
        ) from error
    settings = {keyword: list(value) if isinstance(value, list) else [str(value)] for keyword, value in found.items()}
    settings.setdefault("identityfile", [str(Path("~/.ssh", name).expanduser()) for name in _DEFAULT_IDENTITIES])
    return settings


def _lines(file: Path, base: Path, section: str, depth: int = 0) -> Iterator[str]:
    """The lines of a file and, in their places, of those that it includes; `section` is the one that it begins in."""
    if depth > _DEEPEST_INCLUDE:
        raise BadRequest(f"The ssh_config {file} includes itself.", advice="Remove that Include line.")
    try:
        text = file.read_text(errors="replace")
    except OSError:
        return
    for line in text.splitlines():
        if _SECTION.match(line):
            section = line
        included = _INCLUDE.match(line)
        if included is None:
            yield line
            continue
        for pattern in included[1].replace('"', "").split():
            for path in sorted(glob.glob(os.path.join(base, os.path.expanduser(pattern)))):
                yield from _lines(Path(path), base, section, depth + 1)
                yield section  # the sections of an included file end with it
