from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from jupyter_gpu_bridge.errors import LedgerBroken
from jupyter_gpu_bridge.model import CONSOLE, Money, RentalState
from tests.bridges import ScriptedBridge
from tests.renting import WISH, machine_view, minutes, over, standing, warning
from tests.server.test_handlers import Fetch, bridge, extension_of, jp_server_config, refused

__all__ = ["bridge", "jp_server_config"]


async def asked(fetch: Fetch, *parts: str, **options: Any) -> Any:
    return json.loads((await fetch("gpu-bridge", "api", "v1", *parts, **options)).body)


async def test_the_sidebar_is_told_of_rentals_with_their_warnings(bridge: ScriptedBridge, jp_fetch: Fetch) -> None:
    bridge.standings = [standing()]
    bridge.views = [machine_view()]
    bridge.events = [warning("4.00 of its budget of 5.00 are spent.")]
    answer = await asked(jp_fetch, "machines")
    (rental,) = answer["rentals"]
    assert [machine["ref"] for machine in answer["machines"]] == [rental["machine"]]
    assert (rental["id"], rental["key"], rental["stage"]) == (WISH, "name:train", "in_use")
    assert rental["warning"] == "4.00 of its budget of 5.00 are spent."
    assert rental["attempt"]["cost"] == "1.250001"
    assert rental["attempt"]["cost_as_of"] == "2026-11-20T12:30:00+00:00"


async def test_one_that_has_just_ended_is_told_of_with_the_reason(bridge: ScriptedBridge, jp_fetch: Fetch) -> None:
    bridge.standings = [over()]
    (rental,) = (await asked(jp_fetch, "machines"))["rentals"]
    assert (rental["stage"], rental["closed_because"]) == ("gone", "Its deadline has come.")
    assert (await asked(jp_fetch, "rentals"))["rentals"] == []
    assert len((await asked(jp_fetch, "rentals", params={"ended": "1"}))["rentals"]) == 1


async def test_a_growing_cost_is_no_change_and_a_new_state_is(
    bridge: ScriptedBridge, jp_fetch: Fetch, jp_serverapp: Any
) -> None:
    bridge.standings = [standing()]
    first = await asked(jp_fetch, "machines")
    bridge.standings = [standing(accrued=Money.parse("1.26"), accrued_until=minutes(31))]
    dearer = await asked(jp_fetch, "machines")
    assert dearer["rentals"][0]["attempt"]["cost"] == "1.26"
    assert dearer["revision"] == first["revision"]
    bridge.standings = [standing(state=RentalState.RELEASING)]
    ending = await asked(jp_fetch, "machines")
    assert ending["revision"] > first["revision"]
    bridge.events = [warning("It is not gone yet.")]
    assert (await asked(jp_fetch, "machines"))["revision"] > ending["revision"]
    await extension_of(jp_serverapp).stop_extension()


async def test_a_broken_ledger_is_said_and_hides_nothing_silently(bridge: ScriptedBridge, jp_fetch: Fetch) -> None:
    bridge.trouble = LedgerBroken("The ledger cannot be read.", advice="Is the disk full?")
    code, answer = await refused(jp_fetch, "machines")
    assert (code, answer["message"]) == (503, "The ledger cannot be read.")


async def test_a_rental_is_shown_with_all_that_happened(bridge: ScriptedBridge, jp_fetch: Fetch) -> None:
    bridge.standings = [standing()]
    bridge.events = [warning("Look here."), replace(warning("no space\nleft"), kind=CONSOLE)]
    answer = await asked(jp_fetch, "rentals", WISH[:6])
    assert (answer["id"], answer["warning"]) == (WISH, "Look here.")
    assert [(event["kind"], event["text"]) for event in answer["events"]] == [
        ("warning", "Look here."),
        ("console", "no space\nleft"),
    ]
    code, unknown = await refused(jp_fetch, "rentals", "ffff")
    assert (code, unknown["error"]) == (404, "rental-unknown")


async def test_stopping_answers_at_once_that_it_is_being_ended(bridge: ScriptedBridge, jp_fetch: Fetch) -> None:
    bridge.standings = [standing()]
    response = await jp_fetch("gpu-bridge", "api", "v1", "rentals", WISH, method="DELETE")
    answer = json.loads(response.body)
    assert (response.code, answer["stage"], answer["open"]) == (202, "ending", False)
    assert "Compute panel" in answer["closed_because"]


@pytest.mark.parametrize(("body", "more"), [('{"minutes": 45}', 45), ("", 30), ("{}", 30)])
async def test_a_deadline_is_put_off(bridge: ScriptedBridge, jp_fetch: Fetch, body: str, more: int) -> None:
    bridge.standings = [standing(deadline=minutes(60))]
    answer = await asked(jp_fetch, "rentals", WISH, "extension", method="POST", body=body)
    assert answer["attempt"]["deadline"] == minutes(60 + more).isoformat()


@pytest.mark.parametrize(
    "body", ["[]", '"30"', '{"minutes": "30"}', '{"minutes": 1.5}', '{"minutes": true}', '{"minutes": 0}',
             '{"minutes": -5}', '{"minutes": 999999999999999}']
)  # fmt: skip
async def test_what_is_no_time_extends_nothing(bridge: ScriptedBridge, jp_fetch: Fetch, body: str) -> None:
    bridge.standings = [standing(deadline=minutes(60))]
    code, answer = await refused(jp_fetch, "rentals", WISH, "extension", method="POST", body=body)
    assert (code, answer["error"]) == (400, "bad-request")
    assert bridge.standings == [standing(deadline=minutes(60))]


@pytest.mark.parametrize(
    ("parts", "options"),
    [
        ((), {}),
        ((WISH,), {}),
        ((WISH,), {"method": "DELETE"}),
        ((WISH, "extension"), {"method": "POST", "body": '{"minutes": 30}'}),
    ],
)
async def test_strangers_learn_and_end_and_extend_nothing(
    bridge: ScriptedBridge, jp_fetch: Fetch, parts: tuple[str, ...], options: dict[str, str]
) -> None:
    bridge.standings = [standing()]
    code, _ = await refused(jp_fetch, "rentals", *parts, headers={"Authorization": "token wrong"}, **options)
    assert code == 403
    assert bridge.standings == [standing()]


async def test_one_without_a_machine_is_searched_for_and_cannot_be_extended(
    bridge: ScriptedBridge, jp_fetch: Fetch
) -> None:
    bridge.standings = [replace(standing(), rental=None)]
    (rental,) = (await asked(jp_fetch, "machines"))["rentals"]
    assert (rental["stage"], rental["attempt"]) == ("searching", None)
    code, answer = await refused(jp_fetch, "rentals", WISH, "extension", method="POST", body="{}")
    assert (code, answer["error"]) == (404, "rental-unknown")
