"""What Jupyter servers of this user have seen of the providers, and what they are to forget of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from jupyter_gpu_bridge import plain
from jupyter_gpu_bridge.cli.servers import NotAsked, NotThere, Server, Silent, ask_all
from jupyter_gpu_bridge.model import (
    BreakerHealth,
    BreakerState,
    CacheHealth,
    Health,
    LimiterHealth,
    ProviderHealth,
    ProviderState,
)

_API = "gpu-bridge/api/v1"


@dataclass(frozen=True, slots=True)
class There:
    """At one server."""

    server: Server
    health: Health | None
    silent: str = ""
    """Why it says nothing."""
    undone: Sequence[str] = ()
    """What it was to do and has not done."""

    @property
    def is_well(self) -> bool:
        """What does not let itself be looked at says nothing of providers: it may be a server with a password."""
        return not self.undone and (self.health is None or self.health.is_well)

    @property
    def trouble(self) -> Sequence[str]:
        return [*self.undone, *([self.silent] if self.silent else [])]

    def plain(self) -> plain.Plain:
        return {
            "address": self.server.address,
            "folder": self.server.folder,
            "trouble": " ".join(self.trouble),
            "health": None if self.health is None else plain.health(self.health),
        }


async def look(servers: Sequence[Server], reset: str | None = None, forget: str | None = None) -> Sequence[There]:
    """Of those that load our extension. `reset`: a provider; `forget`: the offers of one, or of all if it is empty."""
    acts: list[tuple[str, str, object]] = []
    if reset:
        acts.append((f"{reset} was not reset there.", f"circuit-breakers/{quote(reset, safe='')}/reset", None))
    if forget is not None:
        acts.append(("No offers were forgotten there.", "cache/invalidate", {"provider": forget}))
    undone: dict[Server, list[str]] = {server: [] for server in servers}
    silent: dict[Server, Silent] = {}
    for words, path, content in acts:
        for server, said in await _asked(undone.keys() - silent, path, "POST", content):
            if isinstance(said, NotAsked):
                undone[server].append(f"{words} {said}")
            if isinstance(said, Silent):
                silent[server] = said
    answers = dict(await _asked(undone.keys() - silent, "health")) | silent
    return [_there(server, answers[server], undone[server]) for server in servers if server in answers]


async def _asked(
    servers: Iterable[Server], path: str, method: str = "GET", content: object = None
) -> Sequence[tuple[Server, object | NotAsked]]:
    servers = list(servers)
    answers = await ask_all(servers, f"{_API}/{path}", method=method, content=content)
    return [each for each in zip(servers, answers, strict=True) if not isinstance(each[1], NotThere)]


def _there(server: Server, said: object, undone: Sequence[str]) -> There:
    if isinstance(said, NotAsked):
        return There(server, None, str(said), undone)
    try:
        return There(server, _health(said), undone=undone)
    except (KeyError, TypeError, ValueError, OverflowError):
        return There(server, None, "What it says is not understood: it may be of another version.", undone)


def _health(said: Any) -> Health:
    return Health([_provider(each) for each in said["providers"]])


def _provider(said: Mapping[str, Any]) -> ProviderHealth:
    cache = said["cache"]
    return ProviderHealth(
        provider=str(said["provider"]),
        state=ProviderState(said["state"]),
        why=str(said["why"]),
        calls=int(said["calls"]),
        success_rate=None if said["success_rate"] is None else float(said["success_rate"]),
        median=_time(said["response_seconds"]["median"]),
        p95=_time(said["response_seconds"]["p95"]),
        breakers=[_breaker(each) for each in said["breakers"]],
        limiter=None if said["limiter"] is None else _limiter(said["limiter"]),
        cache=CacheHealth(
            int(cache["entries"]), int(cache["hits"]), int(cache["misses"]), timedelta(seconds=cache["ttl_seconds"])
        ),
        key_trouble=str(said.get("key_trouble", "")),
    )


def _breaker(said: Mapping[str, Any]) -> BreakerHealth:
    return BreakerHealth(
        operation=str(said["operation"]),
        state=BreakerState(said["state"]),
        failures=int(said["failures"]),
        trips=int(said["trips"]),
        failed_before=_time(said["last_failure_seconds_ago"]),
        tries_in=_time(said["tries_in_seconds"]),
    )


def _limiter(said: Mapping[str, Any]) -> LimiterHealth:
    return LimiterHealth(
        per_second=float(said["per_second"]),
        capacity=float(said["capacity"]),
        available=float(said["available"]),
        blocked=int(said["blocked"]),
        paused=_time(said["paused_seconds"]),
    )


def _time(seconds: float | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)
