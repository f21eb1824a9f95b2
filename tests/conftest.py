from __future__ import annotations

import pytest
from keyring import set_keyring
from keyring.backends.fail import Keyring as NoKeyring

pytest_plugins = (
    "pytest_jupyter.jupyter_server",
    "tests.clouds_forgotten",
    "tests.missing_programs",
    "tests.left_behind",
    "tests.postgres",
    "tests.workers",
)


@pytest.fixture(scope="session", autouse=True)
def no_keyring() -> None:
    """Nobody's own keyring is asked, nor one of those that tests make up: keyring takes whichever it has heard of."""
    set_keyring(NoKeyring())  # type: ignore[no-untyped-call]
