"""A JupyterLab and a browser for each module; a page for each test, which fails when its console shows an error.

Playwright keeps an event loop running in this thread while it is open, so it is closed before other tests run theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.browser.compute import Complaints, LabPage, launch_chromium
from tests.browser.lab import Lab

expect.set_options(timeout=15_000)  # for machines with two busy cores


@pytest.fixture
def jp_asyncio_loop() -> None:
    """pytest-jupyter makes and closes a loop around each test; here it would meet Playwright's running one."""


@pytest.fixture
def jp_server_cleanup() -> None:
    """pytest-jupyter tidies up after servers in this process; here they are in processes of their own."""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = launch_chromium(playwright)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def make_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Lab]]:
    """Makes JupyterLabs that are not started yet; what still runs in the end is stopped."""
    made: list[Lab] = []

    def make(module: str = "jupyterlab") -> Lab:
        made.append(Lab(tmp_path_factory.mktemp("lab"), module))
        return made[-1]

    yield make
    for lab in made:
        lab.close()


@pytest.fixture(scope="module")
def lab(make_lab: Callable[[], Lab]) -> Lab:
    """One that runs, for tests that leave it as it was."""
    started = make_lab()
    started.start()
    return started


@pytest.fixture
def lab_page(chromium: Browser) -> Iterator[LabPage]:
    with chromium.new_context(viewport={"width": 1280, "height": 900}) as context:
        page = LabPage(context.new_page(), Complaints())
        page.complaints.listen_to(page.page)
        yield page
    assert page.complaints.unexpected() == []
