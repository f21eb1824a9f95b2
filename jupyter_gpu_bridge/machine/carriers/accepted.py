"""How a dialer knows that the far machine runs the command: a mark, printed right before the command starts.

What a chatty login shell prints before it (a `.bashrc` with an `echo`) is swallowed with it, so the command's own first
byte is the first that the caller reads.
"""

from __future__ import annotations

import asyncio
import secrets
import shlex
import socket


def with_mark(command: str) -> tuple[str, bytes]:
    """The command line for the login shell, which need not be a POSIX one, and the mark it prints first."""
    mark = f"gpu-bridge-{secrets.token_hex(8)}"
    return f"echo {mark}; exec sh -c {shlex.quote(command)}", mark.encode() + b"\n"


async def wait_for_mark(ours: socket.socket, mark: bytes) -> bool:
    """Read up to and with the mark, and not a byte more; `False` when the pipe ended before."""
    kept = b""
    while True:
        await _readable(ours)
        try:
            seen = ours.recv(1 << 16, socket.MSG_PEEK)
        except BlockingIOError:
            continue
        except OSError:
            return False
        if not seen:
            return False
        found = (kept + seen).find(mark)
        if found >= 0:
            ours.recv(found + len(mark) - len(kept))
            return True
        ours.recv(len(seen))
        kept = (kept + seen)[-len(mark) + 1 :]


async def _readable(ours: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(ours.fileno(), ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(ours.fileno())
