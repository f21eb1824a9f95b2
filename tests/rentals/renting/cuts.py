"""What happens when a process dies at a marked point, as stories; each that returns has left nothing that is billed.

They may be told one after another in one world, each for a key of its own.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import partial

from tests.rentals.renting import cuts_of_commands as commands
from tests.rentals.renting import cuts_of_wardens as wardens
from tests.rentals.renting.world import Renting

BEFORE_THE_MACHINE = [
    "searched", "keys", "intent", "requested", "answered", "created", "running", "addressed", "aimed", "entered",
    "reachable", "granted", "counted",
]  # fmt: skip
IN_USE = ["in-use"]
WHEN_IT_ENDS = ["closed", "releasing", "destroy-asked", "destroyed", "accrued", "billed", "gone"]
ANSWER_LOST = ["unknown", "found"]
ANSWERS = ["answer-lost", "error-after", "garbage"]
FAILED = ["failed", "refused", "console"]
LIMIT = ["limit", "farewell"]
ASKING = ["wish", "unwanted"]
"""These the process comes to that asks; all before its warden."""
WHO_COMES_BACK = ["nobody", "the guard", "whoever asked"]
ORPHAN_FOUND = ["listed", "adopted", "compared"]
LOOKED_AFTER: dict[str, Callable[..., Awaitable[None]]] = {
    "kept": commands.as_an_orphan_is_kept,
    "unkept": wardens.as_an_orphan_is_given_up,
    "resurrected": commands.as_a_machine_is_back,
    "extended": commands.as_a_deadline_is_put_off,
    "put-off": wardens.as_a_deadline_is_put_off,
    "overdue": commands.as_what_a_colleague_left_is_ended,
}


@dataclass(frozen=True, slots=True)
class Cut:
    point: str
    tell: Callable[[Renting, str], Awaitable[None]]
    """Given a key that nobody has used yet."""


def all_cuts() -> Iterator[Cut]:
    for point in BEFORE_THE_MACHINE:
        for wanted in (True, False):
            yield Cut(point, partial(wardens.on_the_way, point=point, wanted=wanted))
    for point in WHEN_IT_ENDS:
        yield Cut(point, partial(wardens.when_it_ends, point=point))
    for point in ANSWER_LOST:
        for fault in ANSWERS:
            yield Cut(point, partial(wardens.as_the_answer_is_lost, point=point, fault=fault))
    for point in FAILED:
        yield Cut(point, partial(wardens.as_an_attempt_fails, point=point))
    for point in LIMIT:
        yield Cut(point, partial(wardens.at_a_limit, point=point))
    for point in IN_USE:
        yield Cut(point, partial(wardens.under_a_kernel, point=point))
    for comes_back in (True, False):
        yield Cut("wish", partial(commands.as_it_is_wished_for, comes_back=comes_back))
    for back in WHO_COMES_BACK:
        yield Cut("unwanted", partial(commands.as_it_is_ended, back=back))
    for point in ORPHAN_FOUND:
        yield Cut(point, partial(commands.as_an_orphan_is_found, point=point))
    for point, tell in LOOKED_AFTER.items():
        yield Cut(point, partial(tell, point=point))
