"""Notebook 7, whose page is another application that loads the same plugins."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.compute import LabPage
from tests.browser.lab import Lab
from tests.browser.notebook import START_LIMIT, Notebook, expect_finished, text_of
from tests.browser.test_survival import AWAY_S, BEFORE, LINES, LOOP, RETURN_LIMIT

_CELL: dict[str, object] = {
    "cell_type": "code",
    "id": "a",
    "source": "",
    "metadata": {},
    "outputs": [],
    "execution_count": None,
}
_KERNEL = {"name": "gpu-bridge-local", "display_name": "local (GPU bridge)", "language": "python"}
_NOTEBOOK = {"cells": [_CELL], "metadata": {"kernelspec": _KERNEL}, "nbformat": 4, "nbformat_minor": 5}

_IS_ACTIVE = "name => window.jupyterapp.isPluginActivated(name)"


@pytest.mark.timeout(300)
def test_a_server_killed_in_the_middle_of_a_cell_costs_a_page_of_notebook_7_nothing(
    make_lab: Callable[[str], Lab], lab_page: LabPage
) -> None:
    lab = make_lab("notebook")
    lab.gpu("profiles", "add", "local", "--machine", "local")
    (lab.work / "n.ipynb").write_text(json.dumps(_NOTEBOOK))
    lab.start()
    lab_page.page.goto(f"{lab.url}/notebooks/n.ipynb?token={lab.token}")
    lab_page.complaints.expect("reading 'schema'")  # of Notebook 7 itself, also without us
    lab_page.expect_the_server_to_be_gone()
    notebook = Notebook(lab_page.page)
    expect(notebook.cells).to_have_count(1, timeout=START_LIMIT)
    notebook.wait_until_idle()
    for plugin in ("notices", "repeats"):
        assert lab_page.page.evaluate(_IS_ACTIVE, f"jupyter-gpu-bridge:{plugin}"), plugin
    expect_finished(notebook.run("x = 41"))
    notebook.watch_kernel()

    cell = notebook.run(LOOP)
    expect(cell).to_contain_text(f"line {BEFORE}")
    lab.kill()
    time.sleep(AWAY_S)  # not to wait for something: this is how long it is away
    lab.start()

    expect_finished(cell, within=RETURN_LIMIT)
    assert text_of(cell).splitlines() == [f"line {line}" for line in range(LINES)]
    assert not {"dead", "restarting", "autorestarting", "terminating"} & set(notebook.kernel_statuses())
    lab_page.dismiss_dialogues()
    after = notebook.run("print(x + 1)")
    expect_finished(after)
    assert text_of(after).strip() == "42"
