from __future__ import annotations

from tests.on_asyncio import anyio_backend, on_asyncio

__all__ = ["anyio_backend", "on_asyncio"]
