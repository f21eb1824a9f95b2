"""gpuhunt, which reads the catalog by GraphQL, without any key."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clouds.cloud import SimulatedCloud
from tests.conformance.clients import client

pytestmark = [pytest.mark.timeout(120), pytest.mark.needs("ssh-keygen")]


def test_its_offers_have_the_prices_of_ours(cloud: SimulatedCloud, tmp_path: Path) -> None:
    gpuhunt = client("gpuhunt", tmp_path, {"ADDRESS": str(cloud.api["address"])})
    offers = gpuhunt.python(
        """
import os
from gpuhunt.providers import runpod
runpod.API_URL = os.environ["ADDRESS"] + "/graphql"
answer = [[o.instance_name, o.location, o.gpu_count, o.price, o.gpu_name] for o in runpod.RunpodProvider().get()]
"""
    )
    assert ["NVIDIA GeForce RTX 4090", "EU-RO-1", 1, 0.69, "RTX4090"] in offers
    assert ["NVIDIA GeForce RTX 4090", "RO", 4, 1.36, "RTX4090"] in offers
    assert not [each for each in offers if each[0] == "NVIDIA B200"]  # there are none
