"""The same settings as Jupyter's configuration has them: `c.GpuBridgeProviders.cache_ttl = 60`.

A Jupyter server gives what it was configured with, files and command line. Every other process of ours reads the files
`jupyter_config` and `jupyter_gpu_bridge_config` by itself, and is stronger told by its environment: what a server was
told on its command line reaches the processes that it starts that way.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from typing import Any

from traitlets import Dict, TraitError, TraitType
from traitlets.config import Application, Config, Configurable

from jupyter_gpu_bridge import settings
from jupyter_gpu_bridge.errors import BadRequest
from jupyter_gpu_bridge.providers.setting import variable_of

log = logging.getLogger(__name__)

_FILES = ("jupyter_config", "jupyter_gpu_bridge_config")
_OVER_ALL, _OF_EACH = "PROVIDER_", ("base_url", "rate_limit", "timeout", "enabled")


class _Said(TraitType[Any, Any]):
    """A number, a truth or a text, kept as the environment would have it; empty: as is usual."""

    default_value = ""
    info_text = "a number, True, False, or a text"

    def validate(self, obj: Any, value: Any) -> str:
        if not isinstance(value, bool | int | float | str):
            self.error(obj, value)
        return str(value)

    def from_string(self, s: str) -> str:
        return s


def _said(variable: str) -> Any:
    return _Said(help=f"As {variable} in the environment, which is stronger.").tag(config=True)


def _each(variable: str) -> Any:
    return Dict(
        value_trait=_Said(), help=f"By provider, as NAME_{variable} in the environment, which is stronger."
    ).tag(config=True)


class GpuBridgeProviders(Configurable):
    """How patient we are with clouds, and where and how fast each of them is asked."""

    circuit_breaker_threshold = _said("PROVIDER_CIRCUIT_BREAKER_THRESHOLD")
    circuit_breaker_timeout = _said("PROVIDER_CIRCUIT_BREAKER_TIMEOUT")
    circuit_breaker_half_open_max_calls = _said("PROVIDER_CIRCUIT_BREAKER_HALF_OPEN_MAX_CALLS")
    rate_limiter_enabled = _said("PROVIDER_RATE_LIMITER_ENABLED")
    cache_enabled = _said("PROVIDER_CACHE_ENABLED")
    cache_ttl = _said("PROVIDER_CACHE_TTL")
    cache_max_ttl = _said("PROVIDER_CACHE_MAX_TTL")
    cache_min_ttl = _said("PROVIDER_CACHE_MIN_TTL")
    max_retries = _said("PROVIDER_MAX_RETRIES")
    retry_base_delay = _said("PROVIDER_RETRY_BASE_DELAY")
    retry_max_delay = _said("PROVIDER_RETRY_MAX_DELAY")
    retry_jitter = _said("PROVIDER_RETRY_JITTER")
    base_url = _each("BASE_URL")
    rate_limit = _each("RATE_LIMIT")
    timeout = _each("TIMEOUT")
    enabled = _each("ENABLED")

    def as_variables(self) -> Mapping[str, str]:
        """What is said, by the names that it has in an environment."""
        said: dict[str, str] = {}
        for name in self.traits(config=True):
            value = getattr(self, name)
            if name in _OF_EACH:
                said |= {variable_of(provider, name.upper()): text for provider, text in value.items()}
            elif value:
                said[f"{_OVER_ALL}{name.upper()}"] = value
        return said


_finding = threading.Lock()
_is_known = False
_trouble: BadRequest | None = None


def take(config: Config) -> None:
    """From whoever has read Jupyter's configuration already."""
    global _is_known, _trouble
    with _finding:
        _is_known, _trouble = True, None
        try:
            settings.configure(GpuBridgeProviders(config=config).as_variables())
        except TraitError as error:
            _trouble = _broken(error)
            log.warning("%s", _trouble)


def known(*, strict: bool = False) -> None:
    """See to it that the configuration was read. Raises `BadRequest` for one that makes no sense only if `strict`."""
    global _is_known, _trouble
    with _finding:
        if not _is_known:
            _is_known = True
            try:
                settings.configure(GpuBridgeProviders(config=_of_files()).as_variables())
            except Exception as error:  # a file of configuration is a program, of somebody else
                _trouble = _broken(error)
                log.warning("%s", _trouble)
    if strict and _trouble is not None:
        raise BadRequest(_trouble.what, advice=_trouble.advice)


def forget() -> None:
    """As if nothing had been read yet."""
    global _is_known, _trouble
    with _finding:
        _is_known, _trouble = False, None
        settings.configure({})


def _of_files() -> Config:
    from jupyter_core.paths import jupyter_config_path

    reader = Application()
    reader.raise_config_file_errors = True
    for name in _FILES:
        reader.load_config_file(name, path=jupyter_config_path())
    return reader.config


def _broken(error: Exception) -> BadRequest:
    return BadRequest(
        f"Jupyter's configuration of the providers cannot be used: {type(error).__name__}: {error}.",
        advice="Mend c.GpuBridgeProviders in it (jupyter --paths shows where configuration is).",
    )
