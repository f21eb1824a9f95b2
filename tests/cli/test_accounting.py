from __future__ import annotations

import pytest

from jupyter_gpu_bridge.rentals.limits import limits_file
from tests.cli.calls import Call


def test_limits_are_told_to_programs_all_of_them(call: Call) -> None:
    assert call("limits", "--per-day", "5", "--live-at-once", "2").status == 0
    assert call("limits", "--json").data == {
        "in_a_day": "$5.00",
        "in_a_month": None,
        "per_hour": None,
        "live_at_once": 2,
    }


def test_a_broken_file_of_limits_is_replaced_by_setting_one(call: Call) -> None:
    limits_file().write_text('{"per_day": "x"}')
    assert str(limits_file()) in call("limits").err
    answer = call("limits", "--per-day", "5")
    assert (answer.status, "in a day    $5.00" in answer.out) == (0, True)
    assert f"{limits_file()}.broken" in answer.err
    assert call("limits").status == 0


@pytest.mark.parametrize(
    "words",
    [
        ("limits", "--per-day", "-5"),
        ("limits", "--per-hour-at-once=-0.01"),
        ("costs", "--days", "99999999999"),
        ("costs", "--days", "36501"),
        ("costs", "--days", "0"),
    ],
)
def test_numbers_that_make_no_sense_are_refused_with_a_sentence(words: tuple[str, ...], call: Call) -> None:
    answer = call(*words)
    assert answer.status == 2
    assert "Traceback" not in answer.err
    assert not limits_file().exists()


def test_costs_of_very_many_days_are_summed_up(call: Call) -> None:
    assert call("costs", "--days", "36500").out == "Nothing was spent.\n"
