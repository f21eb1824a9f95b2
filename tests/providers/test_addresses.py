"""Where a cloud is asked may be written with the path of its API or without it, with a slash at the end or not."""

from __future__ import annotations

import pytest

from jupyter_gpu_bridge.model import Need, Provider, SelfRemovalCall
from jupyter_gpu_bridge.providers.lambda_cloud import LambdaCloud
from jupyter_gpu_bridge.providers.runpod import RunPod
from jupyter_gpu_bridge.providers.vast import Vast
from jupyter_gpu_bridge.sandbox.http import Answer
from tests.providers.scripted import scripted

pytestmark = pytest.mark.anyio

_CLOUDS: dict[str, tuple[type[LambdaCloud] | type[RunPod] | type[Vast], Answer, str]] = {
    "LAMBDA_BASE_URL": (LambdaCloud, Answer(200, {"data": {}}), "/api/v1/instance-types"),
    "RUNPOD_BASE_URL": (RunPod, Answer(200, {"gpus": []}), "/v2/catalog/gpus"),
    "RUNPOD_API_BASE_URL": (RunPod, Answer(200, {"gpus": []}), "/v2/catalog/gpus"),
    "VAST_BASE_URL": (Vast, Answer(200, {"offers": []}), "/api/v0/bundles"),
}
_WITH_PATHS = [
    ("LAMBDA_BASE_URL", "/api/v1"),
    ("RUNPOD_BASE_URL", "/v2"),
    ("RUNPOD_BASE_URL", "/graphql"),
    ("RUNPOD_API_BASE_URL", "/v2"),
    ("VAST_BASE_URL", "/api/v0"),
    ("VAST_BASE_URL", "/api/v1"),
    ("VAST_BASE_URL", "/api"),
]


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize(("variable", "path"), [*_WITH_PATHS, *((variable, "") for variable in _CLOUDS)])
async def test_the_same_is_asked_at_either(
    variable: str, path: str, slash: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in _CLOUDS:
        monkeypatch.delenv(name, raising=False)
    cloud, answer, asked = _CLOUDS[variable]
    async with scripted(answer) as script:
        monkeypatch.setenv(variable, f"{script.address}{path}{slash}")
        provider: Provider = cloud(key="k")
        await provider.offers(Need())
        await provider.close()
        assert {each.path for each in script.heard} == {asked}
        for step in provider.traits.removal:  # which a machine does itself
            assert isinstance(step, SelfRemovalCall)
            rest = step.url_template.removeprefix(script.address)
            assert rest.startswith(("/v2/pods/", "/graphql", "/api/v0/instances/"))
