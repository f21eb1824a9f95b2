"""A newcomer rents in the sandbox: by the launcher, with a cell that runs there, and an end that is confirmed."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.compute import LabPage
from tests.browser.lab import Lab
from tests.browser.notebook import Notebook, expect_finished, text_of


@pytest.mark.timeout(240)
def test_a_newcomer_rents_a_machine_by_one_click_and_ends_it_by_another(
    make_lab: Callable[[], Lab], lab_page: LabPage
) -> None:
    lab = make_lab()
    lab.gpu(
        *["profiles", "add", "sandbox", "--rent", "--provider", "sandbox", "--budget", "1", "--display-name", "Sandbox"]
    )
    lab.start()
    try:
        lab_page.open(lab)
        compute = lab_page.open_compute()
        notebook = Notebook(lab_page.page)
        notebook.open_from_launcher("Sandbox")
        cell = notebook.run("import os; print(os.environ['SANDBOX_MACHINE_ID'][:2], 6 * 7)")
        expect_finished(cell)
        assert text_of(cell).strip() == "m- 42"
        row = compute.get_by_role("list", name="Rented machines").locator("> li")
        expect(row).to_have_count(1)
        expect(row).to_contain_text("In use", timeout=20_000)
        expect(row).to_contain_text("pretend")
        expect(row).to_contain_text("Untitled.ipynb")
        _picture(lab_page, "rented")
        row.get_by_role("button", name=re.compile("^Stop Pretend")).click()
        dialogue = lab_page.page.get_by_role("dialog")
        expect(dialogue).to_contain_text("Untitled.ipynb")
        _picture(lab_page, "ending")
        dialogue.get_by_role("button", name="Stop and delete it").click()
        expect(row).to_contain_text("It cost", timeout=90_000)
        assert "Nothing is rented." in lab.gpu("ls")
    finally:
        lab.gpu("stop", "--all", "--yes")


def _picture(lab_page: LabPage, name: str) -> None:
    folder = os.environ.get("RENTALS_PICTURES")
    if folder:
        lab_page.page.screenshot(path=Path(folder) / f"{name}.png")
