"""What a test may have go wrong: each fault holds for some calls, for one machine, or for some virtual time."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import Enum


class Kind(Enum):
    """All that can go wrong; what `value` means for each is said beside it."""

    ANSWER_LOST = "answer-lost"
    """It is done, and the connection is closed instead of an answer."""
    ERROR_AFTER = "error-after"
    """It is done, and the answer is 500."""
    ERROR_BEFORE = "error-before"
    """It is not done, and the answer is 500."""
    GARBAGE = "garbage"
    """It is done, and the answer is 200 with something that is no JSON."""
    SLOW_ANSWER = "slow-answer"
    """It is done, and the answer comes `value` virtual seconds later."""
    LISTING_LAG = "listing-lag"
    """New machines are in no answer for `value` seconds: list, get and destroy."""
    GET_LAG = "get-lag"
    """New machines are 404 for `value` seconds, though the listing has them."""
    NEVER_BOOTS = "never-boots"
    SLOW_BOOT = "slow-boot"
    """It takes `value` seconds more."""
    NO_SSH = "no-ssh"
    """It runs, and its port stays closed."""
    NO_PYTHON = "no-python"
    """It can be entered, and no Python on it runs."""
    API_DOWN = "api-down"
    """503, and nothing is done."""
    KEY_REVOKED = "key-revoked"
    """The account's key is 401; those of machines go on."""
    NO_CAPACITY = "no-capacity"
    PRICE_CHANGED = "price-changed"
    """The price goes up as the order arrives."""
    DOUBLE_BILLING = "double-billing"
    """New machines are billed `value` times what was agreed."""
    EGRESS_BLOCKED = "egress-blocked"
    """Nothing that a machine sends reaches the cloud."""
    SLOW_DESTROY = "slow-destroy"
    """The answer is 200 at once, and the machine is there, and billed, `value` seconds longer."""


_USUAL_VALUE = {Kind.LISTING_LAG: 90.0, Kind.GET_LAG: 30.0, Kind.SLOW_ANSWER: 60.0, Kind.SLOW_BOOT: 600.0}
_USUAL_VALUE |= {Kind.DOUBLE_BILLING: 2.0, Kind.SLOW_DESTROY: 120.0}

_OF_CREATES = {Kind.ANSWER_LOST, Kind.ERROR_AFTER, Kind.ERROR_BEFORE, Kind.GARBAGE, Kind.SLOW_ANSWER}
"""What these do to other verbs has to be asked for."""


@dataclass(slots=True)
class Fault:
    """One of them, switched on."""

    fault_id: str
    kind: Kind
    value: float = 0.0
    verb: str = ""
    """Only for this verb; empty: for all."""
    machine: str = ""
    """Only for the machine of this id or name, or for what this account asks."""
    calls: int | None = None
    """So often still."""
    until: float | None = None
    """In virtual time."""


class Faults:
    """Those that are switched on now."""

    def __init__(self, plain: list[dict[str, object]] | None = None) -> None:
        self._faults = [_read(each) for each in plain or []]
        self._last = max((int(fault.fault_id[1:]) for fault in self._faults), default=0)

    def add(self, asked: dict[str, object], now: float) -> Fault:
        """Raises `ValueError` or `TypeError` with a sentence when it makes no sense."""
        known = {"kind", "value", "verb", "machine", "calls", "seconds"}
        if strange := set(asked) - known:
            raise ValueError(f"a fault has no {', '.join(sorted(strange))}")
        kind = Kind(asked.get("kind"))
        seconds = asked.get("seconds")
        plain = {
            "fault_id": f"f{self._last + 1}",
            "kind": kind.value,
            "value": asked.get("value", _USUAL_VALUE.get(kind, 0.0)),
            "verb": asked.get("verb", "create" if kind in _OF_CREATES else ""),
            "machine": asked.get("machine", ""),
            "calls": asked.get("calls"),
            "until": None if seconds is None else now + _number(seconds),
        }
        fault = _read(plain)
        self._last += 1
        self._faults.append(fault)
        return fault

    def remove(self, fault_id: str | None) -> None:
        """One of them, or all."""
        self._faults = [fault for fault in self._faults if fault_id is not None and fault.fault_id != fault_id]

    def strikes(self, kind: Kind, now: float, *, verb: str = "", names: tuple[str, ...] = ()) -> Fault | None:
        """The fault of this kind that holds for this call, which is counted; `names`: id and name of the machine."""
        for fault in self._faults:
            if fault.kind is kind and self._holds(fault, now, verb, names):
                if fault.calls is not None:
                    fault.calls -= 1
                return fault
        return None

    def plain(self) -> list[dict[str, object]]:
        return [{**asdict(fault), "kind": fault.kind.value} for fault in self._faults]

    @staticmethod
    def _holds(fault: Fault, now: float, verb: str, names: tuple[str, ...]) -> bool:
        return (
            (fault.calls is None or fault.calls > 0)
            and (fault.until is None or now < fault.until)
            and (not fault.verb or fault.verb == verb)
            and (not fault.machine or fault.machine in names)
        )


def _read(plain: dict[str, object]) -> Fault:
    calls, until = plain.get("calls"), plain.get("until")
    return Fault(
        str(plain["fault_id"]),
        Kind(plain["kind"]),
        _number(plain.get("value", 0.0)),
        str(plain.get("verb", "")),
        str(plain.get("machine", "")),
        None if calls is None else int(_number(calls)),
        None if until is None else _number(until),
    )


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise ValueError(f"{value!r} is no number of seconds or calls")
    return float(value)
