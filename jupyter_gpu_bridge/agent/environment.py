"""Finds a Python on the machine that can run a kernel, and makes one when there is none.

The image's own Python is used as it is. Only when it lacks ipykernel, a virtual environment is made that sees
everything the image's Python sees, and ipykernel is added there; the image itself is never changed.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any, Callable

from jupyter_gpu_bridge.agent.mux import Refusal

Report = Callable[[str], None]

OLDEST = (3, 8)
_PROBE = (
    "import importlib.util as u,json,site,sys;"
    "print(json.dumps([list(sys.version_info[:2]),all(u.find_spec(n) for n in ('ipykernel','zmq')),"
    "[p for p in sys.path if p.endswith(('site-packages','dist-packages'))]]))"
)
_PLACES = ("~/.venv/bin/python", "/opt/conda/bin/python", "~/miniconda3/bin/python", "~/miniforge3/bin/python")
_OR_NAME_IT = ", or name the right one with `--python PATH` of `jupyter gpu profiles add`."
_INSTALL_PATIENCE = 600.0
_seen: dict[str, tuple[float, list[Any]]] = {}


async def choose(home: Path, wanted: str | None, report: Report) -> str:
    """The path of a Python with ipykernel; refuses with a sentence when there can be none."""
    path, facts = await _best(wanted)
    return path if facts[1] else await _extend(home, path, facts[2], report)


async def foresee(home: Path, wanted: str | None) -> dict[str, Any]:
    """What `choose` will come to, as far as that can be known when nothing may be changed; refuses as it does."""
    path, facts = await _best(wanted)
    if facts[1]:
        return {"python": path, "has_ipykernel": True}
    made = await _made(home, path)
    if made is None and shutil.which("uv") is None:
        code, _ = await _run([path, "-c", "import ensurepip, venv"], 60.0)
        if code != 0:
            raise Refusal(
                "machine-unfit",
                f"{path} on the machine lacks ipykernel, and an environment for it cannot be made: Python's own venv "
                "is not complete there (on Debian and Ubuntu the package python3-venv has it), and there is no uv.",
                f"Install one of the two, or ipykernel itself{_OR_NAME_IT}",
            )
    return {"python": made or path, "has_ipykernel": made is not None}


async def present(home: Path, wanted: str | None) -> str:
    """The path of the Python that kernels use, or would be based on: nothing is made; refuses when there is none."""
    path, facts = await _best(wanted)
    return path if facts[1] else await _made(home, path) or path


async def _best(wanted: str | None) -> tuple[str, list[Any]]:
    """A Python with ipykernel, else the first that is new enough, and what is known of it; refuses without any."""
    fallback: tuple[str, list[Any]] | None = None
    too_old = ""
    for name in [wanted] if wanted else ["python3", "python", *_PLACES]:
        path = _find(name)
        facts = await _probe(path) if path is not None else None
        if path is None or facts is None:
            continue
        if tuple(facts[0]) < OLDEST:
            too_old = f"{path} is Python {facts[0][0]}.{facts[0][1]}"
            continue
        if facts[1]:
            return path, facts
        fallback = fallback or (path, facts)
    if fallback is not None:
        return fallback
    if too_old:
        raise Refusal(
            "machine-unfit",
            f"The machine's Python is too old: {too_old}, and a kernel needs {OLDEST[0]}.{OLDEST[1]} or newer.",
            f"Install a newer one there{_OR_NAME_IT}",
        )
    raise Refusal(
        "machine-unfit",
        f"There is no Python at {wanted} on the machine." if wanted else "There is no Python on the machine.",
        f"Install one there{_OR_NAME_IT}",
    )


def forget(path: str) -> None:
    """What was found out about this Python turned out to be wrong."""
    _seen.pop(path, None)


def _find(name: str) -> str | None:
    return shutil.which(os.path.expanduser(name))


def _mark(base: str) -> str:
    """Names the environment of one Python."""
    return hashlib.sha256((os.path.realpath(base) + base).encode()).hexdigest()[:12]


async def _probe(path: str) -> list[Any] | None:
    try:
        changed = os.stat(path).st_mtime
    except OSError:
        return None
    if path in _seen and _seen[path][0] == changed and _seen[path][1][1]:
        return _seen[path][1]
    code, out = await _run([path, "-c", _PROBE], 60.0)
    try:
        facts: list[Any] = json.loads(out.strip().splitlines()[-1]) if code == 0 else []
    except (ValueError, IndexError):
        return None
    if len(facts) != 3:
        return None
    _seen[path] = (changed, facts)
    return facts


async def _made(home: Path, base: str) -> str | None:
    """The Python of the environment that was made on top of this one before, if it is good."""
    python = _folder(home, base) / "bin" / "python"
    there = await _probe(str(python)) if python.exists() else None
    return str(python) if there is not None and there[1] else None


def _folder(home: Path, base: str) -> Path:
    return home / "environments" / _mark(base)


async def _extend(home: Path, base: str, visible: list[str], report: Report) -> str:
    """A virtual environment on top of `base` that has ipykernel."""
    made = await _made(home, base)
    if made is not None:
        return made
    folder = _folder(home, base)
    report(f"ipykernel is missing on the machine: making an environment for it beside {base}")
    shutil.rmtree(folder, ignore_errors=True)
    try:
        await _make(base, folder, visible, report)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return str(folder / "bin" / "python")


async def _make(base: str, folder: Path, visible: list[str], report: Report) -> None:
    uv = shutil.which("uv")
    make = [uv, "venv", "--python", base, str(folder)] if uv else [base, "-m", "venv", str(folder)]
    await _must([*make, "--system-site-packages"], "An environment could not be made on the machine")
    _show(folder, visible)
    report("installing ipykernel on the machine")
    python = str(folder / "bin" / "python")
    install = [uv, "pip", "install", "--python", python] if uv else [python, "-m", "pip", "install", "-q"]
    await _must([*install, "ipykernel"], "ipykernel could not be installed on the machine")


def _show(folder: Path, visible: list[str]) -> None:
    """Let the environment see these folders."""
    for site in folder.glob("lib/python*/site-packages"):
        (site / "image.pth").write_text("\n".join(visible) + "\n")


async def _must(command: list[str], what: str) -> None:
    code, out = await _run(command, _INSTALL_PATIENCE)
    if code == 0:
        return
    lines = [line.strip() for line in out.splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith("error")]
    said = (errors or lines or ["it said nothing"])[-1]
    raise Refusal(
        "machine-unfit",
        "{} ({}).".format(what, said[:300].rstrip(".")),
        "If the machine has no internet, install ipykernel there yourself and name the Python that has it with "
        "`--python PATH` of `jupyter gpu profiles add`.",
    )


async def _run(command: list[str], patience: float) -> tuple[int, str]:
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        return 127, str(error)
    try:
        out, _ = await asyncio.wait_for(process.communicate(), patience)
    except asyncio.TimeoutError:
        await _end(process)
        return 124, f"it took longer than {patience:.0f} seconds"
    except asyncio.CancelledError:
        await _end(process)
        raise
    return process.returncode or 0, out.decode("utf-8", "replace")


async def _end(process: asyncio.subprocess.Process) -> None:
    """With all that it has started, so that nobody writes into a folder that is about to be removed."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    await process.wait()
