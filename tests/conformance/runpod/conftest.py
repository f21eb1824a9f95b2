from __future__ import annotations

from tests.clouds.fixtures import empty_runpod, one_for_all, put_right_after_each, runpod

one_cloud = one_for_all(runpod)
cloud = put_right_after_each(empty_runpod)
