"""What an adapter gets back, and what it makes of a clear no."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from jupyter_gpu_bridge.errors import CloudError
from jupyter_gpu_bridge.providers.answers import Fields


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, and what its JSON says; numbers with a point are `Decimal`."""

    title: str
    status: int
    content: object

    @property
    def fields(self) -> Fields:
        return Fields(self.title, self.content)


Refusal = Callable[[Answer], CloudError]
"""What a clear no (a 4xx) means; told by the adapter, which knows the cloud's words."""

LongPause = Callable[[Answer], CloudError | None]
"""What a 429 means that lasts much longer than any repetition; `None`: it is a usual one. Told by the adapter."""
