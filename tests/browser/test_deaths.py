"""A kernel that is killed: JupyterLab says that it is restarting, and we say why, where the user looks."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.compute import LabPage
from tests.browser.far import add_host, far_machine
from tests.browser.lab import Lab
from tests.browser.notebook import START_LIMIT, Notebook, expect_finished, text_of

KILL = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"

OF_JUPYTERLAB = "Could not restore the debugger state: Canceled future"
"""It asks a kernel for that which has just gone."""


@pytest.mark.timeout(120)
def test_a_cell_whose_kernel_is_killed_says_why_and_what_to_do(lab: Lab, lab_page: LabPage) -> None:
    lab.gpu("profiles", "add", "local", "--machine", "local")
    lab_page.open(lab)
    lab_page.complaints.expect(OF_JUPYTERLAB)
    notebook = Notebook(lab_page.page)
    notebook.open_from_launcher("local (GPU bridge)")
    cell = notebook.run(KILL)
    expect(cell).to_contain_text(
        "[gpu-bridge] The kernel was killed by signal 9, most likely because the machine ran out of memory. "
        "Its variables are lost. If it was memory: load less at once, or take a machine with more.",
        timeout=START_LIMIT,
    )
    died = lab_page.page.locator(".jp-Dialog").filter(has_text="appears to have died. It will restart automatically.")
    expect(died).to_be_visible(timeout=START_LIMIT)
    lab_page.dismiss_dialogues()
    notebook.wait_until_idle()  # the restarted one
    after = notebook.run("print('x' in globals())")
    expect_finished(after)
    assert text_of(after).strip() == "False"


@pytest.mark.timeout(180)
def test_a_restart_during_a_cut_says_what_it_waits_for_and_is_done_then(
    make_lab: Callable[[], Lab], lab_page: LabPage
) -> None:
    lab = make_lab()
    with far_machine(lab, "box") as sshd:
        add_host(lab, "box", sshd, "--carrier=openssh", f"--fingerprint={sshd.fingerprint}")
        lab.start()
        lab_page.open(lab)
        lab_page.complaints.expect(OF_JUPYTERLAB)
        notebook = Notebook(lab_page.page)
        notebook.open_from_launcher("box (GPU bridge)")
        expect_finished(notebook.run("x = 41"), within=START_LIMIT)
        compute = lab_page.open_compute()
        sshd.stop()
        expect(compute).to_contain_text("Reconnecting…")

        lab_page.page.evaluate("() => { window.jupyterapp.commands.execute('kernelmenu:restart'); }")
        lab_page.page.get_by_role("dialog").get_by_role("button", name="Confirm Kernel Restart").click()
        waits = "box cannot be reached now. The restart will be done when it is back."
        expect(lab_page.page.get_by_role("alert").filter(has_text=waits)).to_be_visible()
        expect(compute).to_contain_text("Waiting for the machine; the restart will be done when it is back.")
        sshd.start()

        expect(compute).not_to_contain_text("Waiting for the machine", timeout=START_LIMIT)
        notebook.wait_until_idle()
        after = notebook.run("print('x' in globals())")
        expect_finished(after)
        assert text_of(after).strip() == "False"
        expect(lab_page.page.get_by_role("dialog")).to_have_count(0)
