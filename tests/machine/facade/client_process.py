"""A client in a process of its own: `python client_process.py PREFIX SESSIONS FOLDER`.

For each session it connects as a Jupyter server does for a websocket (iopub, shell, control, stdin, in this order) and
appends each text it receives to FOLDER/SESSION.log, one line each, so that nothing that it had is forgotten when it is
killed. A name that begins with `r-` gives receipts, as our server extension does for its pages: what is in the log is
with the page. One that begins with `m-` promises receipts and gives none.

Each byte on standard input is an order to all, see `Order`.
"""

from __future__ import annotations

import os
import sys
from enum import Enum
from pathlib import Path

import zmq
from jupyter_client.session import Session

from jupyter_gpu_bridge.machine.facade import Receipts
from jupyter_gpu_bridge.model import Lane

KEY = b"a key for tests"


_LOOK_EACH_MILLISECONDS = 10


class Order(Enum):
    SPEAK = b"."
    LEAVE_UNREAD = b"-"
    """As on a busy computer: libzmq takes what comes and connects anew, and nobody reads it."""
    READ_ON = b"+"


def main(prefix: str, names: str, folder: str) -> None:
    context = zmq.Context()
    poller = zmq.Poller()
    poller.register(0, zmq.POLLIN)
    clients = [Client(context, prefix, name, folder) for name in names.split(",")]
    owners = {socket: client for client in clients for socket in client.sockets.values()}
    for socket in owners:
        poller.register(socket, zmq.POLLIN)
    reads = True
    while True:
        ready = dict(poller.poll(None if reads else _LOOK_EACH_MILLISECONDS))
        if 0 in ready:
            order = os.read(0, 1)
            if not order:
                return
            if Order(order) is Order.SPEAK:
                for client in clients:
                    client.speak()
            else:
                reads = Order(order) is Order.READ_ON
                for socket in owners:
                    poller.modify(socket, zmq.POLLIN if reads else 0)
        elif reads:
            for socket in ready:
                owners[socket].receive(socket)
        else:
            for socket in owners:
                socket.get(zmq.EVENTS)  # for libzmq to do what it does only when it is called


class Client:
    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], prefix: str, name: str, folder: str) -> None:
        self._receipts = Receipts.open(Path(prefix), name.encode()) if name[:2] in ("r-", "m-") else None
        self._is_mute = name.startswith("m-")
        self.sockets = connect(context, prefix, name)
        if self._receipts is not None:
            self.sockets["iopub"].subscribe(self._receipts.topic_of(name.encode()))
        self._lanes = {socket: lane for lane, socket in self.sockets.items()}
        self._session = Session(session=name, key=KEY)
        self._log = os.open(os.path.join(folder, f"{name}.log"), os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def speak(self) -> None:
        self._session.send(self.sockets["shell"], "kernel_info_request")

    def receive(self, socket: zmq.Socket[bytes]) -> None:
        """`deserialize` checks the signature, and raises when the same message comes twice."""
        frames = socket.recv_multipart()
        stamp = Receipts.stamp_on(frames)
        message = self._session.deserialize(self._session.feed_identities(frames)[1])
        os.write(self._log, f"{self._lanes[socket]} {message['content']['text'][:32].strip()}\n".encode())
        if self._receipts is not None and stamp is not None and not self._is_mute:
            self._receipts.store(Lane(self._lanes[socket]), stamp.number)


def connect(context: zmq.Context[zmq.Socket[bytes]], prefix: str, name: str) -> dict[str, zmq.Socket[bytes]]:
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
    return sockets


if __name__ == "__main__":
    main(*sys.argv[1:4])
