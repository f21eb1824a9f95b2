from __future__ import annotations

from tests.own_home import own_home

__all__ = ["own_home"]
