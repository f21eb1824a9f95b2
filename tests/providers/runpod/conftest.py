from __future__ import annotations

from tests.clouds.cloud import SimulatedCloud
from tests.clouds.fixtures import one_for_all, put_right_after_each, runpod
from tests.providers.runpod.ordering import AS_USUAL
from tests.providers.unhurried import unhurried

__all__ = ["unhurried"]


def _as_usual(cloud: SimulatedCloud) -> None:
    cloud.control("POST", "runpod", AS_USUAL)


one_cloud = one_for_all(runpod)
"""For all these tests; only they move its clock."""

cloud = put_right_after_each(_as_usual)
