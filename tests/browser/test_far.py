"""A notebook on a machine behind SSH, whose connection is cut under a plot and a progress bar."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.compute import LabPage, Theme
from tests.browser.far import add_host, far_machine
from tests.browser.lab import Lab
from tests.browser.notebook import START_LIMIT, Notebook, expect_finished, text_of

CUT_S = 5.0
STEPS = 100

IN_THE_MIDDLE = re.compile("step +2[0-9] of")

LOOP = f"""import time
import matplotlib.pyplot as plt
plt.plot([1, 3, 2])
plt.show()
for step in range({STEPS} + 1):
    print(f"\\rstep {{step:3d}} of {STEPS}", end="", flush=True)
    time.sleep(0.2)
print("\\ndone")
"""

THEMES: tuple[Theme, ...] = ("JupyterLab Dark", "JupyterLab Light")


@pytest.mark.timeout(300)
def test_a_cut_under_a_plot_and_a_progress_bar_costs_nothing_and_is_shown(
    make_lab: Callable[[], Lab], lab_page: LabPage
) -> None:
    lab = make_lab()
    with far_machine(lab, "box") as sshd:
        add_host(lab, "box", sshd, "--carrier=openssh", f"--fingerprint={sshd.fingerprint}")
        lab.start()
        lab_page.open(lab)
        notebook = Notebook(lab_page.page)
        notebook.open_from_launcher("box (GPU bridge)")
        expect_finished(notebook.run("import matplotlib.pyplot"), within=START_LIMIT)  # it lists all fonts at first
        notebook.watch_kernel()
        compute = lab_page.open_compute()
        lab_page.narrow()
        box = compute.get_by_role("listitem").filter(has=lab_page.page.get_by_role("heading", name="box"))
        expect_state(box, "Connected")

        cell = notebook.run(LOOP)
        expect(cell.locator(".jp-RenderedImage img")).to_have_count(1, timeout=START_LIMIT)
        expect(cell).to_contain_text(IN_THE_MIDDLE)
        sshd.stop()
        cut = time.monotonic()
        expect_state(box, "Reconnecting…")
        expect(box).to_contain_text("Untitled.ipynb")
        expect(box.get_by_text("Dead", exact=True)).to_have_count(0)
        expect_accessible(lab_page)
        time.sleep(max(0.0, cut + CUT_S - time.monotonic()))  # not to wait for something: so long it is cut
        sshd.start()

        expect_state(box, "Connected")
        expect_finished(cell, within=60_000)
        assert text_of(cell).splitlines() == [f"step {STEPS} of {STEPS}", "done"]
        expect(cell.locator(".jp-RenderedImage img")).to_have_count(1)
        assert set(notebook.kernel_statuses()) <= {"busy", "idle"}
        expect(lab_page.page.get_by_role("dialog")).to_have_count(0)
        expect_accessible(lab_page)


def expect_state(machine: Locator, words: str) -> None:
    expect(machine.get_by_role("status").filter(has_text=re.compile(f"^{words}$"))).to_have_count(1)


def expect_accessible(lab_page: LabPage) -> None:
    for theme in THEMES:
        lab_page.use_theme(theme)
        assert lab_page.accessibility_violations() == []
