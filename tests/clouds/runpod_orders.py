"""What a create may say on either wire, and what is wrong with it."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from jupyter_gpu_bridge.sandbox.errors import No
from tests.clouds.runpod_goods import COMMUNITY, SECURE
from tests.clouds.runpod_pods import GONE, Ordered

_BODY: Mapping[str, tuple[type, ...]] = {
    "name": (str,),
    "image": (str,),
    "gpu": (dict,),
    "cpu": (dict,),
    "cloud": (str,),
    "dataCenterIds": (list,),
    "disk": (int,),
    "mounts": (dict,),
    "ports": (list,),
    "env": (dict,),
    "args": (str, type(None)),
    "entrypoint": (list,),
    "cmd": (list,),
    "registry": (str, type(None)),
    "startSsh": (bool,),
    "startJupyter": (bool,),
    "globalNetworking": (bool,),
    "templateId": (str,),
}
_GPU: Mapping[str, tuple[type, ...]] = {
    "id": (str,),
    "count": (int,),
    "allowedCudaVersions": (list,),
    "minCudaVersion": (str,),
    "minRamPerGpu": (int,),
    "minVcpuCountPerGpu": (int,),
}
_INPUT = """
    name imageName cloudType startSsh startJupyter gpuTypeId gpuTypeIdList supportPublicIp gpuCount volumeInGb
    minVcpuCount minMemoryInGb dataCenterId countryCode dockerArgs containerDiskInGb ports volumeMountPath env
    templateId networkVolumeId minCudaVersion allowedCudaVersions terminateAfter stopAfter minDownload minUpload
    globalNetwork
"""


class Said(No):
    """An answer with more to it than a sentence."""

    def __init__(
        self, status: int, message: str, *, errors: Sequence[str] = (), headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status, "", message)
        self.errors = list(errors)
        self.headers = dict(headers or {})


def unfit(*errors: str) -> Said:
    return Said(422, "Request validation failed.", errors=errors)


def of_rest(body: Any) -> Ordered:
    """Raises `Said`: 422 for what the schema forbids, 400 for what contradicts itself."""
    if not isinstance(body, dict):
        raise unfit("$: value must be object")
    _check_schema(body, _BODY, "$")
    for name in ("name", *(() if body.get("templateId") else ("image",))):
        if not body.get(name):
            raise unfit(f"$: missing property '{name}'")
    if body.get("templateId"):
        raise No(404, "", "template not found")
    gpu = body.get("gpu")
    if (gpu is None) == (body.get("cpu") is None):
        raise No(400, "", "exactly one of gpu and cpu must be given")
    if gpu is None:
        raise No(400, "", GONE)
    _check_schema(gpu, _GPU, "$.gpu")
    if "id" not in gpu:
        raise unfit("$.gpu: missing property 'id'")
    if "allowedCudaVersions" in gpu and "minCudaVersion" in gpu:
        raise No(400, "", "allowedCudaVersions and minCudaVersion are mutually exclusive")
    mounts = body.get("mounts") or {}
    if "persistent" in mounts and "network" in mounts:
        raise No(400, "", "mounts.persistent and mounts.network are mutually exclusive")
    if body.get("disk", 20) < 1:
        raise unfit("$.disk: must be >= 1")
    env = body.get("env") or {}
    if len(env) > 50 or not all(isinstance(each, str) for each in env.values()):
        raise unfit("$.env: must be at most 50 texts")
    cloud = body.get("cloud", SECURE)
    if cloud not in (SECURE, COMMUNITY):
        raise unfit("$.cloud: value must be one of 'SECURE', 'COMMUNITY'")
    return Ordered(
        name=body["name"],
        image=body["image"],
        gpu_id=gpu["id"],
        count=gpu.get("count", 0),  # without one the scheduler finds no machine
        cloud=cloud,
        places=body.get("dataCenterIds") or None,
        disk=body.get("disk", 20),
        ports=body.get("ports") or [],
        env=env,
        args=body.get("args"),
        argv=[*(body.get("entrypoint") or []), *(body.get("cmd") or [])],
        mounts=mounts,
        starts_ssh=bool(body.get("startSsh")),
        least_cuda=_versions(gpu.get("minCudaVersion") or "")[0],
        allowed_cuda=_versions(*(gpu.get("allowedCudaVersions") or ())),
    )


def of_input(asked: Any) -> Ordered:
    """Of `podFindAndDeployOnDemand`. Raises `Said`: what the schema forbids is 400."""
    if not isinstance(asked, dict):
        raise Said(400, 'Expected value of type "PodFindAndDeployOnDemandInput".')
    for name in sorted(set(asked) - set(_INPUT.split())):
        raise Said(
            400,
            f'Variable "$input" got invalid value {asked}; Field "{name}" is not defined by type '
            '"PodFindAndDeployOnDemandInput".',
        )
    for name in ("gpuCount", "containerDiskInGb", "volumeInGb"):
        if not isinstance(asked.get(name, 0), int):
            raise Said(400, f'Variable "$input" got invalid value at "input.{name}"; Int cannot represent it.')
    cloud = asked.get("cloudType") or "ALL"
    if cloud not in (SECURE, COMMUNITY, "ALL"):
        raise Said(400, f'Value "{cloud}" does not exist in "CloudTypeEnum" enum.')
    env = {each["key"]: each["value"] for each in asked.get("env") or []}
    place = asked.get("dataCenterId")
    return Ordered(
        name=str(asked.get("name") or ""),
        image=str(asked.get("imageName") or ""),
        gpu_id=str(asked.get("gpuTypeId") or ""),
        count=asked.get("gpuCount", 1),
        cloud=SECURE if cloud == "ALL" else cloud,
        places=[place] if place else None,
        disk=asked.get("containerDiskInGb") or 20,
        ports=[each for each in str(asked.get("ports") or "").split(",") if each],
        env=env,
        args=asked.get("dockerArgs"),
        mounts={},
        starts_ssh=bool(asked.get("startSsh")),
        seconds_left=_left(asked.get("terminateAfter")),
        least_cuda=_versions(asked.get("minCudaVersion") or "")[0],
        allowed_cuda=_versions(*(asked.get("allowedCudaVersions") or ())),
    )


def _versions(*said: Any) -> Sequence[str]:
    """Each as two numbers, or empty."""
    for each in said:
        if each and not (isinstance(each, str) and re.fullmatch(r"\d+\.\d+", each)):
            raise unfit(f"$.gpu: {each!r} is no version of CUDA")
    return said


def _left(said: Any) -> float | None:
    """By the clock of this computer, which is also that of whoever asks."""
    if said is None:
        return None
    if not isinstance(said, str) or not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", said):
        raise Said(400, f'DateTime cannot represent an invalid date-time-string "{said}".')
    return max(0.0, datetime.fromisoformat(said.replace("Z", "+00:00")).timestamp() - time.time())


def _check_schema(body: Mapping[str, Any], known: Mapping[str, tuple[type, ...]], where: str) -> None:
    strange = sorted(set(body) - set(known))
    if strange:
        raise unfit(*(f"{where}: additional properties '{each}' not allowed" for each in strange))
    for name, value in body.items():
        if not isinstance(value, known[name]) or (isinstance(value, bool) and bool not in known[name]):
            raise unfit(f"{where}.{name}: got {type(value).__name__}")
