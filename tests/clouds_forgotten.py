"""No test knows how the clouds did in another one, nor its ledger: a breaker that opened there would stay open here.

Nor how often they were asked, which all processes of a user share: a test without a home of its own gets one for that.
"""

from __future__ import annotations

import itertools
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

_WHO_REMEMBERS = (
    *(f"jupyter_gpu_bridge.providers.{name}" for name in ("gate", "offers", "configuration", "metrics")),
    "jupyter_gpu_bridge.rentals.orders",
)
_HOME = "JUPYTER_GPU_BRIDGE_HOME"

_numbers = itertools.count()


@pytest.fixture(autouse=True)
def clouds_forgotten() -> Iterator[None]:
    """With a patch of its own: the one of the test would be made before all that the test asks for, and undone last."""
    home = Path(tempfile.gettempdir()) / f"gb-{os.getpid()}-{next(_numbers)}"
    with pytest.MonkeyPatch.context() as patch:
        if _HOME not in os.environ:
            patch.setenv(_HOME, str(home))
        yield
    for name in _WHO_REMEMBERS:
        if name in sys.modules:
            sys.modules[name].forget()
    if home.exists():
        shutil.rmtree(home)
