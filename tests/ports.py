"""Ports on 127.0.0.1 for servers that tests stop and start again."""

from __future__ import annotations

import os
import random
import socket

_LOWEST, _BEYOND = 12000, 32000


def free_port() -> int:
    """A port that nobody listens on, from below the range that outgoing connections take theirs from.

    A port from that range could be taken while its server is down, and a client that keeps knocking on it could even
    be connected to itself. Tests that run at the same time in other workers draw from other ports, so that none takes
    the port of a server that is down for a moment.
    """
    for _ in range(200):
        port = random.choice(_ports_of_this_worker())
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError(f"no free port was found between {_LOWEST} and {_BEYOND}")


def _ports_of_this_worker() -> range:
    """Every nth, where pytest runs n workers; all of them, where it runs none."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    return range(_LOWEST + number % workers, _BEYOND, workers)
