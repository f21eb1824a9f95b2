"""What may be set about the clouds: how patient we are with all of them, and where and how fast each one is asked.

Read when it is needed, from the environment or else from Jupyter's configuration. What makes no sense is refused where
somebody searches, rents or asks how things stand; a call that is about to be made uses what is usual instead, since
a slip in a setting must not keep a machine from being destroyed.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from jupyter_gpu_bridge import settings
from jupyter_gpu_bridge.errors import BadRequest
from jupyter_gpu_bridge.providers import configuration
from jupyter_gpu_bridge.providers.setting import YES_OR_NO, Rate, Setting, address, seconds, truth, variable_of, whole

_A_DAY = seconds(0, 86400)
_UP_TO_A_DAY = "seconds from 0 to 86400"

THRESHOLD = Setting("PROVIDER_CIRCUIT_BREAKER_THRESHOLD", "5", "a whole number from 1 to 1000", whole(1, 1000))
OPEN_FOR = Setting("PROVIDER_CIRCUIT_BREAKER_TIMEOUT", "60", "seconds from 0.1 to 3600", seconds(0.1, 3600))
PROBES = Setting("PROVIDER_CIRCUIT_BREAKER_HALF_OPEN_MAX_CALLS", "1", "a whole number from 1 to 100", whole(1, 100))
LIMITER_ENABLED = Setting("PROVIDER_RATE_LIMITER_ENABLED", "true", YES_OR_NO, truth)
CACHE_ENABLED = Setting("PROVIDER_CACHE_ENABLED", "true", YES_OR_NO, truth)
CACHE_TTL = Setting("PROVIDER_CACHE_TTL", "30", _UP_TO_A_DAY, _A_DAY)
CACHE_MAX_TTL = Setting("PROVIDER_CACHE_MAX_TTL", "300", _UP_TO_A_DAY, _A_DAY)
CACHE_MIN_TTL = Setting("PROVIDER_CACHE_MIN_TTL", "10", _UP_TO_A_DAY, _A_DAY)
MAX_RETRIES = Setting("PROVIDER_MAX_RETRIES", "3", "a whole number from 0 to 20", whole(0, 20))
BASE_DELAY = Setting("PROVIDER_RETRY_BASE_DELAY", "2", "seconds from 0 to 300", seconds(0, 300))
MAX_DELAY = Setting("PROVIDER_RETRY_MAX_DELAY", "32", "seconds from 0 to 300", seconds(0, 300))
JITTER = Setting("PROVIDER_RETRY_JITTER", "1", "seconds from 0 to 60", seconds(0, 60))

OVER_ALL: Sequence[Setting[int] | Setting[float] | Setting[bool]] = (
    THRESHOLD,
    OPEN_FOR,
    PROBES,
    LIMITER_ENABLED,
    CACHE_ENABLED,
    CACHE_TTL,
    CACHE_MAX_TTL,
    CACHE_MIN_TTL,
    MAX_RETRIES,
    BASE_DELAY,
    MAX_DELAY,
    JITTER,
)

_IN_ORDER = ((CACHE_MIN_TTL, CACHE_TTL), (CACHE_TTL, CACHE_MAX_TTL), (BASE_DELAY, MAX_DELAY))

OF_EACH = ("BASE_URL", "RATE_LIMIT", "TIMEOUT", "ENABLED")
"""What follows the provider's name."""


def base_url(provider: str, usual: str, part: str = "") -> str:
    """Where it is asked; `part` for a provider with several addresses. Raises `BadRequest`, also for a call.

    Whoever has set another address does not want the key to be sent to the usual one.
    """
    configuration.known()
    setting = _base_url(variable_of(f"{provider}_{part}" if part else provider, "BASE_URL"))
    if not settings.variable(setting.name):
        return usual
    return setting.read() if part else without_api(provider, setting.read())


def api_paths(provider: str, *paths: str) -> None:
    """Told by an adapter as it is loaded: what it writes behind an address. Who has written it already is right too."""
    _api_paths[provider] = sorted(paths, key=len, reverse=True)


def without_api(provider: str, address: str) -> str:
    """`https://a.b/api/v1/` is `https://a.b` to an adapter that has told `/api/v1`."""
    bare = address.strip().rstrip("/")
    path = urlsplit(bare).path
    written = next((each for each in _api_paths.get(provider, ()) if path.endswith(each)), "")
    return bare.removesuffix(written).rstrip("/")


_api_paths: dict[str, Sequence[str]] = {}


def rate_limit(provider: str, usual: str) -> Setting[Rate]:
    return Setting(
        variable_of(provider, "RATE_LIMIT"), usual, "a number of requests as 5/s, 60/min, 100/h or 1/4.5s", Rate.parse
    )


def timeout(provider: str, usual: float) -> Setting[float]:
    return Setting(variable_of(provider, "TIMEOUT"), f"{usual:g}", "seconds from 0.1 to 600", seconds(0.1, 600))


def enabled(provider: str) -> Setting[bool]:
    return Setting(variable_of(provider, "ENABLED"), "true", YES_OR_NO, truth)


def check(providers: Sequence[str]) -> None:
    """Raises `BadRequest` for the first setting that makes no sense, by itself or beside another one."""
    configuration.known(strict=True)
    for setting in OVER_ALL:
        setting.read()
    for low, high in _IN_ORDER:
        if low.read() > high.read():
            raise BadRequest(
                f"The setting {low.name} ({low.read():g}) is more than {high.name} ({high.read():g}).",
                advice="Change one of them.",
            )
    for provider in providers:
        for name in present([provider]):
            if name.endswith("_BASE_URL"):
                _base_url(name).read()
        rate_limit(provider, "1/s").read()
        timeout(provider, 30.0).read()
        enabled(provider).read()


def is_enabled(provider: str) -> bool:
    configuration.known()
    return enabled(provider).in_any_case()


def present(providers: Sequence[str]) -> Mapping[str, str]:
    """All that is set now, for a program that the system runs without our environment."""
    configuration.known()
    beginnings = tuple(f"{variable_of(provider)}_" for provider in providers)
    found = {**settings.configured(), **os.environ}
    ours = {setting.name for setting in OVER_ALL}
    return {
        name: value
        for name, value in found.items()
        if name in ours or (name.startswith(beginnings) and name.endswith(OF_EACH))
    }


def _base_url(name: str) -> Setting[str]:
    return Setting(name, "", "an https:// address without a password, or an http:// one of this computer", address)
