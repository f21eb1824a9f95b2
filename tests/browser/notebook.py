"""One notebook in the page: cells typed and run by keys, and read as a person reads them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from playwright.sync_api import Locator, Page, expect

START_LIMIT = 60_000
"""Of a kernel on a machine that is not connected yet, on a computer with better things to do."""

_IS_IDLE = """() => {
  const kernel = window.jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel;
  return kernel?.connectionStatus === 'connected' && kernel.status === 'idle';
}"""

_WATCH = """() => {
  const { session } = window.jupyterapp.shell.currentWidget.sessionContext;
  window.kernelStatuses = [];
  session.statusChanged.connect((_, status) => window.kernelStatuses.push(status));
  session.connectionStatusChanged.connect((_, status) => window.kernelStatuses.push(status));
}"""


@dataclass
class Notebook:
    """The notebook in front."""

    page: Page

    @property
    def panel(self) -> Locator:
        return self.page.locator(".jp-NotebookPanel:visible")

    @property
    def cells(self) -> Locator:
        return self.panel.locator(".jp-CodeCell")

    @property
    def path(self) -> str:
        return str(self.page.evaluate("() => window.jupyterapp.shell.currentWidget.context.path"))

    def open_from_launcher(self, kernel: str) -> None:
        """By the card that bears this name; returns when the kernel is idle."""
        card = self.page.locator(".jp-LauncherCard[data-category=Notebook]").filter(has_text=kernel)
        card.click()
        self.wait_until_idle()

    def wait_until_idle(self) -> None:
        """The circle beside the kernel's name would not do: it says idle before there is a kernel."""
        self.page.wait_for_function(_IS_IDLE, timeout=START_LIMIT)

    def rename(self, name: str) -> None:
        """Without being asked for the name."""
        self.page.evaluate("name => window.jupyterapp.shell.currentWidget.context.rename(name)", name)

    def run(self, code: str) -> Locator:
        """Type this into the last cell and run it, which makes a new last one; the cell that runs."""
        number = self.cells.count() - 1
        cell = self.cells.nth(number)
        cell.locator(".cm-content").click()
        self.page.keyboard.insert_text(code)
        self.page.keyboard.press("Shift+Enter")
        expect(self.cells).to_have_count(number + 2)
        return self.cells.nth(number)

    def watch_kernel(self) -> None:
        """Write down from now on what the page makes of its kernel: `kernel_statuses`."""
        self.page.evaluate(_WATCH)

    def kernel_statuses(self) -> list[str]:
        """Kernel and connection statuses in the order of their coming."""
        return [str(status) for status in self.page.evaluate("() => window.kernelStatuses")]


def text_of(cell: Locator) -> str:
    """All that the cell has put out, as text."""
    return "".join(cell.locator(".jp-OutputArea-output").all_inner_texts())


def expect_finished(cell: Locator, *, within: float = 15_000) -> None:
    """The prompt is a number."""
    expect(cell.locator(".jp-InputPrompt")).to_have_text(re.compile(r"^\[\d+\]:$"), timeout=within)
