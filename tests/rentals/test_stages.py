from __future__ import annotations

from datetime import timedelta

from jupyter_gpu_bridge.model import Event
from jupyter_gpu_bridge.rentals.stages import Took, stages
from tests.renting import ASKED, ATTEMPT, WISH


def events(*told: tuple[float, str, str]) -> list[Event]:
    return [Event(ASKED + timedelta(seconds=at), WISH, ATTEMPT, kind, text) for at, kind, text in told]


BEGUN = (
    (0.5, "searching", "looking"),
    (2, "renting", "an offer"),
    (2.5, "state", "The machine is asked for."),
    (3, "booting", "it boots"),
    (20, "booting", "it still boots"),
)


def test_each_stage_lasts_until_the_next_one_and_ready_counts_from_the_wish() -> None:
    told = events(
        *BEGUN, (43, "connecting", "by SSH"), (45, "state", "The machine can be reached."), (60, "state", "x")
    )
    assert stages(ASKED, told) == [
        Took("searching", timedelta(seconds=1.5)),
        Took("renting", timedelta(seconds=1)),
        Took("booting", timedelta(seconds=40)),
        Took("connecting", timedelta(seconds=2)),
        Took("ready", timedelta(seconds=45)),
    ]


def test_a_stage_that_is_not_over_has_no_time() -> None:
    assert stages(ASKED, events(*BEGUN))[-1] == Took("booting", None)


def test_a_machine_that_never_came_is_not_ready() -> None:
    ended = events(*BEGUN, (63, "state", "The machine is being ended. It never ran."), (70, "state", "x"))
    assert stages(ASKED, ended)[-1] == Took("booting", timedelta(seconds=60))
    assert stages(ASKED, []) == []
