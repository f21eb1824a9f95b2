from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_gpu_bridge.errors import BadRequest
from jupyter_gpu_bridge.model import Money
from jupyter_gpu_bridge.rentals.ledger import Limits
from jupyter_gpu_bridge.rentals.limits import change_limits, limits_file, set_limits, user_limits

pytestmark = pytest.mark.usefixtures("own_home")

NONSENSE = {
    '{"per_day": "x"}': "“x” is no sum of money",
    '{"per_dya": "5"}': "There is no limit 'per_dya'",
    '{"per_day": "-5"}': "less than nothing",
    '{"live_at_once": -1}': "no number of machines",
    '{"live_at_once": "many"}': "",
    '{"per_day": 5}': "",
    "[1]": "",
    "{": "",
}


@pytest.mark.parametrize("text", NONSENSE)
def test_a_file_that_makes_no_sense_is_named_and_never_taken_for_no_limit(text: str) -> None:
    limits_file().write_text(text)
    with pytest.raises(BadRequest) as refused:
        user_limits()
    assert f"The limits in {limits_file()} cannot be read, so nothing is rented." in refused.value.what
    assert NONSENSE[text] in refused.value.what
    assert "jupyter gpu limits --per-day 5" in refused.value.advice


def test_a_file_that_makes_no_sense_is_kept_beside_the_new_one() -> None:
    limits_file().write_text("{")
    aside = change_limits({"per_day": Money.parse("5")})
    assert aside is not None
    assert aside.read_text() == "{"
    assert change_limits({"live_at_once": 2}) is None
    assert user_limits() == Limits(per_day=Money.parse("5"), live_at_once=2)


def test_less_than_nothing_is_no_limit(own_home: Path) -> None:
    with pytest.raises(BadRequest, match="less than nothing"):
        set_limits(Limits(per_month=Money.parse("-5")))
    assert user_limits() == Limits()
