"""A kernel that goes on without its notebook is given to one from the Compute panel."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.compute import LabPage, Theme
from tests.browser.lab import Lab
from tests.browser.notebook import START_LIMIT, Notebook, expect_finished, text_of

THEMES: tuple[Theme, ...] = ("JupyterLab Dark", "JupyterLab Light")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("is_there", [True, False], ids=["its own notebook", "a new notebook"])
def test_a_kernel_that_nobody_has_is_given_to_a_notebook(
    make_lab: Callable[[], Lab], lab_page: LabPage, is_there: bool
) -> None:
    lab = make_lab()
    lab.gpu("profiles", "add", "local", "--machine", "local", "--keep")
    lab.start()
    lab_page.open(lab)
    lab_page.expect_the_server_to_be_gone()
    notebook = Notebook(lab_page.page)
    notebook.open_from_launcher("local (GPU bridge)")
    notebook.rename("train.ipynb")
    expect_finished(notebook.run("x = 41"))
    lab_page.page.evaluate("() => window.jupyterapp.shell.currentWidget.context.save()")
    (kernel,) = lab.get("api/kernels")
    expect_name(lab, "train.ipynb")
    lab.stop()
    for record in (lab.folder / "gb" / "sessions").glob("*.json"):
        record.unlink()  # as when the notebook's folder was moved, or the server starts in another one
    if not is_there:
        (lab.work / "train.ipynb").unlink()
    lab.start()
    lab_page.open(lab)
    assert lab.get("api/kernels") == []

    compute = lab_page.open_compute()
    lab_page.narrow()
    take = compute.get_by_role("button", name="Open a notebook on it (train.ipynb)")
    for theme in THEMES:
        lab_page.use_theme(theme)
        expect(take).to_be_visible()
        assert lab_page.accessibility_violations() == []
    take.focus()
    take.press("Enter")
    expect(take).to_have_count(0, timeout=START_LIMIT)
    expect(notebook.panel).to_be_visible()
    notebook.wait_until_idle()
    assert (notebook.path == "train.ipynb") is is_there
    after = notebook.run("print(x + 1)")
    expect_finished(after)
    assert text_of(after).strip() == "42"
    assert [each["id"] for each in lab.get("api/kernels")] == [kernel["id"]]
    lab_page.dismiss_dialogues()


def expect_name(lab: Lab, name: str) -> None:
    """In the command, which asks no server."""
    give_up = time.monotonic() + 15
    while name not in lab.gpu("kernels"):
        assert time.monotonic() < give_up, lab.gpu("kernels")
