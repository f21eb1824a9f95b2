"""A Jupyter server that is killed in the middle of a cell, with the page open all the time."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.compute import LabPage
from tests.browser.lab import Lab
from tests.browser.notebook import Notebook, expect_finished, text_of

LINES = 400
BEFORE = 80
"""So many lines are on the page when the server is killed."""
AWAY_S = 2.0

RETURN_LIMIT = 90_000
"""A page knocks in pauses that double up to about a minute."""

LOOP = f"""import time
for line in range({LINES}):
    print("line", line, flush=True)
    time.sleep(0.015)
"""
"""Fast enough that lines are under way at every instant, also at that of the kill."""


@pytest.mark.timeout(300)
def test_a_server_killed_in_the_middle_of_a_cell_costs_the_open_page_nothing(
    make_lab: Callable[[], Lab], lab_page: LabPage
) -> None:
    lab = make_lab()
    lab.gpu("profiles", "add", "local", "--machine", "local")
    lab.start()
    lab_page.open(lab)
    lab_page.expect_the_server_to_be_gone()
    notebook = Notebook(lab_page.page)
    notebook.open_from_launcher("local (GPU bridge)")
    expect_finished(notebook.run("x = 41"))
    notebook.watch_kernel()
    before = _ids(lab)

    cell = notebook.run(LOOP)
    expect(cell).to_contain_text(f"line {BEFORE}")
    lab.kill()
    time.sleep(AWAY_S)  # not to wait for something: this is how long it is away
    lab.start()

    expect_finished(cell, within=RETURN_LIMIT)
    assert text_of(cell).splitlines() == [f"line {line}" for line in range(LINES)]
    statuses = notebook.kernel_statuses()
    assert "connecting" in statuses
    assert not {"dead", "restarting", "autorestarting", "terminating"} & set(statuses), statuses
    expect(lab_page.page.get_by_role("dialog").filter(has_text="ernel")).to_have_count(0)
    lab_page.dismiss_dialogues()

    after = notebook.run("print(x + 1)")
    expect_finished(after)
    assert text_of(after).strip() == "42"
    assert _ids(lab) == before


def _ids(lab: Lab) -> list[tuple[str, str]]:
    return [(session["id"], session["kernel"]["id"]) for session in lab.get("api/sessions")]
