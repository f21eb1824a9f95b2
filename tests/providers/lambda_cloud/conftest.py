from __future__ import annotations

from tests.clouds.fixtures import one_for_all, put_right_after_each
from tests.providers.lambda_cloud.world import Lambda
from tests.providers.unhurried import unhurried

__all__ = ["unhurried"]

one_cloud = one_for_all(Lambda)
"""For all these tests: each has an account of its own."""

cloud = put_right_after_each(Lambda.reset)
