"""RunPod's catalog as both wires show it, with the rules of its query."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from jupyter_gpu_bridge.sandbox.errors import No
from tests.clouds.runpod_goods import COMMUNITY, DATA_CENTERS, SECURE, TYPES, GpuType
from tests.clouds.runpod_graphql import Document
from tests.clouds.runpod_orders import unfit

ListPrice = Callable[[str, str], Decimal]
"""Of one GPU of this id, in this cloud."""

_ONLY_WITH_INCLUDE = ("product", "count", "cloud", "countryCodes", "cudaVersions", "minCudaVersion")


def gpu_types(query: Mapping[str, str], list_price: ListPrice) -> list[dict[str, Any]]:
    """Raises `No`."""
    includes = "AVAILABILITY" in query.get("include", "").split(",")
    if includes and "product" not in query:
        raise No(400, "", "product is required with include=AVAILABILITY")
    for name in _ONLY_WITH_INCLUDE:
        if not includes and name in query:
            raise No(400, "", f"{name} is only valid with include=AVAILABILITY")
    if "cudaVersions" in query and "minCudaVersion" in query:
        raise No(400, "", "cudaVersions and minCudaVersion are mutually exclusive")
    count = query.get("count", "1")
    if not count.isdigit() or int(count) < 1:
        raise unfit("query.count: must be >= 1")
    cloud = query.get("cloud", SECURE)
    if cloud not in (SECURE, COMMUNITY):
        raise unfit("query.cloud: value must be one of 'SECURE', 'COMMUNITY'")
    places = _places(query.get("countryCodes"))
    return [
        {
            **_plain(each, list_price),
            **(_availability(each, cloud, int(count), places) if includes else {}),
        }
        for each in TYPES
        if places is None or each.places(places)
    ]


def _places(codes: str | None) -> Sequence[str] | None:
    if codes is None:
        return None
    wanted = codes.split(",")
    if not all(re.fullmatch(r"[A-Z]{2}", each) for each in wanted):
        raise unfit("query.countryCodes: must be ISO 3166 codes")
    return [name for name, (_, _, country) in DATA_CENTERS.items() if country in wanted]


def _plain(gpu: GpuType, list_price: ListPrice) -> dict[str, Any]:
    price = {cloud.lower(): float(list_price(gpu.gpu_id, cloud)) for cloud in gpu.prices}
    more = {} if gpu.pool is None else {"serverless": 1.1}
    return {
        "id": gpu.gpu_id,
        "name": gpu.name,
        "pool": gpu.pool,
        "manufacturer": gpu.manufacturer,
        "memory": gpu.memory,
        "secure": SECURE in gpu.prices,
        "community": COMMUNITY in gpu.prices,
        "price": {**price, **more},
        "maxCount": {cloud.lower(): most for cloud, most in gpu.most.items()},
    }


def _availability(gpu: GpuType, cloud: str, count: int, places: Sequence[str] | None) -> dict[str, Any]:
    found: dict[str, Any] = {"availability": gpu.availability(cloud, count, places)}
    if found["availability"] != "NONE":
        found["dataCenters"] = [
            {"id": each, "name": DATA_CENTERS[each][0], "availability": gpu.availability(cloud, count, [each])}
            for each in gpu.places(places)
        ]
    if gpu.cuda:
        found["cudaVersions"] = [{"version": each, "available": gpu.has_cuda(each, cloud)} for each in gpu.cuda]
    return found


def data_centers(query: Mapping[str, str]) -> list[dict[str, Any]]:
    regions = query.get("regions", "").split(",") if "regions" in query else None
    found = []
    for name, (title, region, _) in DATA_CENTERS.items():
        if regions is not None and region not in regions:
            continue
        place: dict[str, Any] = {
            "id": name,
            "name": title,
            "region": region,
            "globalNetwork": True,
            "networkVolumeTypes": ["STANDARD"],
            "compliance": [],
        }
        if "GPU_AVAILABILITY" in query.get("include", ""):
            place["gpuAvailability"] = [
                {"id": each.gpu_id, "name": each.name, "availability": each.stock[name]}
                for each in TYPES
                if name in each.stock
            ]
        found.append(place)
    return found


def of_graphql(document: Document, list_price: ListPrice) -> dict[str, Any]:
    """What anybody may ask for without a key, by the name of the field."""
    asked = document.argument("input") or {}
    wanted = asked.get("id")
    types = [each for each in TYPES if wanted in (None, each.gpu_id) and not asked.get("cluster")]
    countries = sorted({country for _, _, country in DATA_CENTERS.values()})
    return {
        "gpuTypes": [_of_graphql(each, list_price) for each in types],
        "dataCenters": [{"id": each, "name": DATA_CENTERS[each][0], "listed": True} for each in DATA_CENTERS],
        "countryCodes": [*countries, None],
        "cpuFlavors": [],
    }


def _of_graphql(gpu: GpuType, list_price: ListPrice) -> dict[str, Any]:
    """In another case than in REST, and per GPU as well."""
    prices = {cloud: float(list_price(gpu.gpu_id, cloud)) for cloud in gpu.prices}

    def lowest_price(arguments: Mapping[str, Any]) -> dict[str, Any]:
        asked = arguments.get("input") or {}
        is_secure = asked.get("secureCloud")
        clouds = [each for each in prices if is_secure in (None, each == SECURE)]
        places = _places(asked.get("countryCode")) if asked.get("countryCode") else None
        places = [asked["dataCenterId"]] if asked.get("dataCenterId") else places
        count = asked.get("gpuCount") or 1
        found = {cloud: gpu.availability(cloud, count, places) for cloud in clouds}
        there = [cloud for cloud, stock in found.items() if stock != "NONE"]
        stock = found[there[0]].capitalize() if there else None
        return {
            "minimumBidPrice": None,
            "uninterruptablePrice": min(prices[cloud] for cloud in there) if there else None,
            "stockStatus": stock,
            "minVcpu": 8 * count if there else None,
            "minMemory": 32 * count if there else None,
            "countryCode": asked.get("countryCode"),
            "compliance": None,
            "gpuTypeCudaVersions": [{"cudaVersion": each, "availability": stock} for each in gpu.cuda],
            "maxUnreservedGpuCount": 8,
        }

    return {
        "id": gpu.gpu_id,
        "displayName": gpu.name,
        "manufacturer": "Nvidia" if gpu.manufacturer == "NVIDIA" else gpu.manufacturer,
        "memoryInGb": gpu.memory,
        "cudaCores": 0,
        "secureCloud": SECURE in prices,
        "communityCloud": COMMUNITY in prices,
        "securePrice": prices.get(SECURE),
        "communityPrice": prices.get(COMMUNITY),
        "secureSpotPrice": None,
        "communitySpotPrice": None,
        "clusterPrice": None,
        "oneWeekPrice": None,
        "oneMonthPrice": None,
        "threeMonthPrice": None,
        "sixMonthPrice": None,
        "minPodGpuCount": 1,
        "maxGpuCount": max(gpu.most.values()),
        "maxGpuCountSecureCloud": gpu.most.get(SECURE, 0),
        "maxGpuCountCommunityCloud": gpu.most.get(COMMUNITY, 0),
        "nodeGroupDatacenters": [],
        "lowestPrice": lowest_price,
    }
