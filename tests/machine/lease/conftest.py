from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.machine.lease.rented import SHELLS, Rented, rented


@pytest.fixture(params=[pytest.param(shell, marks=pytest.mark.needs(shell)) for shell in SHELLS])
def machine(request: pytest.FixtureRequest) -> Iterator[Rented]:
    """Not booted yet."""
    with rented(request.param) as machine:
        yield machine
