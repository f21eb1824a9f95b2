"""A machine, from its first second to its last: `python -m jupyter_gpu_bridge.sandbox.machine FOLDER`.

It boots (start script, then SSH server) and lives until it is told to end (SIGTERM), is switched off from inside
(SIGUSR1, by its own `poweroff`), or has lived longer than any cloud lets it.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys
import threading
from pathlib import Path

from jupyter_gpu_bridge.files import replace_file
from jupyter_gpu_bridge.sandbox import processes
from jupyter_gpu_bridge.sandbox.machine.children import Children
from jupyter_gpu_bridge.sandbox.machine.place import HOST_KEY, News, Place, Setup
from jupyter_gpu_bridge.sandbox.machine.ssh import Guests, Server, host_key

_SCRIPT_WITHIN = 120.0
"""Seconds that the start script may take before the SSH server is started all the same."""


def main(folder: Path) -> None:
    place = Place(folder)
    setup = place.told()
    reader, writer = os.pipe()
    for number in (signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, lambda received, _: _note(writer, received))
    environment = _furnish(place, setup)
    children = Children(setup.mark, environment, place.home)
    listener = _bind(setup.port)
    news = News(os.getpid(), listener.getsockname()[1], "booting")
    place.say(news)
    threading.Thread(target=_boot, args=(place, setup, children, listener, news), daemon=True, name="boot").start()
    ready, _, _ = select.select([reader], [], [], setup.longest)
    why = os.read(reader, 1)[0] if ready else signal.SIGTERM
    listener.close()
    children.end_all()
    if why == signal.SIGUSR1:
        place.say(News(phase="off", detail="It was switched off from inside."))
    os._exit(0)


def _note(writer: int, received: int) -> None:
    os.write(writer, bytes([received]))


def _boot(place: Place, setup: Setup, children: Children, listener: socket.socket, news: News) -> None:
    ended = threading.Event()
    statuses: list[int] = []

    def on_end(status: int) -> None:
        statuses.append(status)
        ended.set()

    with open(place.console, "ab") as console, open(os.devnull, "rb") as nothing:
        pipes = (nothing.fileno(), console.fileno(), console.fileno())
        children.start(["/bin/sh", str(place.start_script)], pipes, on_end)
    ended.wait(_SCRIPT_WITHIN)
    detail = "" if statuses == [0] else f"Its start script has {_said(statuses)}."
    key, problem = host_key(place.host_key)
    place.say(News(news.pid, news.port, "ready", " ".join(part for part in (detail, problem) if part)))
    if setup.has_ssh:
        listener.listen(64)
        Server(listener, key, Guests(setup.login, place.keys), children)


def _said(statuses: list[int]) -> str:
    return f"ended with status {statuses[0]}" if statuses else "not ended yet"


def _furnish(place: Place, setup: Setup) -> dict[str, str]:
    """What is on the disk of a fresh machine, and the environment of all that runs there."""
    place.make()
    # A link would not find the modules of its environment. Status 86: too old for us, and the next one is looked for.
    python = f'#!/bin/sh\nexec "{sys.executable}" "$@"\n' if setup.has_python else "#!/bin/sh\nexit 86\n"
    power_off = f"#!/bin/sh\nexec kill -USR1 {os.getpid()}\n"
    for name, text in {"python3": python, "python": python, "poweroff": power_off}.items():
        replace_file(place.programs / name, text.encode(), mode=0o700)
    replace_file(place.start_script, setup.start_script.encode())
    own = {"api": setup.api, "machine_id": setup.machine_id, "key": setup.key}
    replace_file(place.credentials, json.dumps(own).encode())
    return {
        "PATH": os.pathsep.join([str(place.programs), os.environ.get("PATH", os.defpath)]),
        "HOME": str(place.home),
        "TMPDIR": str(place.temporary),
        "XDG_RUNTIME_DIR": str(place.sockets),
        "USER": setup.login,
        "LOGNAME": setup.login,
        "SHELL": "/bin/sh",
        "LANG": "C.UTF-8",
        HOST_KEY: str(place.host_key),
        "SANDBOX_API": setup.api,
        "SANDBOX_MACHINE_ID": setup.machine_id,
        "SANDBOX_MACHINE_KEY": setup.key,
        "SANDBOX_CREDENTIALS": str(place.credentials),
        **{name: _filled(value, setup) for name, value in setup.environment.items()},
        processes.MARK: setup.mark,
    }


def _filled(text: str, setup: Setup) -> str:
    return text.replace("{machine}", setup.machine_id).replace("{key}", setup.key).replace("{api}", setup.api)


def _bind(port: int) -> socket.socket:
    """Bound and not listening: whoever knocks is refused until the machine has booted."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError:
        listener.bind(("127.0.0.1", 0))
    return listener


if __name__ == "__main__":
    main(Path(sys.argv[1]))
