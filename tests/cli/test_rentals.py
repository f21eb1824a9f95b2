from __future__ import annotations

from dataclasses import replace

from jupyter_gpu_bridge.bridge import Standing
from jupyter_gpu_bridge.model import Money, WishId
from tests.bridges import ScriptedBridge
from tests.cli.calls import Call
from tests.renting import RENTED, WISH, standing, warning, wish

COLLEAGUES = WishId("ca" * 16)


def test_programs_are_told_of_a_rental_what_the_sidebar_is_told(bridge: ScriptedBridge, call: Call) -> None:
    bridge.standings = [standing()]
    bridge.events = [warning("Look here.")]
    (listed,) = call("ls", "--json").data["rentals"]
    shown = call("show", WISH[:6], "--json").data
    for answer in (listed, shown):
        assert (answer["id"], answer["stage"], answer["warning"]) == (WISH, "in_use", "Look here.")
        assert answer["attempt"]["cost_as_of"] == "2026-11-20T12:30:00+00:00"


def test_what_earlier_tries_have_cost_is_told_wherever_a_cost_is(bridge: ScriptedBridge, call: Call) -> None:
    bridge.standings = [replace(standing(), earlier=Money.parse("0.25"))]
    assert "  $1.50  " in call("ls").out
    shown = call("show", WISH[:6]).out
    assert "Cost so far $1.50 ($0.25 of it for earlier tries), budget $5.25, at most $5.25;" in shown
    assert call("stop", WISH[:6], "--yes", "--no-wait").out == "Ending ab12cd34. It cost $1.50.\n"


def test_all_are_those_of_ours_and_a_colleagues_is_named_and_ended_by_its_id_only(
    bridge: ScriptedBridge, call: Call
) -> None:
    theirs = wish(wish_id=COLLEAGUES, installation="afarafar", asked_by="jupyter gpu rent (ada)")
    bridge.standings = [standing(), Standing(theirs, replace(RENTED, wish_id=COLLEAGUES))]
    stopped = call("stop", "--all", "--no-wait")
    assert stopped.err == "Left out, and ended only by id: 1 rented elsewhere (cacacaca by jupyter gpu rent (ada)).\n"
    assert stopped.status == 0
    assert [each.wish.wish_id for each in bridge.standings if each.wish.is_open] == [COLLEAGUES]
    assert call("stop", "--all", "--yes", "--no-wait", "--json").data["left_out"] == [COLLEAGUES]
    refused = call("stop", "caca", "--no-wait")
    assert refused.status == 1
    assert "this is not yours: 1 rented elsewhere (cacacaca by jupyter gpu rent (ada))" in refused.err
    assert [each.wish.wish_id for each in bridge.standings if each.wish.is_open] == [COLLEAGUES]
    assert call("stop", "caca", "--no-wait", "--yes").status == 0
    assert not any(each.wish.is_open for each in bridge.standings)
