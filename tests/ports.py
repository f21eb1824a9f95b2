"""Ports on 127.0.0.1 for servers that tests stop and start again."""

from __future__ import annotations

import random
import socket


def free_port() -> int:
    """A port that nobody listens on, from below the range that outgoing connections take theirs from.

    A port from that range could be taken while its server is down, and a client that keeps knocking on it could even
    be connected to itself.
    """
    for _ in range(200):
        port = random.randrange(12000, 32000)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no free port was found between 12000 and 32000")
