"""The program that the system runs: one round of the guard, with what it has to know of this environment.

It is private, holds no secret, keeps what the last round said and no more, and says nothing itself: cron would mail it.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from jupyter_gpu_bridge import settings
from jupyter_gpu_bridge.errors import BridgeError
from jupyter_gpu_bridge.files import replace_file
from jupyter_gpu_bridge.machine.link.environment import is_secret
from jupyter_gpu_bridge.providers import settings as provider_settings
from jupyter_gpu_bridge.providers.clouds import cloud_names
from jupyter_gpu_bridge.settings import LEDGER_VARIABLE

MINUTES = 5
_HOME, _LEDGER = "JUPYTER_GPU_BRIDGE_HOME", LEDGER_VARIABLE
_CARRIED = (
    *("HOME", _HOME, _LEDGER, "JUPYTER_GPU_BRIDGE_CLOCK", "JUPYTER_GPU_BRIDGE_REMOTE_HOME"),
    *("JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_PLATFORM_DIRS"),
    *("XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "TMPDIR"),
    *("DBUS_SESSION_BUS_ADDRESS", "PYTHON_KEYRING_BACKEND"),
    *("PATH", "PYTHONPATH", "LANG", "LC_ALL"),
    *("PGHOST", "PGPORT", "PGUSER", "PGDATABASE", "PGPASSFILE", "PGSERVICE", "PGSERVICEFILE", "PGSSLMODE"),
    *("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR"),
)
"""Where our things and the user's keyring are, and how the clouds are reached."""


@dataclass(frozen=True, slots=True)
class LastRound:
    at: datetime
    status: int
    """0: all was well."""
    said: str
    """Its last line."""


def place() -> Path:
    return _folder() / "guard.sh"


def log() -> Path:
    return _folder() / "guard.log"


def write() -> Sequence[str]:
    """The names of variables that it had to leave out. Raises `BridgeError` where it could not know the ledger."""
    found = {name: os.environ[name] for name in _CARRIED if name in os.environ} | _places()
    found |= provider_settings.present(cloud_names())
    secret = [name for name, value in found.items() if is_secret(name, value)]
    lines = [f"export {name}={shlex.quote(value)}" for name, value in found.items() if name not in secret]
    replace_file(place(), os.fsencode(_text(lines)), mode=0o700)
    _status().unlink(missing_ok=True)
    return secret


def remove() -> None:
    for path in (place(), log(), _status()):
        path.unlink(missing_ok=True)


def last_round() -> LastRound | None:
    """`None` where there was none since it was installed."""
    try:
        at = datetime.fromtimestamp(_status().stat().st_mtime, timezone.utc)
        status = int(_status().read_text())
    except (FileNotFoundError, ValueError):
        return None
    lines: Sequence[str] = ()
    with contextlib.suppress(OSError):
        lines = log().read_text(errors="replace").split("\n")
    return LastRound(at, status, next((line.strip() for line in reversed(lines) if line.strip()), ""))


def _status() -> Path:
    return _folder() / "guard.status"


def _folder() -> Path:
    return settings.data_folder().absolute()  # it is run from elsewhere


def _text(exports: Sequence[str]) -> str:
    where, status = shlex.quote(str(log())), shlex.quote(str(_status()))
    variables = "\n".join(exports)
    round_ = shlex.join([sys.executable, "-m", "jupyter_gpu_bridge.cli", "guard"])
    return f"""#!/bin/sh
# Written by `jupyter gpu guard install`, and run every {MINUTES} minutes.
exec </dev/null >/dev/null 2>&1
umask 077
cd /
{variables}
log={where}
true >"$log" || log=/dev/null # machines are ended also where nothing can be written
{round_} >"$log" 2>&1
status=$?
echo "$status" >{status}
exit "$status"
"""


def _places() -> dict[str, str]:
    """Those that are said, as seen from any folder. Raises `BridgeError` where the ledger is not to be known.

    A guard that looks into another ledger takes every machine of this one for one that nobody knows, and ends it.
    """
    from jupyter_gpu_bridge.db.address import ledger_address, password_variable

    secret = password_variable()
    if secret is not None:
        raise BridgeError(
            f"The password of the ledger is in {secret}, and nothing that the system runs may hold it.",
            advice="Move it to ~/.pgpass, where PostgreSQL's library finds it (HOST:PORT:DATABASE:USER:PASSWORD, "
            f"readable for you alone), take it out of {secret}, and install the guard again.",
        )
    said = {_HOME: str(_folder())} if os.environ.get(_HOME) else {}
    ledger = ledger_address()
    if os.environ.get(_LEDGER) and isinstance(ledger, Path):
        said[_LEDGER] = f"sqlite:///{ledger}"
    return said
