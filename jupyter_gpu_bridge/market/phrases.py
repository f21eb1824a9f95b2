"""What people say of a machine, phrase by phrase, as they spell it, and what each means."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from jupyter_gpu_bridge.errors import BadRequest
from jupyter_gpu_bridge.model import Money, Ranking

Change = Callable[[Any], dict[str, Any]]
"""What a match says of a need; `ranking` and `deadline` are said of the order."""

COUNTS: Mapping[str, int] = {
    "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "ten": 10,
}  # fmt: skip

_LEAST = r"(?:with\s+)?(?:>=|≥|at\s+least|min(?:imum)?|from|with)?\s*"
_MORE = r"(?:with\s+)?(?:over|above|(?:more|larger)\s+than|>(?!=))\s*"
_OR_MORE = r"(?:\s*\+|\s+(?:or|and)\s+(?:more|above|over|up|larger|bigger)\b)?"
_NUMBER = r"(\d+(?:\.\d+)?)"
_COUNT = rf"(\d+|{'|'.join(COUNTS)})"
_BYTES = _NUMBER + r"\s*\+?\s*(tb|tib|gb|gib|g|mib|mb)\b" + _OR_MORE + r"\s*(?:of\s+)?"
_DISK = r"(?:disk|storage)" + _OR_MORE
_RAM = r"(?:ram|host\s+memory|main\s+memory)" + _OR_MORE
_GPU_MEMORY = r"(?:(?:gpu\s+memory|vram|memory|each)" + _OR_MORE + ")?"

_UP_TO = r"(?:under|below|(?:less|cheaper)\s+than|at\s+most|<=?|≤|max(?:imum)?|up\s+to|for|within)\s*"
_FROM = r"(?:over|above|more\s+than|at\s+least|>=?|≥|from)\s*"
_SUM = r"(\d+(?:\.\d+)?|\.\d+)"
_AN_HOUR = r"(?:\s*(?:/|per|an?)\s*h(?:(?:ou)?r)?\b|\s+hourly\b)?"
_DOLLARS = rf"(?:\$\s*{_SUM}|{_SUM}\s*(?:\$|dollars?\b|usd\b)){_AN_HOUR}(?!\w)"

_UNIT = r"(w(?:eeks?)?|d(?:ays?)?|h(?:(?:ou)?rs?)?|m(?:in(?:ute)?s?)?|s(?:ec(?:ond)?s?)?)(?![a-z])"
_TIME = rf"(\d+(?:\.\d+)?|an?\b|{'|'.join(COUNTS)})\s*{_UNIT}"
_TIMES = re.compile(_TIME, re.IGNORECASE)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}

_KIND = r"(consumer|professional|data\s*cent(?:er|re))"
_MIB: Mapping[str, int] = {"t": 1024 * 1024, "g": 1024, "m": 1}


def _mib(match: re.Match[str]) -> int:
    return int(Decimal(match[1]) * _MIB[match[2][0].lower()])


def _gib(match: re.Match[str]) -> int:
    return -(-_mib(match) // 1024)


def _gib_above(match: re.Match[str]) -> int:
    """Nothing is sold in between."""
    return _mib(match) // 1024 + 1


def _dollars(match: re.Match[str]) -> Money:
    return Money.parse(match[1] or match[2])


def count(said: str) -> int:
    """Of a word of `COUNTS`, or of digits."""
    return COUNTS.get(said.lower()) or int(said)


def _for_so_long(match: re.Match[str]) -> dict[str, Any]:
    """It can be had for as long, and where it is ordered, it ends then. Raises `BadRequest`."""
    seconds = Decimal(0)
    for said, unit in _TIMES.findall(match[1]):
        number = 1 if said.lower() in ("a", "an") else COUNTS.get(said.lower(), said)
        seconds += Decimal(number) * _SECONDS[unit[0].lower()]
    try:
        time = timedelta(seconds=float(seconds))
    except OverflowError:
        raise BadRequest(f"{match[0].strip()!r} is longer than anything lasts.") from None
    return {"lasts": time, "deadline": time}


def _share(match: re.Match[str]) -> Decimal:
    return Decimal(match[1]) / 100


def _category(match: re.Match[str]) -> str:
    return "datacenter" if match[1].lower().startswith("data") else match[1].lower()


def _rank(ranking: Ranking) -> Change:
    return lambda match: {"ranking": ranking}


def _said(**what: Any) -> Change:
    return lambda match: what


_PHRASES: Sequence[tuple[str, Change]] = (
    (r"(?:cheapest|most)\s+(?:gpu\s+)?(?:vram|memory)(?:\s+per\s+dollar)?", _rank(Ranking.MEMORY)),
    (r"(?:the\s+)?(?:cheapest|lowest\s+price|cheap)", _rank(Ranking.PRICE)),
    (r"(?:the\s+)?(?:fastest|most\s+powerful|best\s+performance|strongest)", _rank(Ranking.PERFORMANCE)),
    (r"(?:the\s+)?best(?:\s+value)?(?:\s+for\s+money)?", _rank(Ranking.VALUE)),
    (r"(?:the\s+)?(?:most\s+reliable|safest)", _rank(Ranking.RELIABILITY)),
    (r"(?:the\s+)?(?:soonest|quickest(?:\s+to\s+start)?)", _rank(Ranking.BOOT)),
    (_LEAST + _BYTES + _DISK, lambda match: {"disk_gib": _gib(match)}),
    (_LEAST + _BYTES + _RAM, lambda match: {"memory_mib": _mib(match)}),
    (_LEAST + _BYTES + _GPU_MEMORY, lambda match: {"gpu_memory_mib": _mib(match)}),
    (_MORE + _BYTES + _DISK, lambda match: {"disk_gib": _gib_above(match)}),
    (_MORE + _BYTES + _RAM, lambda match: {"memory_mib": _gib_above(match) * 1024}),
    (_MORE + _BYTES + _GPU_MEMORY, lambda match: {"gpu_memory_mib": _gib_above(match) * 1024}),
    (_LEAST + _NUMBER + r"\s*%\s*(?:reliable|reliability|uptime)", lambda match: {"reliability": _share(match)}),
    (_UP_TO + _DOLLARS, lambda match: {"max_price": _dollars(match)}),
    (_DOLLARS + r"\s+(?:or\s+(?:less|under|below)|at\s+most|max)\b", lambda match: {"max_price": _dollars(match)}),
    (_FROM + _DOLLARS, lambda match: {"min_price": _dollars(match)}),
    (r"score\s*(?:of\s+)?" + _LEAST + r"(\d+)", lambda match: {"score": int(match[1])}),
    (r"cuda\s*" + _LEAST + r"(\d+(?:\.\d+)?)", lambda match: {"cuda": match[1]}),
    (r"(?:compute\s+)?capability\s*" + _LEAST + r"(\d+\.\d+)", lambda match: {"compute_capability": match[1]}),
    (_LEAST + r"(\d+)\s*(?:cpus?|cores)\b", lambda match: {"cpus": int(match[1])}),
    (_LEAST + _COUNT + r"\s*gpus?\b", lambda match: {"gpu_count": count(match[1])}),
    (r"(\d{1,2})\s*(?:x|×|\*)\s+(?=\S)", lambda match: {"gpu_count": int(match[1])}),
    (rf"for\s+((?:{_TIME}[\s,]*(?:and\s+)?)*{_TIME})", _for_so_long),
    (r"(?:spot\s+only|only\s+spot)\b", _said(only_spot=True, allows_spot=True)),
    (r"(?:or\s+)?spot\b(?:\s+(?:allowed|ok))?", _said(allows_spot=True)),
    (r"(?:(?:no|not|non|without)[\s-]+spot|on[\s-]demand)\b", _said(allows_spot=False, only_spot=False)),
    (r"verified\b", _said(must_be_verified=True)),
    (r"in\s+stock\b", _said(stock="medium")),
    (_KIND + r"\b(?:\s+(?:cards?|gpus?))?", lambda match: {"categories": (_category(match),)}),
    (r"in\s+([\w.-]*[\w])", lambda match: {"regions": (match[1],)}),
    (r"(?:at|on)\s+(?!most\b|least\b)([a-z][\w.-]*)", lambda match: {"providers": (match[1].lower(),)}),
    (r"(?:a|an|the|any|gpu|one|with|and|or|please|machine|,|;)(?=[\s,;]|$)", _said()),
)  # fmt: skip
_COMPILED = [(re.compile(pattern, re.IGNORECASE), change) for pattern, change in _PHRASES]


def phrase(rest: str) -> tuple[re.Match[str] | None, Change | None]:
    """The longest that begins here."""
    best: tuple[re.Match[str] | None, Change | None] = (None, None)
    for pattern, change in _COMPILED:
        match = pattern.match(rest)
        if match is not None and match.end() and (best[0] is None or match.end() > best[0].end()):
            best = (match, change)
    return best
