"""The first minutes of somebody who has only just installed this, without a word in a terminal."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.compute import LabPage
from tests.browser.lab import Lab
from tests.browser.notebook import Notebook, expect_finished, text_of


@pytest.mark.timeout(180)
def test_a_newcomer_runs_a_cell_on_this_computer_by_one_click(make_lab: Callable[[], Lab], lab_page: LabPage) -> None:
    lab = make_lab()
    lab.start()
    lab_page.open(lab)
    compute = lab_page.open_compute()
    compute.get_by_role("button", name="New notebook here (This computer)").click()
    notebook = Notebook(lab_page.page)
    notebook.wait_until_idle()
    cell = notebook.run("print(6 * 7)")
    expect_finished(cell)
    assert text_of(cell).strip() == "42"
    (session,) = lab.get("api/sessions")
    assert session["kernel"]["name"] == "gpu-bridge-local"
    expect(compute.get_by_text("Untitled.ipynb")).to_be_visible()
    expect(compute.get_by_role("button", name="New notebook on This computer (GPU bridge)")).to_be_visible()
    lab_page.page.locator("#jp-main-dock-panel .lm-TabBar-addButton").click()
    card = lab_page.page.locator(".jp-LauncherCard[data-category=Notebook]").filter(
        has_text="This computer", visible=True
    )
    expect(card).to_be_visible()
