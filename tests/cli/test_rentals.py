from __future__ import annotations

from tests.bridges import ScriptedBridge
from tests.cli.calls import Call
from tests.renting import WISH, standing, warning


def test_programs_are_told_of_a_rental_what_the_sidebar_is_told(bridge: ScriptedBridge, call: Call) -> None:
    bridge.standings = [standing()]
    bridge.events = [warning("Look here.")]
    (listed,) = call("ls", "--json").data["rentals"]
    shown = call("show", WISH[:6], "--json").data
    for answer in (listed, shown):
        assert (answer["id"], answer["stage"], answer["warning"]) == (WISH, "in_use", "Look here.")
        assert answer["attempt"]["cost_as_of"] == "2026-11-20T12:30:00+00:00"
