"""What would have passed in its time passes late; a flood does not."""

from __future__ import annotations

import time
from dataclasses import dataclass

import pytest

from jupyter_gpu_bridge.server.lateness import Lateness

HOUR = 3600.0


@dataclass
class Limits:
    """As those of a server's connection."""

    rate_limit_window: float = 3.0
    iopub_msg_rate_limit: float = 1000.0
    iopub_data_rate_limit: float = 1_000_000.0


def pardoned(limits: Limits, count: int, rate: float, size: int = 10, topic: bytes = b"stream.stdout") -> int:
    """How many pass of `count` messages that were said at that rate, an hour ago, and come all at once."""
    lateness, first = Lateness(limits), time.time() - HOUR
    return sum(lateness.pardons(int((first + number / rate) * 1000), [topic, b"x" * size]) for number in range(count))


@pytest.mark.parametrize(("rate", "size"), [(10, 10), (900, 10), (10, 90_000)])
def test_all_of_what_was_within_the_limits_in_its_time_passes(rate: float, size: int) -> None:
    assert pardoned(Limits(), 10_000, rate, size) == 10_000


@pytest.mark.parametrize(("rate", "size"), [(2000, 10), (10, 200_000)])
def test_a_flood_is_left_to_the_server(rate: float, size: int) -> None:
    assert pardoned(Limits(), 10_000, rate, size) < 10_000 / 2


def test_large_pictures_are_no_flood() -> None:
    assert pardoned(Limits(), 100, 1.0, 5_000_000, b"display_data") == 100


def test_without_limits_everything_passes() -> None:
    assert pardoned(Limits(iopub_msg_rate_limit=0, iopub_data_rate_limit=0), 10_000, 1e6) == 10_000


def test_what_is_not_late_is_left_to_the_server() -> None:
    lateness = Lateness(Limits())
    assert not lateness.pardons(int(time.time() * 1000), [b"stream.stdout", b"now"])
    assert not lateness.pardons(0, [b"stream.stdout", b"of unknown age"])
    assert not lateness.pardons(1, [b"kernel.1.status", b"the server counts anew by it"])
