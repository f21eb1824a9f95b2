"""A newcomer rents in the sandbox: by the launcher, with a cell that runs there, and an end that is confirmed.

Where RENTALS_PICTURES names a folder, pictures are left there, to be looked at.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.compute import LabPage, Theme
from tests.browser.lab import Lab
from tests.browser.notebook import Notebook, expect_finished, text_of
from tests.rentals.renting.world import HomeCloud

THEMES: list[Theme] = ["JupyterLab Light", "JupyterLab Dark"]


@pytest.mark.timeout(240)
def test_a_newcomer_rents_a_machine_by_one_click_and_ends_it_by_another(
    make_lab: Callable[[], Lab], lab_page: LabPage
) -> None:
    lab = make_lab()
    try:
        _add_sandbox(lab)
        lab.start()
        lab_page.open(lab)
        compute = lab_page.open_compute()
        notebook = Notebook(lab_page.page)
        notebook.open_from_launcher("Sandbox")
        expect(_toast(lab_page)).to_contain_text(re.compile(r"Pretend .* · sandbox: ready after \d+ s, \$"))
        _picture(lab_page, "ready")
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
        lab_page.expect_the_server_to_be_gone()
        lab.stop()
    finally:
        lab.gpu("stop", "--all", "--yes")


@pytest.mark.timeout(240)
def test_a_start_shows_how_far_it_is_and_can_be_cancelled(make_lab: Callable[[], Lab], lab_page: LabPage) -> None:
    lab_page.complaints.expect("500")  # the answer to who asked for the kernel
    lab_page.complaints.expect("reading 'kernel'")  # of the widgets' manager, which expects one without looking
    lab = make_lab()
    with HomeCloud(lab.folder / "gb", rate=1) as cloud:
        cloud.fault("slow-boot", value=3600)
        _add_sandbox(lab)
        lab.start()
        lab_page.open(lab)
        lab_page.page.locator(".jp-LauncherCard[data-category=Notebook]").filter(has_text="Sandbox").click()
        toast = _toast(lab_page)
        expect(toast).to_contain_text(re.compile(r"sandbox · Booting… \d+ s · the machine starts"), timeout=30_000)
        for theme in THEMES:
            lab_page.use_theme(theme)
            lab_page.page.locator("#jupyterlab-splash").wait_for(state="detached")
            _picture(lab_page, f"booting-{theme}")
        expect(toast).to_contain_text(re.compile(r"Booting… [1-9]\d s"), timeout=30_000)
        assert [machine["ended"] for machine in cloud.machines()] == [None]
        toast.get_by_role("button", name="Cancel").click()
        expect(toast).to_contain_text("Cancelled.", timeout=60_000)
        _picture(lab_page, "cancelled")
        assert [machine["ended"] is None for machine in cloud.machines()] == [False]
        expect(lab_page.page.get_by_role("dialog")).to_contain_text("The rented machine cannot be used any more")
        lab_page.expect_the_server_to_be_gone()
        lab.stop()


def _add_sandbox(lab: Lab) -> None:
    options = ["--provider", "sandbox", "--budget", "1", "--display-name", "Sandbox"]
    lab.gpu("profiles", "add", "sandbox", "--rent", *options)


def _toast(lab_page: LabPage) -> Locator:
    return lab_page.page.locator(".Toastify__toast")


def _picture(lab_page: LabPage, name: str) -> None:
    folder = os.environ.get("RENTALS_PICTURES")
    if folder:
        lab_page.page.screenshot(path=Path(folder) / f"{name}.png")
