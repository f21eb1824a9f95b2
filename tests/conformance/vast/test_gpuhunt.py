"""gpuhunt, which reads the market without a key."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clouds.cloud import SimulatedCloud
from tests.conformance.clients import client

pytestmark = [pytest.mark.timeout(120), pytest.mark.needs("ssh-keygen")]


def test_it_finds_what_is_offered(cloud: SimulatedCloud, tmp_path: Path) -> None:
    gpuhunt = client("gpuhunt", tmp_path, {"ADDRESS": str(cloud.api["address"])})
    answer = gpuhunt.python(
        """
import os
from gpuhunt._internal.models import QueryFilter
from gpuhunt.providers import vastai
vastai.bundles_url = os.environ["ADDRESS"] + "/api/v0/bundles/"
found = vastai.VastAIProvider().get(QueryFilter(provider=["vastai"], gpu_name=["RTX4090"], min_gpu_count=1))
answer = [[each.instance_name, each.gpu_name, each.gpu_memory, each.price, each.spot] for each in found]
"""
    )
    assert answer
    assert {name for _, name, *_ in answer} == {"RTX4090"}
    assert {memory for _, _, memory, *_ in answer} == {24.0}
    offers = {
        str(each["id"]): each for each in cloud.ask("POST", "/api/v0/bundles/", {"type": "on-demand"})[1]["offers"]
    }
    assert all(number.partition("-")[0] in offers for number, *_ in answer)
