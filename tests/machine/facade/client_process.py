"""A client in a process of its own: `python client_process.py PREFIX SESSION LOG [nudge]`.

It connects as a Jupyter server does for a websocket (iopub, shell, control, stdin, in this order) and appends each text
it receives to LOG, one line each, so that nothing that it had is forgotten when it is killed. It speaks when told to on
its standard input.
"""

from __future__ import annotations

import os
import sys

import zmq
from jupyter_client.session import Session

KEY = b"a key for tests"


def main(prefix: str, name: str, log: str) -> None:
    context = zmq.Context()
    session = Session(session=name, key=KEY)
    sockets: dict[str, zmq.Socket[bytes]] = {}
    for lane, kind, port in (
        ("iopub", zmq.SUB, 2),
        ("shell", zmq.DEALER, 1),
        ("control", zmq.DEALER, 4),
        ("stdin", zmq.DEALER, 3),
    ):
        socket = context.socket(kind)
        socket.identity = name.encode()
        socket.connect(f"ipc://{prefix}-{port}")
        if lane == "iopub":
            socket.subscribe(b"")
        sockets[lane] = socket
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    poller = zmq.Poller()
    poller.register(0, zmq.POLLIN)
    for socket in sockets.values():
        poller.register(socket, zmq.POLLIN)
    lanes = {socket: lane for lane, socket in sockets.items()}
    while True:
        for ready, _ in poller.poll():
            if ready == 0:
                if not os.read(0, 1):
                    return
                session.send(sockets["shell"], "kernel_info_request")
                continue
            # `deserialize` checks the signature, and raises when the same message comes twice.
            _, frames = session.feed_identities(ready.recv_multipart())
            message = session.deserialize(frames)
            os.write(descriptor, f"{lanes[ready]} {message['content']['text'][:32].strip()}\n".encode())


if __name__ == "__main__":
    main(*sys.argv[1:4])
