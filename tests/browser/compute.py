"""JupyterLab in a real browser, as a person meets it: opened with its token, clicked by names and roles."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, ConsoleMessage, Error, Locator, Page, Playwright, expect

from tests.browser.lab import Lab
from tests.missing_programs import find_program

PANEL = "#jupyter-gpu-bridge"
NARROW = 250
"""The narrowest sidebar that JupyterLab allows, in pixels."""

_AXE = Path(__file__).parents[2] / "labextension/node_modules/axe-core/axe.min.js"
_OPEN_LIMIT = 60_000

_CHROMIUM_ARGUMENTS = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--disable-sync",
    "--no-first-run",
]

Theme = Literal["JupyterLab Light", "JupyterLab Dark"]


def launch_chromium(playwright: Playwright) -> Browser:
    """The computer's own browser: Playwright's would have to be downloaded."""
    return playwright.chromium.launch(
        executable_path=find_program("chromium"),
        args=_CHROMIUM_ARGUMENTS,
        chromium_sandbox=False,  # it has none for root, and sees nothing but our own pages
    )


@dataclass
class Complaints:
    """What the page wrote to its console as an error; a test says beforehand which ones it provokes."""

    said: list[str] = field(default_factory=list)
    _expected: list[re.Pattern[str]] = field(default_factory=list)

    def expect(self, pattern: str) -> None:
        self._expected.append(re.compile(pattern))

    def unexpected(self) -> list[str]:
        return [said for said in self.said if not any(pattern.search(said) for pattern in self._expected)]

    def listen_to(self, page: Page) -> None:
        page.on("console", self._on_console)
        page.on("pageerror", self._on_error)

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.said.append(f"{message.text} ({message.location.get('url', '')})")

    def _on_error(self, error: Error) -> None:
        self.said.append(str(error))


@dataclass
class LabPage:
    """One browser page with JupyterLab in it."""

    page: Page
    complaints: Complaints

    def open(self, lab: Lab) -> None:
        self.page.goto(f"{lab.url}/lab?token={lab.token}&reset", timeout=_OPEN_LIMIT)
        self.page.locator("#jupyterlab-splash").wait_for(state="detached", timeout=_OPEN_LIMIT)
        self.page.locator(".jp-Launcher").wait_for(timeout=_OPEN_LIMIT)

    def open_compute(self) -> Locator:
        """Show the panel by its tab in the sidebar; returns the region."""
        tab = self.page.get_by_role("tab", name="Compute")
        if tab.get_attribute("aria-selected") != "true":
            tab.click()
        return self.compute()

    def compute(self) -> Locator:
        region = self.page.get_by_role("region", name="Compute")
        expect(region).to_be_visible()
        return region

    def expect_the_server_to_be_gone(self) -> None:
        """Part of the test: the browser writes each request that nobody answers to the console."""
        for complaint in ("ERR_CONNECTION", "ERR_EMPTY_RESPONSE", "Failed to fetch", "NetworkError", "WebSocket"):
            self.complaints.expect(complaint)

    def dismiss_dialogues(self) -> None:
        """As a person does who has read them."""
        dialogues = self.page.locator(".jp-Dialog")
        if dialogues.count():
            self.page.keyboard.press("Escape")
        expect(dialogues).to_have_count(0)

    def narrow(self) -> None:
        """Drag the sidebar as narrow as it goes."""
        panel = self.page.locator(PANEL)
        self.page.set_viewport_size({"width": 1200, "height": 900})
        box = panel.bounding_box()
        assert box is not None
        edge, middle = box["x"] + box["width"] + 1, box["y"] + box["height"] / 2
        self.page.mouse.move(edge, middle)
        self.page.mouse.down()
        self.page.mouse.move(edge - box["width"], middle, steps=5)
        self.page.mouse.up()
        expect(panel).to_have_js_property("clientWidth", NARROW)

    def use_theme(self, theme: Theme) -> None:
        self.page.evaluate(
            "theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})",
            theme,
        )
        expect(self.page.locator("body")).to_have_attribute("data-jp-theme-name", theme)

    def accessibility_violations(self) -> list[str]:
        """What axe finds wrong inside the panel: the rule, what it says, and the elements."""
        self.page.evaluate(_AXE.read_text())
        found: list[dict[str, object]] = self.page.evaluate(
            "async panel => (await axe.run(panel)).violations.map("
            "({id, help, nodes}) => ({id, help, where: nodes.map(node => node.html)}))",
            PANEL,
        )
        return [f"{each['id']}: {each['help']}: {each['where']}" for each in found]
