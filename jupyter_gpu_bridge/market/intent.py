"""What somebody wants, in a few words: `cheapest with 24 GB`, `fastest under $2`, `best value 2 x H100 in US`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from jupyter_gpu_bridge import durations, gpus
from jupyter_gpu_bridge.errors import BadRequest
from jupyter_gpu_bridge.model import Money, Need, Order, Ranking

EXAMPLES = "cheapest with 24 GB; fastest under $2; best value 2 x H100; RTX 4090 or A100, spot, at vast"

_MOST = 300
_LONGEST_NAME = 6
"""In words."""

_LEAST = r"(?:with\s+)?(?:>=|≥|at\s+least|min(?:imum)?|from|with)?\s*"
_NUMBER = r"(\d+(?:\.\d+)?)"
_SIZE = _LEAST + _NUMBER + r"\s*(tb|tib|gb|gib|g|mib|mb)\b\s*(?:of\s+)?"
_UP_TO = r"(?:under|below|less\s+than|at\s+most|<=?|≤|max(?:imum)?|up\s+to|for|within)\s*"
_FROM = r"(?:over|above|more\s+than|at\s+least|>=?|≥|from)\s*"
_DOLLARS = r"\$\s*" + _NUMBER + r"(?:\s*(?:/|per|an?)\s*h(?:our)?)?\b"
_KIND = r"(consumer|professional|data\s*cent(?:er|re))"
_MIB: Mapping[str, int] = {"t": 1024 * 1024, "g": 1024, "m": 1}

Change = Callable[[Any], dict[str, Any]]
"""What a match says of a need; `ranking` is said of the order."""


def _mib(match: re.Match[str]) -> int:
    return int(Decimal(match[1]) * _MIB[match[2][0].lower()])


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
    (_SIZE + r"(?:disk|storage)", lambda match: {"disk_gib": -(-_mib(match) // 1024)}),
    (_SIZE + r"(?:ram|host\s+memory|main\s+memory)", lambda match: {"memory_mib": _mib(match)}),
    (_SIZE + r"(?:gpu\s+memory|vram|memory|each)?", lambda match: {"gpu_memory_mib": _mib(match)}),
    (_LEAST + _NUMBER + r"\s*%\s*(?:reliable|reliability|uptime)", lambda match: {"reliability": _share(match)}),
    (_UP_TO + _DOLLARS, lambda match: {"max_price": Money.parse(match[1])}),
    (_FROM + _DOLLARS, lambda match: {"min_price": Money.parse(match[1])}),
    (r"score\s*(?:of\s+)?" + _LEAST + r"(\d+)", lambda match: {"score": int(match[1])}),
    (r"cuda\s*" + _LEAST + r"(\d+(?:\.\d+)?)", lambda match: {"cuda": match[1]}),
    (r"(?:compute\s+)?capability\s*" + _LEAST + r"(\d+\.\d+)", lambda match: {"compute_capability": match[1]}),
    (_LEAST + r"(\d+)\s*(?:cpus?|cores)\b", lambda match: {"cpus": int(match[1])}),
    (_LEAST + r"(\d+)\s*gpus?\b", lambda match: {"gpu_count": int(match[1])}),
    (r"(\d{1,2})\s*(?:x|×|\*)\s+(?=\S)", lambda match: {"gpu_count": int(match[1])}),
    (r"for\s+((?:\d+\s*[smhd]\s*)+)\b", lambda match: {"lasts": durations.parse(match[1])}),
    (r"(?:spot\s+only|only\s+spot)\b", _said(only_spot=True, allows_spot=True)),
    (r"(?:or\s+)?spot\b(?:\s+(?:allowed|ok))?", _said(allows_spot=True)),
    (r"(?:no\s+spot|on[\s-]demand)\b", _said(allows_spot=False, only_spot=False)),
    (r"verified\b", _said(must_be_verified=True)),
    (r"in\s+stock\b", _said(stock="medium")),
    (_KIND + r"\b(?:\s+(?:cards?|gpus?))?", lambda match: {"categories": (_category(match),)}),
    (r"in\s+([\w.-]*[\w])", lambda match: {"regions": (match[1],)}),
    (r"(?:at|on)\s+(?!most\b|least\b)([a-z][\w.-]*)", lambda match: {"providers": (match[1].lower(),)}),
    (r"(?:a|an|the|any|gpu|one|with|and|or|please|machine|,|;)(?=[\s,;]|$)", _said()),
)  # fmt: skip
_COMPILED = [(re.compile(pattern, re.IGNORECASE), change) for pattern, change in _PHRASES]


def understand(text: str, before: Order | None = None) -> Order:
    """The order that these words make, or change; names of GPUs may stand anywhere. Raises `BadRequest`."""
    if len(text) > _MOST:
        raise BadRequest("That is too much to say in a few words.", advice=f"For example: {EXAMPLES}.")
    order, said, names = before or Order(), dict[str, Any](), list[str]()
    rest = text.strip()
    while rest:
        name = _name(rest)
        match, change = _phrase(rest)
        if match is not None and change is not None and match.end() >= len(name):
            _take_in(said, change(match), match[0])
            rest = rest[match.end() :].lstrip(" ,;\t")
        elif name:
            found = gpus.identify(name)
            names.append(name if found.count == 1 else found.title)
            _take_in(said, {"gpu_count": found.count} if found.count > 1 else {}, name)
            rest = rest[len(name) :].lstrip(" ,;\t")
        else:
            raise _not_understood(rest)
    if names:
        said["gpus"] = tuple(dict.fromkeys(names))
    ranking = said.pop("ranking", order.ranking)
    return replace(order, need=replace(order.need, **said), ranking=ranking)


def _take_in(said: dict[str, Any], more: Mapping[str, Any], words: str) -> None:
    """Any of several places is what people mean; anything else cannot be two things. Raises `BadRequest`."""
    for name, value in more.items():
        if isinstance(value, tuple):
            said[name] = tuple(dict.fromkeys((*said.get(name, ()), *value)))
        elif said.setdefault(name, value) != value:
            raise BadRequest(
                f"{words.strip()!r} is not what was said before it.", advice="Say each thing once; see --help for more."
            )


def completed(need: Need) -> Need:
    """With the names that offers carry who meet it, and with what it says without saying so."""
    spot = need.allows_spot or need.only_spot or bool(need.offers)  # who names an offer takes it as it is
    return replace(need, gpu_titles=gpus.titles_wanted(need.gpus), allows_spot=spot)


def _phrase(rest: str) -> tuple[re.Match[str] | None, Change | None]:
    """The longest that begins here."""
    best: tuple[re.Match[str] | None, Change | None] = (None, None)
    for pattern, change in _COMPILED:
        match = pattern.match(rest)
        if match is not None and match.end() and (best[0] is None or match.end() > best[0].end()):
            best = (match, change)
    return best


def _name(rest: str) -> str:
    """The longest run of words here that is a GPU."""
    words = list(re.finditer(r"[^\s,;]+", rest))[:_LONGEST_NAME]
    for last in reversed(words):
        name = rest[: last.end()]
        if "," not in name and gpus.identify(name).is_known:
            return name
    return ""


def _not_understood(rest: str) -> BadRequest:
    word = re.split(r"[\s,;]", rest, maxsplit=1)[0]
    close = gpus.near(word)
    hint = f"Did you mean {' or '.join(close)}? " if close else ""
    return BadRequest(f"{word!r} is not understood.", advice=f"{hint}For example: {EXAMPLES}.")
