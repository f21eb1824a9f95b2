from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from jupyter_gpu_bridge.gpus import UnknownNames, identify, unknown_names
from jupyter_gpu_bridge.gpus.unknown import OTHERS


@pytest.fixture(autouse=True)
def nobody_met() -> Iterator[None]:
    unknown_names.forget()
    yield
    unknown_names.forget()


def test_only_what_a_provider_says_and_nobody_knows_is_counted() -> None:
    identify("Frob 9", provider="vast")
    identify("Frob 9", provider="Vast")
    identify("Frob 9")
    identify("RTX 4090", provider="vast")
    identify("cpu_4x_general", provider="lambda")
    identify(" ", provider="vast")
    assert unknown_names.counts() == {"vast: Frob 9": 2}


def test_it_is_logged_once_and_cut_short(caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(5):
        identify("\x1b[31m" + "y" * 5000, provider="vast")
    (record,) = caplog.records
    assert "\x1b" not in record.getMessage()
    assert len(record.getMessage()) < 300


def test_there_are_never_more_than_so_many_names() -> None:
    unknown = UnknownNames(most=3)
    for number in range(10):
        unknown.met(f"GPU {number}", "vast")
    unknown.met("GPU 1", "vast")
    assert unknown.counts() == {"vast: GPU 1": 2, "vast: GPU 0": 1, "vast: GPU 2": 1, OTHERS: 7}


def test_threads_count_together() -> None:
    unknown = UnknownNames()

    def meet_many() -> None:
        for _ in range(500):
            unknown.met("X", "vast")

    threads = [threading.Thread(target=meet_many) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert unknown.counts() == {"vast: X": 2000}
