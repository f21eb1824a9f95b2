"""Kernels as JupyterLab itself shows them, and what its dialogues say when one cannot be started."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import psutil
import pytest
from playwright.sync_api import Locator, expect

from tests.browser.compute import LabPage
from tests.browser.far import add_host, far_machine
from tests.browser.lab import Lab
from tests.browser.notebook import START_LIMIT, Notebook, expect_finished
from tests.sshd import Sshd

TITLES = ("local (GPU bridge)", "away (GPU bridge)", "stranger (GPU bridge)")


@pytest.fixture(scope="module")
def lab(make_lab: Callable[[], Lab]) -> Iterator[Lab]:
    """With this computer, a host whose SSH server is down, and one that nobody has met yet."""
    with ExitStack() as stack:
        lab = make_lab()
        lab.gpu("profiles", "add", "local", "--machine", "local")
        for name in ("away", "stranger"):
            sshd: Sshd = stack.enter_context(far_machine(lab, name))
            add_host(lab, name, sshd, "--no-check")
            if name == "away":
                sshd.stop()
        lab.start()
        yield lab


def test_the_launcher_shows_each_profile_with_our_icon(lab: Lab, lab_page: LabPage) -> None:
    lab_page.open(lab)
    for title in TITLES:
        card = lab_page.page.locator(".jp-LauncherCard[data-category=Notebook]").filter(has_text=title)
        icon = card.locator("img")
        expect(icon).to_have_attribute("src", re.compile("/kernelspecs/gpu-bridge-.*/logo-"))
        expect(icon).not_to_have_js_property("naturalWidth", 0)


def test_a_notebook_can_be_given_any_profile(lab: Lab, lab_page: LabPage) -> None:
    lab_page.open(lab)
    notebook = Notebook(lab_page.page)
    notebook.open_from_launcher("local (GPU bridge)")
    notebook.panel.get_by_role("button", name=re.compile("local .GPU bridge.")).click()
    dialogue = lab_page.page.locator(".jp-Dialog")
    for title in TITLES:
        expect(dialogue.locator("select option").filter(has_text=title)).to_have_count(1)


def test_a_kernel_that_is_stopped_in_the_panel_is_gone_everywhere(lab: Lab, lab_page: LabPage) -> None:
    lab_page.open(lab)
    notebook = Notebook(lab_page.page)
    notebook.open_from_launcher("local (GPU bridge)")
    expect_finished(notebook.run("x = 41"))
    name = notebook.path
    compute = lab_page.open_compute()
    stop = compute.get_by_role("button", name=f"Stop the kernel of {name}")
    expect(stop).to_be_visible()
    (kernel,) = [one for one in lab.get("gpu-bridge/api/v1/kernels")["kernels"] if one["path"].endswith(name)]
    process = psutil.Process(kernel["pid"])

    stop.click()
    lab_page.page.get_by_role("dialog").get_by_role("button", name="Stop kernel").click()
    expect(compute).not_to_contain_text(name)
    psutil.wait_procs([process], timeout=10)
    assert not process.is_running()
    assert kernel["kernel_id"] not in {each["id"] for each in lab.get("api/kernels")}


@pytest.mark.parametrize(
    ("title", "said"),
    [
        ("away (GPU bridge)", r"away .* refuses connections: nothing listens on port \d+ there\. Check that .*\."),
        ("stranger (GPU bridge)", r"stranger .* has not been met before\. .*`jupyter gpu hosts check stranger`\."),
    ],
)
def test_a_start_that_fails_is_explained_in_plain_sentences(lab: Lab, lab_page: LabPage, title: str, said: str) -> None:
    lab_page.complaints.expect("500")
    lab_page.complaints.expect("reading 'kernel'")  # of the widgets' manager, which expects one without looking
    lab_page.open(lab)
    lab_page.page.locator(".jp-LauncherCard[data-category=Notebook]").filter(has_text=title).click()
    dialogue = lab_page.page.locator(".jp-Dialog")
    expect(dialogue).to_be_visible(timeout=START_LIMIT)
    body = _body(dialogue)
    assert re.search(said, body), body
    assert "Traceback" not in body
    assert len(body) < 500
    dialogue.get_by_role("button", name="Ok").click()
    expect(dialogue.get_by_text("Select Kernel", exact=True)).to_be_visible()


def _body(dialogue: Locator) -> str:
    return " ".join(dialogue.locator(".jp-Dialog-body").inner_text().split())
