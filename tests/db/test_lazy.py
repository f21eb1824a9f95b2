from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "module",
    [
        "jupyter_gpu_bridge.bridge",
        "jupyter_gpu_bridge.server",
        "jupyter_gpu_bridge.kernels",
        "jupyter_gpu_bridge.rentals.glance",
        "jupyter_gpu_bridge.rentals.ledger",
        "jupyter_gpu_bridge.market.history",
        "jupyter_gpu_bridge.market.written",
        "jupyter_gpu_bridge.rentals.costs",
        "jupyter_gpu_bridge.rentals.installation",
    ],
)
def test_no_database_is_brought_before_a_ledger_is_opened(module: str) -> None:
    """They take a third of a second, at every start of a Jupyter server. See the docstring of `rentals.ledger`."""
    program = (
        f"import sys, {module}\n"
        "heavy = {'sqlalchemy', 'alembic', 'psycopg'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=50)
