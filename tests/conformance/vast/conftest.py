from __future__ import annotations

from tests.clouds.cloud import SimulatedCloud
from tests.clouds.fixtures import empty_vast, one_for_all, put_right_after_each

one_cloud = one_for_all(lambda: SimulatedCloud("vast"))
cloud = put_right_after_each(empty_vast)
