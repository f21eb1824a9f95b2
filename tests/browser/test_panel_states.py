"""How the panel shows each state, with answers made up in the browser: no such machines are here to be seen.

Everything but those answers is real. That the real server gives them is for `test_panel.py` to show.
"""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.compute import NARROW, PANEL, LabPage, Theme
from tests.browser.lab import Lab
from tests.browser.made_up import MadeUpServer, kernel, machine
from tests.browser.notebook import Notebook

EVERY_STATE = [
    machine("local", ref="local", provider="local", title="This computer", state="asleep", round_trip_ms=None),
    machine(
        "box",
        kernels=[
            kernel("k-busy", state="busy", path="work/training-of-a-rather-long-name.ipynb"),
            kernel("k-idle", path="explore.ipynb"),
            kernel("k-starting", state="starting", pid=None, started=None, detail="Preparing Python on box."),
            kernel("k-dead", state="dead", attached=False, detail="The kernel was killed: box ran out of memory."),
        ],
    ),
    machine(
        "farm",
        state="reconnecting",
        detail="The connection was cut; trying again in 4 s.",
        kernels=[kernel("k-away", machine="ssh:farm", state="unreachable", path="far.ipynb")],
    ),
    machine("new", state="connecting", detail="Sending the agent.", profiles=[]),
    machine(
        "old",
        state="failed",
        detail="old shows another host key than before. If it was reinstalled, run: jupyter gpu hosts check old",
        kernels=[kernel("k-lost", machine="ssh:old", state="unreachable", path="lost.ipynb", attached=False)],
    ),
]


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_every_state_is_readable_in_a_narrow_sidebar(lab: Lab, lab_page: LabPage, theme: Theme) -> None:
    MadeUpServer(lab_page, EVERY_STATE)
    lab_page.open(lab)
    lab_page.use_theme(theme)
    compute = lab_page.open_compute()
    lab_page.narrow()
    for words in ("Not in use", "Connected", "Reconnecting…", "Connecting…", "Failed"):
        expect(compute.get_by_role("status").filter(has_text=re.compile(f"^{words}$"))).to_have_count(1)
    for words in ("Busy", "Idle", "Starting…", "Dead", "Out of reach"):
        expect(compute.get_by_text(words, exact=True)).to_have_count(1)
    assert lab_page.accessibility_violations() == []
    assert lab_page.page.locator(PANEL).evaluate("panel => panel.scrollWidth") <= NARROW


def test_a_kernel_behind_a_cut_is_reconnecting_and_not_dead(lab: Lab, lab_page: LabPage) -> None:
    MadeUpServer(lab_page, [EVERY_STATE[2]])
    lab_page.open(lab)
    compute = lab_page.open_compute()
    far = compute.get_by_role("list", name="Kernels on farm").get_by_role("listitem").filter(has_text="far.ipynb")
    expect(far).to_contain_text("Reconnecting…")
    expect(compute).not_to_contain_text("Dead")


def test_stopping_a_kernel_asks_first_and_offers_the_safe_answer(lab: Lab, lab_page: LabPage) -> None:
    box = machine("box", kernels=[kernel("k-busy", state="busy", path="train.ipynb")])
    server = MadeUpServer(lab_page, [box])
    lab_page.open(lab)
    compute = lab_page.open_compute()
    stop = compute.get_by_role("button", name="Stop the kernel of train.ipynb")
    stop.focus()
    stop.press("Enter")
    dialogue = lab_page.page.get_by_role("dialog")
    expect(dialogue).to_contain_text("All variables and everything else in its memory are lost (machine: box).")
    expect(dialogue.get_by_role("button", name="Keep it running")).to_be_focused()
    lab_page.page.keyboard.press("Enter")
    expect(dialogue).to_have_count(0)
    expect(stop).to_be_focused()
    assert not any(asked.startswith("DELETE") for asked in server.asked)

    stop.press("Enter")
    dialogue.get_by_role("button", name="Stop kernel").click()
    expect(compute).not_to_contain_text("train.ipynb")
    assert "DELETE kernels/k-busy" in server.asked


def test_the_log_of_a_kernel_can_be_read(lab: Lab, lab_page: LabPage) -> None:
    MadeUpServer(lab_page, [machine("box", kernels=[kernel("k-dead", state="dead", path="train.ipynb")])])
    lab_page.open(lab)
    lab_page.open_compute().get_by_role("button", name="Log of train.ipynb").click()
    expect(lab_page.page.get_by_role("dialog")).to_contain_text("MemoryError: out of memory on box")


def test_without_a_machine_the_panel_says_how_to_add_one(lab: Lab, lab_page: LabPage) -> None:
    MadeUpServer(lab_page, [])
    lab_page.open(lab)
    compute = lab_page.open_compute()
    expect(compute).to_contain_text("No machine yet.")
    expect(compute).to_contain_text("jupyter gpu hosts add")
    assert lab_page.accessibility_violations() == []


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_a_fault_is_said_and_what_is_stale_says_how_old_it_is(lab: Lab, lab_page: LabPage, theme: Theme) -> None:
    server = MadeUpServer(lab_page, [machine("box")])
    lab_page.open(lab)
    lab_page.use_theme(theme)
    compute = lab_page.open_compute()
    expect(compute).to_contain_text("Connected")
    lab_page.complaints.expect("503")
    server.fault = {"error": "link-lost", "message": "The link to box is gone.", "advice": "It starts again by itself."}
    compute.get_by_role("button", name="Refresh the machines").click()
    expect(compute.get_by_role("alert")).to_contain_text("The link to box is gone.")
    expect(compute.get_by_role("alert")).to_contain_text("It starts again by itself.")
    expect(compute).to_contain_text("What you see below is from")
    expect(compute.get_by_role("heading", name="box")).to_be_visible()
    assert lab_page.accessibility_violations() == []


def test_a_new_notebook_starts_with_the_kernel_of_its_profile(lab: Lab, lab_page: LabPage) -> None:
    local = machine("local", profiles=[{"name": "p", "display_name": "Python 3", "kernel_name": "python3"}])
    MadeUpServer(lab_page, [local])
    lab_page.open(lab)
    lab_page.open_compute().get_by_role("button", name="New notebook on Python 3").click()
    notebook = lab_page.page.locator(".jp-NotebookPanel")
    expect(notebook).to_be_visible()
    expect(notebook.get_by_role("button", name=re.compile("Python 3"))).to_be_visible()
    Notebook(lab_page.page).wait_until_idle()  # a server cannot be stopped well while a kernel of it starts
