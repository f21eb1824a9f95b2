"""The first words on a fresh carrier: bring our code to the machine if it is not there, and attach to the agent.

The far end begins as one line for a POSIX shell, which looks for a Python; that reads `boot_script.py`, which finds a
private folder, takes our code when it lacks it (named by its hash, so a newer version never disturbs an older one), and
hands the carrier over to the agent. Whatever a login script prints before is skipped: our lines begin with a mark.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import io
import json
import os
import shlex
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupyter_gpu_bridge.errors import BridgeError, MachineUnfit, PeerMisbehaved

MARK = b"\x02GPB1\x03"
MOST_NOISE = 256 * 1024
_LOGIN_SCRIPTS = "Look at what its login scripts (.bashrc, .profile) print when there is no terminal."
_PACKAGE = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Code:
    """Our code as it travels."""

    version: str
    archive: bytes


@functools.cache
def code() -> Code:
    """The folder `agent/` as an archive whose name is its hash."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("jupyter_gpu_bridge/__init__.py"), "")
        for path in sorted((_PACKAGE / "agent").glob("*.py")):
            name = zipfile.ZipInfo(f"jupyter_gpu_bridge/agent/{path.name}")
            archive.writestr(name, path.read_bytes(), zipfile.ZIP_DEFLATED)
    data = buffer.getvalue()
    return Code(hashlib.sha256(data).hexdigest(), data)


def command(python: str | None, home: str | None) -> str:
    """The command line for the far end's shell."""
    script = (Path(__file__).parent / "boot_script.py").read_bytes()
    packed = base64.b64encode(zlib.compress(script, 9)).decode()
    start = f"import base64,zlib;exec(zlib.decompress(base64.b64decode('{packed}')))"
    arguments = json.dumps({"home": home, "version": code().version, "size": len(code().archive)})
    candidates = [python] if python else ["python3", "python", "/opt/conda/bin/python"]
    places = " ".join(
        f'"$HOME"{shlex.quote(place[1:])}' if place.startswith("~/") else shlex.quote(place) for place in candidates
    )
    sorry = json.dumps(
        {
            "error": {
                "code": "machine-unfit",
                "what": f"There is no Python at {python} on the machine, or it is older than 3.8."
                if python
                else "There is no Python 3.8 or newer on the machine.",
                "advice": "Install one there, or name the right one with `--python PATH` of `jupyter gpu hosts add`.",
            }
        }
    )
    loop = (
        f"for p in {places}; do "
        'if command -v "$p" >/dev/null 2>&1; then '
        f'"$p" -c {shlex.quote(start)} {shlex.quote(arguments)}; '
        'c=$?; [ "$c" -eq 86 ] || exit "$c"; fi; done; '
        f"printf '\\002GPB1\\003%s\\n' {shlex.quote(sorry)}; exit 86"
    )
    return f"exec sh -c {shlex.quote(loop)}"


class Boot:
    """Reads the far end's first lines; what follows the last of them belongs to the mux."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._has_sent = False
        self.home = ""
        self.python = ""

    def feed(self, data: bytes) -> tuple[bytes, bytes | None]:
        """What to answer, and, once the far end is there, the bytes that came after. Raises `BridgeError`."""
        self._data += data
        answer = b""
        while True:
            start = self._data.find(MARK)
            end = self._data.find(b"\n", start) if start >= 0 else -1
            if end < 0:
                if len(self._data) > MOST_NOISE:
                    raise PeerMisbehaved(
                        "The machine printed a lot and never started our program.",
                        advice=_LOGIN_SCRIPTS,
                    )
                return answer, None
            said = self._parse(bytes(self._data[start + len(MARK) : end]))
            del self._data[: end + 1]
            if isinstance(said.get("error"), dict):
                raise problem(said["error"])
            if "need" in said and not self._has_sent:
                self._has_sent = True
                answer = code().archive
            elif "home" in said and "python" in said:
                self.home, self.python = str(said["home"]), str(said["python"])
                return answer, bytes(self._data)
            else:
                raise PeerMisbehaved("The machine answered something that makes no sense.", advice=_LOGIN_SCRIPTS)

    @property
    def noise(self) -> str:
        """What was printed instead of our mark."""
        return self._data.decode("utf-8", "replace").strip()[-300:]

    def _parse(self, line: bytes) -> dict[str, Any]:
        try:
            said = json.loads(line)
        except (ValueError, RecursionError):
            said = None
        if not isinstance(said, dict):
            raise PeerMisbehaved("The machine answered something that makes no sense.", advice=_LOGIN_SCRIPTS)
        return said


def problem(reason: dict[str, str]) -> BridgeError:
    """The error that the machine told us about."""
    from jupyter_gpu_bridge.errors import Problem

    if reason.get("code") == "unknown-verb":
        return MachineUnfit(
            "Our program on the machine is of another version, and does not know what it is asked for.",
            advice="Connect to it again: that brings this version there.",
        )
    found = BridgeError.of(Problem(str(reason.get("code")), str(reason.get("what")), str(reason.get("advice") or "")))
    return found if type(found) is not BridgeError else MachineUnfit(found.what, advice=found.advice)


def remote_home() -> str | None:
    """Another folder than the usual one on the machine, for tests and for shared accounts."""
    return os.environ.get("JUPYTER_GPU_BRIDGE_REMOTE_HOME")
