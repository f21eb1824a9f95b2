"""How tests are spread where pytest runs workers: `-n auto --dist loadfile`, as `make test` does.

A file stays together, since its tests share what they have started; where each starts a world of its own, each goes
wherever there is room. What asserts a time too short for a busy computer comes last, when all other workers have ended.
"""

from __future__ import annotations

import os
from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling

ALONE = "tests/kernels/test_event_loop.py"
APART = "tests/rentals/renting/"
"""Each of these tests has a cloud, wardens and machines of its own, and takes from ten seconds to a minute."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores, since most of the time tests wait; few, since they have deadlines."""
    return min(max((os.cpu_count() or 1) + 1, 2), 4)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling | None:
    return OneAlone(config, log) if config.getvalue("dist") == "loadfile" else None


class OneAlone(LoadFileScheduling):  # type: ignore[misc] # xdist has no types
    """One file runs when only one node is left.

    A node keeps its last test until it knows the next one or is shut down; so the last node that still has to do waits.
    """

    def __init__(self, config: pytest.Config, log: Any) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False  # neighbours in a folder share more, and the last folders are quick

    def _split_scope(self, nodeid: str) -> str:
        """What has to stay together."""
        return nodeid if nodeid.startswith(APART) else super()._split_scope(nodeid)

    def remove_node(self, node: Any) -> str | None:
        """Called when a node has ended."""
        crashed: str | None = super().remove_node(node)
        for other in self.nodes:
            self._reschedule(other)
        return crashed

    def _assign_work_unit(self, node: Any) -> None:
        if ALONE in self.workqueue:
            self.workqueue.move_to_end(ALONE)
        if not self._has_to_wait():
            super()._assign_work_unit(node)

    def _reschedule(self, node: Any) -> None:
        """Called when a node may need more."""
        if not self._has_to_wait():
            super()._reschedule(node)
        elif any(other is not node and not other.shutting_down for other in self.nodes):
            node.shutdown()

    def _has_to_wait(self) -> bool:
        return list(self.workqueue) == [ALONE] and len(self.nodes) > 1
