"""What runs at the far end of each new carrier: gives its two descriptors to the agent, and stays until they are done.

Handing the descriptors over (instead of copying bytes between them) saves a process hop in each direction. The agent is
started when there is none; it is a session of its own, so nothing that happens to the carrier touches it.
"""

from __future__ import annotations

import array
import errno
import fcntl
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

from jupyter_gpu_bridge.agent.places import agent_socket

_START_PATIENCE = 15.0


def hand_over(connection: socket.socket) -> None:
    """Gives our standard input and output to the agent, and returns when it lets go of them."""
    descriptors = array.array("i", [0, 1])
    connection.sendmsg([b"attach\n"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)])
    quiet = os.open(os.devnull, os.O_RDWR)
    os.dup2(quiet, 0)
    os.dup2(quiet, 1)
    try:
        while connection.recv(4096):
            pass
    except ConnectionError:
        return


def reach(home: Path, code: Path, version: str) -> socket.socket:
    """A connection to the agent, which is started if need be; raises `OSError` when there can be none."""
    path = agent_socket(home, version)
    found = _connect(path)
    if found is not None:
        return found
    with open(home / "agent.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = _connect(path)
        if found is not None:
            return found
        with open(home / "agent.log", "ab") as log:
            process = subprocess.Popen(
                [sys.executable, str(code), "agent", str(home), version],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
            )
        give_up = time.monotonic() + _START_PATIENCE
        # One that ends without complaint has found another one that is about to listen.
        while time.monotonic() < give_up and not process.poll():
            found = _connect(path)
            if found is not None:
                return found
            time.sleep(0.005)
    raise OSError(errno.ECHILD, f"the agent did not start; see {home / 'agent.log'}")


def _connect(path: Path) -> socket.socket | None:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(str(path))
    except (FileNotFoundError, ConnectionRefusedError):
        connection.close()
        return None
    return connection
