"""gpuhunt, which reads the price list, and takes all images' regions for where everything is sold."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance.clients import client
from tests.providers.lambda_cloud.world import Lambda

pytestmark = [pytest.mark.timeout(180), pytest.mark.needs("ssh-keygen")]


def test_it_reads_every_gpu_its_memory_and_its_price(cloud: Lambda, tmp_path: Path) -> None:
    variables = {"KEY": str(cloud.api["account_key"]), "ADDRESS": str(cloud.api["address"])}
    answer = client("gpuhunt", tmp_path, variables).python(
        """
import os
from gpuhunt.providers import lambdalabs
lambdalabs.INSTANCE_TYPES_URL = os.environ["ADDRESS"] + "/api/v1/instance-types"
lambdalabs.IMAGES_URL = os.environ["ADDRESS"] + "/api/v1/images"
found = lambdalabs.LambdaLabsProvider(os.environ["KEY"]).get()
answer = {each.instance_name: [each.gpu_name, each.gpu_count, each.gpu_memory, each.price] for each in found}
"""
    )
    assert answer["gpu_8x_h100_sxm5"] == ["H100", 8, 80.0, 31.92]
    assert answer["gpu_8x_v100"] == ["V100", 8, 16.0, 6.32]
    assert "cpu_4x_general" not in answer
