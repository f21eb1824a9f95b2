from __future__ import annotations

from tests.clouds.fixtures import one_for_all, vast
from tests.providers.unhurried import unhurried

__all__ = ["unhurried"]

cloud = one_for_all(vast)
