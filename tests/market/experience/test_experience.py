"""What is written down of rentals, and what is thought of their hosts afterwards."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from jupyter_gpu_bridge.market.experience import of_each
from jupyter_gpu_bridge.market.experience.comparing import compare_one
from jupyter_gpu_bridge.model import GpuMeasured, Outcome, Place, Rental, Reputation
from jupyter_gpu_bridge.model.experience import REMEMBERED_FOR
from jupyter_gpu_bridge.rentals.ledger import Ledger
from tests.rentals.ledger.scene import HOUR, MINUTE, NOON, OFFER, Scene

HOST = Place("vast", "h-9")
MODEL = Place("vast", "", "RTX 4090")
GOOD = GpuMeasured("NVIDIA GeForce RTX 4090", 24564, 930.0, 160.0, "bfloat16")
SLOW = replace(GOOD, bandwidth=504.0)


def rental(scene: Scene, number: int, host: str = "h-9") -> Rental:
    return scene.intend(scene.wish(f"profile:{number}"), offer=replace(OFFER, host=host))


def reputations(ledger: Ledger, later: timedelta = HOUR) -> dict[Place, Reputation]:
    return dict(ledger.experience.reputations(["vast"], NOON + later))


def test_a_host_that_was_never_rented_has_no_reputation(ledger: Ledger) -> None:
    assert reputations(ledger) == {}


def test_failures_are_counted_against_the_tries_of_a_host(ledger: Ledger, scene: Scene) -> None:
    experience = ledger.experience
    experience.happened(rental(scene, 1), Outcome.ENTERED, "", NOON)
    experience.happened(rental(scene, 2), Outcome.BOOT_FAILED, "it did not run after 15 min.", NOON + MINUTE)
    experience.happened(rental(scene, 3), Outcome.NEVER_ENTERED, "no SSH after 10 min", NOON + 2 * MINUTE)
    found = reputations(ledger)[HOST]
    assert (found.tries, found.failures, found.sinks) == (3, 2, True)
    assert (found.last_failure, found.phrase) == (NOON + 2 * MINUTE, "failed 2 of 3 times (no SSH after 10 min)")


def test_one_failure_does_not_sink_a_host_and_neither_does_what_is_nobodys_fault(ledger: Ledger, scene: Scene) -> None:
    experience = ledger.experience
    experience.happened(rental(scene, 1), Outcome.SET_UP_FAILED, "no Python", NOON)
    for number, what in enumerate((Outcome.SPOT_RECLAIMED, Outcome.ENDED_ALONE), 2):
        experience.happened(rental(scene, number), what, "", NOON)
    assert (reputations(ledger)[HOST].failures, reputations(ledger)[HOST].sinks) == (1, False)


def test_a_machine_that_was_entered_and_then_taken_back_is_one_try_and_one_failure(
    ledger: Ledger, scene: Scene
) -> None:
    once = rental(scene, 1)
    for what in (Outcome.ENTERED, Outcome.RECLAIMED, Outcome.RECLAIMED):
        ledger.experience.happened(once, what, "", NOON)
    assert (reputations(ledger)[HOST].tries, reputations(ledger)[HOST].failures) == (1, 1)


def test_what_was_long_ago_is_forgotten(ledger: Ledger, scene: Scene) -> None:
    for number in range(2):
        ledger.experience.happened(rental(scene, number), Outcome.BOOT_FAILED, "", NOON)
    assert reputations(ledger, REMEMBERED_FOR - MINUTE)[HOST].sinks
    assert reputations(ledger, REMEMBERED_FOR + MINUTE) == {}


def test_where_no_host_is_named_the_gpu_of_that_provider_has_the_reputation(ledger: Ledger, scene: Scene) -> None:
    for number in range(2):
        ledger.experience.happened(rental(scene, number, host=""), Outcome.BOOT_FAILED, "", NOON)
    known = reputations(ledger)
    assert list(known) == [MODEL]
    unnamed, dearer = replace(OFFER, host=""), replace(OFFER, gpu="H100", host="")
    assert of_each([OFFER, unnamed, dearer], known) == [None, known[MODEL], None]
    assert [Place.of(OFFER), Place.of(unnamed)] == [HOST, MODEL]


def test_where_no_host_is_named_each_tier_has_a_reputation_of_its_own(ledger: Ledger, scene: Scene) -> None:
    kinds = [replace(OFFER, host="", tier=tier) for tier in ("community", "secure", "")]
    community, secure, unsaid = kinds
    for number, (offer, what) in enumerate(
        [(community, Outcome.BOOT_FAILED), (community, Outcome.NEVER_ENTERED), (secure, Outcome.ENTERED)]
    ):
        ledger.experience.happened(scene.intend(scene.wish(f"profile:{number}"), offer=offer), what, "", NOON)
    slow = scene.intend(scene.wish("profile:slow"), offer=secure)
    ledger.experience.measured(slow, [compare_one(SLOW)], "2.9", NOON)
    known = reputations(ledger)
    assert {place.tier: (each.tries, each.failures, each.sinks) for place, each in known.items()} == {
        "community": (2, 2, True),
        "secure": (2, 1, False),
    }
    assert of_each(kinds, known) == [known[Place.of(community)], known[Place.of(secure)], None]
    assert Place.of(unsaid) == MODEL


def test_a_gpu_that_does_half_of_what_it_should_sinks_its_host_until_it_is_measured_again(
    ledger: Ledger, scene: Scene
) -> None:
    once = rental(scene, 1)
    ledger.experience.measured(once, [compare_one(GOOD), compare_one(SLOW)], "2.9", NOON)
    found = reputations(ledger)[HOST]
    assert found.sinks
    assert found.bandwidth_share == pytest.approx(0.5)
    assert found.phrase == "measured 50 % of its bandwidth and 97 % of its TFLOPS"
    ledger.experience.measured(once, [compare_one(GOOD)], "2.9", NOON + MINUTE)
    assert not reputations(ledger)[HOST].sinks


def test_another_gpu_than_was_offered_sinks_its_host(ledger: Ledger, scene: Scene) -> None:
    other = compare_one(GpuMeasured("NVIDIA GeForce RTX 3090", 24576, 900.0, 70.0), "RTX 4090", 24564)
    ledger.experience.measured(rental(scene, 1), [other], "2.9", NOON)
    assert reputations(ledger)[HOST].sinks
    assert "another GPU" in reputations(ledger)[HOST].phrase


def test_one_bad_machine_does_not_sink_all_that_a_provider_has_of_that_gpu(ledger: Ledger, scene: Scene) -> None:
    for number, sinks in enumerate((False, True)):
        once = rental(scene, number, host="")
        ledger.experience.measured(once, [compare_one(SLOW)], "2.9", NOON + number * MINUTE)
        assert reputations(ledger)[MODEL].sinks is sinks


def test_a_check_that_measured_nothing_leaves_nothing(ledger: Ledger, scene: Scene) -> None:
    busy = compare_one(GpuMeasured("NVIDIA GeForce RTX 4090", 24564, problem="The GPU is in use."))
    ledger.experience.measured(rental(scene, 1), [busy], "2.9", NOON)
    assert reputations(ledger) == {}


def test_the_usual_time_until_a_machine_can_be_entered_is_known_by_provider_and_gpu(
    ledger: Ledger, scene: Scene
) -> None:
    attempt = rental(scene, 1).attempt_id
    for stage, minutes in (("renting", 1), ("booting", 4), ("booting", 2), ("connecting", 2), ("starting", 50)):
        ledger.stage(attempt, stage, minutes * MINUTE, "vast", "RTX 4090")
    ledger.stage(attempt, "renting", MINUTE, "vast", "H100")  # never entered
    ledger.stage(attempt, "connecting", MINUTE, "runpod", "H100")
    assert ledger.experience.boot_times(["vast"]) == {("vast", "RTX 4090"): 6 * MINUTE}
