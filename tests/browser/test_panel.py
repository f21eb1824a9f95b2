"""The Compute panel on the real server."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.compute import LabPage, Theme
from tests.browser.lab import Lab


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_the_panel_opens_and_lists_this_computer(lab: Lab, lab_page: LabPage, theme: Theme) -> None:
    lab_page.open(lab)
    lab_page.use_theme(theme)
    compute = lab_page.open_compute()
    expect(compute.get_by_role("heading", name="This computer")).to_be_visible()
    assert lab_page.accessibility_violations() == []


def test_the_palette_opens_the_panel(lab: Lab, lab_page: LabPage) -> None:
    lab_page.open(lab)
    lab_page.page.keyboard.press("Control+Shift+C")
    palette = lab_page.page.locator(".lm-CommandPalette-input")
    palette.fill("Show the Compute Panel")
    palette.press("Enter")
    lab_page.compute()


def test_without_the_token_the_server_tells_nothing_of_machines(lab: Lab, lab_page: LabPage) -> None:
    answer = lab_page.page.request.get(f"{lab.url}/gpu-bridge/api/v1/machines")
    assert answer.status == 403
    assert "This computer" not in answer.text()


def test_another_sites_page_makes_no_profile(lab: Lab, lab_page: LabPage) -> None:
    """The browser sends our cookie with its request; what it cannot know is the token against forgery."""
    lab_page.open(lab)
    answer = lab_page.page.request.post(
        f"{lab.url}/gpu-bridge/api/v1/profiles", data={"name": "local", "machine": "local"}
    )
    assert answer.status == 403
    assert "XSRF" in answer.text() or "_xsrf" in answer.text()
    assert lab.get("gpu-bridge/api/v1/profiles") == {"profiles": []}
