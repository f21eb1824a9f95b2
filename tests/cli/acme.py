"""A provider of somebody else's that takes a key, installed in a folder, and its cloud, which answers as it is told."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

MODULE = """
import os

from jupyter_gpu_bridge.keys import KeyInUse, KeyPlace
from jupyter_gpu_bridge.model import Account, Traits
from jupyter_gpu_bridge.providers.http import HttpClient


class Acme:
    name = "acme"
    key = KeyPlace("acme", ("ACME_API_KEY",), "Make one at acme.example.")
    traits = Traits(title="Acme")

    def __init__(self):
        self._key = KeyInUse(self.key)

    async def check(self):
        text = (await self._key.now()).reveal()
        client = HttpClient(
            "Acme",
            os.environ["ACME_BASE_URL"],
            headers={"Authorization": f"Bearer {text}"},
            secrets=[text],
            trust_env=False,
        )
        try:
            fields = (await client.read("/account")).fields
        finally:
            await client.close()
        return Account("mark", fields.text("title"), fields.money("balance") if fields.has("balance") else None)

    async def close(self):
        pass
"""


class Cloud:
    def __init__(self, address: str) -> None:
        self.address = address
        self.status = 200
        self.says: object = {}
        self.heard: list[str] = []


def install(folder: Path) -> None:
    """Python finds it where this folder is on its path."""
    information = folder / "acme_cloud-1.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-cloud\nVersion: 1\n")
    (information / "entry_points.txt").write_text("[jupyter_gpu_bridge.providers]\nacme = acme_cloud:Acme\n")
    (folder / "acme_cloud.py").write_text(MODULE)


@contextlib.contextmanager
def cloud() -> Iterator[Cloud]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            it.heard.append(self.headers["Authorization"])
            body = json.dumps(it.says).replace("KEY", self.headers["Authorization"]).encode()
            self.send_response(it.status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    it = Cloud(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield it
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=10)
