"""A simulated cloud that a test starts, asks and disturbs, as it does the sandbox; and what leads an adapter to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.sandbox.cloud import SandboxCloud


class SimulatedCloud(SandboxCloud):
    def __init__(self, name: str, **how: Any) -> None:
        super().__init__(**how)
        self.name = name

    @property
    def program(self) -> Sequence[str]:  # type: ignore[override]
        return ("-m", "tests.clouds", self.name)

    def environment(self) -> Mapping[str, str]:
        """With it a program that means this cloud asks the simulated one."""
        prefix = self.name.upper()
        return {f"{prefix}_API_KEY": str(self.api["account_key"]), f"{prefix}_BASE_URL": str(self.api["address"])}
