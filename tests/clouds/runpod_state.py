"""What the simulated RunPod remembers besides machines."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class State:
    """What the simulator remembers besides machines, and what a test may change of it."""

    pods: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What was ordered, by id."""
    stopped: list[str] = field(default_factory=list)
    """By their owner; all others are started again when their first process has ended."""
    ssh_keys: list[str] = field(default_factory=list)
    balance: str = "100"
    """Before anything was billed."""
    per_minute: int = 0
    """So many requests an account may make in a minute; 0: as many as it likes, and it is told of 60."""
    ports_after: float = 0.0
    """A pod that runs has no ports for so many virtual seconds after it was made."""
    is_broken: bool = False
    """Every pod is in ERROR."""
    machine_keys: bool = True
    """REST v2 takes the keys of pods."""
    forbids: str = ""
    """For this verb the account's key has no right."""
    is_cluster: bool = False
    """Every pod is a member of a cluster, which cannot be deleted alone."""
    html: int = 0
    """So many answers more come from a proxy, as a page with status 400."""
    quarrels: int = 0
    """So many creates more break a rule of the server's."""
    logs_end: bool = False
    """The stream of a pod's log ends when it has told what there was; whether it does is not known."""
    graphql_fails: str = ""
    """What GraphQL says to the next create instead of doing it."""
