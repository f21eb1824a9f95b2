"""The paces that clouds want to be asked at are real seconds, which tests of everything else do not wait for."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROVIDER_RATE_LIMITER_ENABLED", "false")
