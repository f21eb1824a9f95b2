"""How the panel shows what is rented, with answers made up in the browser: nothing is rented here.

Where RENTALS_PICTURES names a folder, the pictures of each theme are left there, to be looked at.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.compute import NARROW, PANEL, LabPage, Theme
from tests.browser.lab import Lab
from tests.browser.made_up import MadeUpServer, attempt, kernel, machine, minutes, rental

THEMES = ["JupyterLab Light", "JupyterLab Dark"]

A100 = "Pretend A100 80 GB · sandbox (train)"

_LONG = "a-cloud-with-a-really-rather-long-name-that-has-no-place-to-break"


def _rented(rental_id: str, **given: Any) -> dict[str, Any]:
    title = "Pretend A100 80 GB (sandbox)"
    return machine(rental_id, ref=f"rental:{rental_id}", provider="rental", title=title, **given)


def _used() -> dict[str, Any]:
    """A machine with two kernels, the busy one listed last."""
    kernels = [
        kernel("k-idle", machine="rental:a1", path="explore.ipynb"),
        kernel("k-busy", machine="rental:a1", state="busy", path="work/training-of-a-rather-long-name.ipynb"),
    ]
    return _rented("a1", kernels=kernels)


def _every_stage() -> list[dict[str, Any]]:
    real = {"pretend": False, "provider": _LONG, "title": "8 x NVIDIA H100 SXM 80 GB HBM3", "region": "eu-north-1"}
    ended = {"closed": minutes(-4), "closed_because": "Nobody has used it for 30 min."}
    late = attempt(cost="4.31", deadline=minutes(8.5), spot=True, **real)
    lost = {"state": "gone", "reason": "no SSH after 5 min, destroyed"}
    gone = attempt(**real, state="gone", cost="17.204567", gone=minutes(-4))
    return [
        rental("a1"),
        rental("b2", attempt=late, warning="The provider takes the machine back at 14:00 UTC.", warned=minutes(-3)),
        rental("c3", "searching", attempt=None, key="profile:big"),
        rental("d4", "searching", attempt=attempt(**lost, cost="0.00"), key=f"name:{_LONG}"),
        rental("e5", "renting", attempt=attempt(state="requested", cost="0.00", cost_as_of=None, budget=None)),
        rental("f6", "booting", attempt=attempt(state="created", cost="0.0021")),
        rental("a7", "connecting", attempt=attempt(state="created", cost="0.031")),
        rental("b8", "ending", attempt=attempt(state="releasing"), **ended),
        rental("c9", "gone", attempt=gone, **ended),
    ]


def _picture(lab_page: LabPage, name: str) -> None:
    folder = os.environ.get("RENTALS_PICTURES")
    if folder:
        lab_page.page.screenshot(path=Path(folder) / f"{name}.png")


def _row(compute: Locator, text: str) -> Locator:
    rentals = compute.get_by_role("list", name="Rented machines").locator("> li")
    return rentals.filter(has_text=text)


@pytest.mark.parametrize("theme", THEMES)
def test_every_stage_is_readable_in_a_narrow_sidebar(lab: Lab, lab_page: LabPage, theme: Theme) -> None:
    MadeUpServer(lab_page, [_used(), machine("box")], _every_stage())
    lab_page.open(lab)
    lab_page.use_theme(theme)
    compute = lab_page.open_compute()
    lab_page.narrow()
    lab_page.page.set_viewport_size({"width": 1200, "height": 2400})
    for words, count in (
        ("Searching…", 2),
        ("Renting…", 1),
        ("Booting…", 1),
        ("Connecting…", 1),
        ("In use", 2),
        ("Being ended…", 1),
        ("Gone", 1),
    ):
        expect(compute.get_by_role("status").filter(has_text=re.compile(f"^{words}$"))).to_have_count(count)
    _picture(lab_page, f"stages-{theme}")
    assert lab_page.accessibility_violations() == []
    assert lab_page.page.locator(PANEL).evaluate("panel => panel.scrollWidth") <= NARROW
    lab_page.page.locator(PANEL).evaluate("panel => { panel.style.width = panel.style.minWidth = '200px'; }")
    _picture(lab_page, f"narrowest-{theme}")
    assert lab_page.page.locator(PANEL).evaluate("panel => panel.scrollWidth") <= 200


def test_the_cost_ticks(lab: Lab, lab_page: LabPage) -> None:
    MadeUpServer(lab_page, [], [rental("a1", attempt=attempt(price_per_hour="3600.00", cost="0.00", budget=None))])
    lab_page.open(lab)
    row = _row(lab_page.open_compute(), "Pretend A100")
    expect(row).to_contain_text("$3600.00 per hour")
    seen = [float(re.sub(r".*\$([\d.]+) so far.*", r"\1", row.inner_text(), flags=re.DOTALL))]
    for _ in range(2):
        lab_page.page.wait_for_function(
            "before => { const found = /\\$([\\d.]+)\\s+so far/.exec(document.querySelector('.jp-GpuBridge-cost')"
            ".textContent); return found && Number(found[1]) > before; }",
            arg=seen[-1],
        )
        seen.append(float(re.sub(r".*\$([\d.]+) so far.*", r"\1", row.inner_text(), flags=re.DOTALL)))
    assert seen == sorted(set(seen))


def test_the_kernels_of_a_rented_machine_are_in_its_row_and_nowhere_else(lab: Lab, lab_page: LabPage) -> None:
    MadeUpServer(lab_page, [_used(), machine("box")], [rental("a1")])
    lab_page.open(lab)
    compute = lab_page.open_compute()
    expect(_row(compute, "Pretend A100").get_by_text("explore.ipynb")).to_be_visible()
    expect(compute.get_by_text("explore.ipynb")).to_have_count(1)
    machines = compute.get_by_role("list", name="Machines", exact=True).locator("> li")
    expect(machines).to_have_count(1)
    expect(machines).to_contain_text("box")


@pytest.mark.parametrize("theme", THEMES)
def test_stopping_names_what_is_lost_and_offers_the_safe_answer(lab: Lab, lab_page: LabPage, theme: Theme) -> None:
    server = MadeUpServer(lab_page, [_used()], [rental("a1")])
    lab_page.open(lab)
    lab_page.use_theme(theme)
    compute = lab_page.open_compute()
    stop = compute.get_by_role("button", name=f"Stop {A100}")
    stop.focus()
    stop.press("Enter")
    dialogue = lab_page.page.get_by_role("dialog")
    expect(dialogue.get_by_role("button", name="Keep it")).to_be_focused()
    lost = dialogue.get_by_role("listitem")
    expect(lost.first).to_contain_text("work/training-of-a-rather-long-name.ipynb: busy")
    expect(lost.last).to_contain_text("explore.ipynb")
    expect(dialogue).to_contain_text("deleted, with everything on its disk")
    expect(dialogue).to_contain_text(re.compile(r"It has cost \$1\.2\d of pretend money so far"))
    _picture(lab_page, f"dialogue-{theme}")
    lab_page.page.keyboard.press("Enter")
    expect(dialogue).to_have_count(0)
    expect(stop).to_be_focused()
    assert not any(asked.startswith("DELETE") for asked in server.asked)

    stop.press("Enter")
    dialogue.get_by_role("button", name="Stop and delete it").click()
    row = _row(compute, "Pretend A100")
    expect(row).to_contain_text("Being ended…")
    expect(row).to_contain_text("until the provider confirms that it is gone")
    expect(row).not_to_contain_text("explore.ipynb")
    assert "DELETE rentals/a1" in server.asked

    (told,) = server.rentals
    told |= {"stage": "gone", "attempt": attempt(state="gone", cost="1.23", gone=minutes(0))}
    compute.get_by_role("button", name="Refresh the machines").click()
    expect(row).to_contain_text("It cost $1.23.")
    expect(row).to_contain_text("It was stopped in the Compute panel.")
    expect(row.get_by_role("button")).to_have_count(0)


def test_half_an_hour_more_is_a_button_that_says_what_it_may_cost(lab: Lab, lab_page: LabPage) -> None:
    MadeUpServer(lab_page, [], [rental("a1", attempt=attempt(budget=None, deadline=minutes(9.5)))])
    lab_page.open(lab)
    compute = lab_page.open_compute()
    row = _row(compute, "Pretend A100")
    expect(row).to_contain_text("9 min left")
    extend = compute.get_by_role("button", name=f"Extend by 30 min (+$1.25): {A100}")
    extend.focus()
    extend.press("Enter")
    expect(row).to_contain_text("39 min left")
    expect(extend).to_be_focused()


def test_a_refusal_is_said_in_a_sentence_and_changes_nothing(lab: Lab, lab_page: LabPage) -> None:
    server = MadeUpServer(lab_page, [], [rental("a1")])
    lab_page.open(lab)
    compute = lab_page.open_compute()
    lab_page.complaints.expect("503")
    expect(compute).to_contain_text("In use")
    server.fault = {"error": "ledger-broken", "message": "The ledger cannot be written.", "advice": "Is the disk full?"}
    compute.get_by_role("button", name=re.compile("^Extend by 30 min")).click()
    said = lab_page.page.locator(".Toastify__toast")
    expect(said.first).to_contain_text("The ledger cannot be written. Is the disk full?")
    expect(compute).to_contain_text("In use")
    expect(compute).to_contain_text("so far")


def test_nothing_is_said_of_rentals_where_there_are_none(lab: Lab, lab_page: LabPage) -> None:
    MadeUpServer(lab_page, [machine("box")])
    lab_page.open(lab)
    compute = lab_page.open_compute()
    expect(compute).to_contain_text("Connected")
    expect(compute.get_by_role("list", name="Rented machines")).to_have_count(0)
