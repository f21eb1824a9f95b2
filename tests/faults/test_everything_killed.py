"""kill -9 of the Jupyter server, alone and with link and agent, in the middle of a cell, under an open page."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.page import Page
from tests.faults.processes import kill
from tests.faults.scene import Scene
from tests.jupyter_server import JupyterServer

pytestmark = pytest.mark.timeout(120)

LINES = 300
CODE = f"import time\nfor line in range({LINES}):\n    print('line', line, flush=True)\n    time.sleep(0.01)"


@pytest.fixture(scope="module")
def shared_scene() -> Iterator[Scene]:
    with Scene("openssh") as scene:
        yield scene


@pytest.fixture
def server(scene: Scene, tmp_path: Path) -> Iterator[JupyterServer]:
    server = JupyterServer(tmp_path)
    server.start()
    yield server
    for kernel in server.ask("api/kernels"):
        server.ask(f"api/kernels/{kernel['id']}", method="DELETE")
    server.kill()


@pytest.mark.parametrize("order", ["server", "server link agent", "agent link server", "link server"])
def test_the_page_gets_every_line_once_and_the_cell_ends(scene: Scene, server: JupyterServer, order: str) -> None:
    victims: dict[str, Callable[[], None]] = {
        "server": server.kill,
        "link": lambda: kill(*scene.links()),
        "agent": lambda: kill(*scene.agents()),
    }

    def strike() -> None:
        for victim in order.split():
            victims[victim]()

    async def story() -> None:
        kernel = {"name": f"gpu-bridge-{scene.machine.name}"}
        wanted = {"path": "a.ipynb", "name": "", "type": "notebook", "kernel": kernel}
        session = await asyncio.to_thread(server.ask, "api/sessions", wanted)
        page = Page(server, session["kernel"]["id"])
        try:
            await page.connect()
            asked = await page.execute(CODE)
            await page.until(lambda: "line 30\n" in page.text[asked])
            (before,) = scene.kernels()
            await asyncio.to_thread(strike)
            page.close()
            server.start()
            await asyncio.to_thread(server.ask, "api/kernels")
            await page.connect()
            await page.until(lambda: bool(page.replies[asked] and page.idles[asked]))
            assert page.text[asked].splitlines() == [f"line {line}" for line in range(LINES)]
            assert page.replies[asked] == page.idles[asked] == 1
            assert page.repeats <= 2, "a kill falls between a message and its receipt once for each lane at most"
            assert scene.kernels() == [before]
            again = await page.execute("print(line)")
            await page.until(lambda: bool(page.replies[again] and page.idles[again]))
            assert page.text[again] == f"{LINES - 1}\n"
        finally:
            page.close()

    asyncio.run(story())
