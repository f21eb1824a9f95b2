"""Fixtures of tests that share one simulated cloud: they say which one, for how long, and what puts it right."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal, TypeVar

import pytest

from tests.clouds.cloud import SimulatedCloud

Cloud = TypeVar("Cloud", bound=SimulatedCloud)


def one_for_all(
    make: Callable[[], Cloud],
    prepare: Callable[[Cloud], None] = lambda cloud: None,
    *,
    scope: Literal["package", "module"] = "package",
) -> Any:
    """Started for the first test of a folder, or of a file, and ended after the last."""

    @pytest.fixture(scope=scope)
    def one_cloud() -> Iterator[Cloud]:
        cloud = make()
        with cloud:
            prepare(cloud)
            yield cloud

    return one_cloud


def put_right_after_each(put_right: Callable[[Cloud], None]) -> Any:
    """`one_cloud`, of which no test sees what another has broken."""

    @pytest.fixture
    def cloud(one_cloud: Cloud) -> Iterator[Cloud]:
        yield one_cloud
        one_cloud.mend()
        put_right(one_cloud)

    return cloud


def runpod() -> SimulatedCloud:
    return SimulatedCloud("runpod")


def empty_runpod(cloud: SimulatedCloud) -> None:
    for pod in cloud.ask("GET", "/v2/pods")[1]["pods"]:
        end_pod(cloud, pod["id"])


def end_pod(cloud: SimulatedCloud, ref: str) -> None:
    cloud.ask("POST", "/graphql", {"query": f'mutation{{podTerminate(input:{{podId:"{ref}"}})}}'})


def vast() -> SimulatedCloud:
    return SimulatedCloud("vast", stock=40)


def empty_vast(cloud: SimulatedCloud) -> None:
    cloud.control("POST", "vast/mend", {})
    for row in cloud.ask("GET", "/api/v0/instances/")[1]["instances"]:
        cloud.ask("DELETE", f"/api/v0/instances/{row['id']}/")
