"""What somebody wants, in a few words: `cheapest with 24 GB`, `fastest under $2`, `two H100s in New York`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from jupyter_gpu_bridge import gpus
from jupyter_gpu_bridge.errors import BadRequest
from jupyter_gpu_bridge.market.phrases import COUNTS, count, phrase
from jupyter_gpu_bridge.model import Need, Order

EXAMPLES = "cheapest with 24 GB; fastest under $2; best value 2 x H100; RTX 4090 or A100, spot, at vast"

_MOST = 300
_LONGEST_NAME = 6
"""In words."""

_SO_MANY = re.compile(rf"(\d{{1,2}}|{'|'.join(COUNTS)})\s+(?=\S)", re.IGNORECASE)
_WORD = re.compile(r"[ \t]+([\w.-]*\w)(?![^\s,;])")
_CAPITALISED = re.compile(r"[A-Z][a-z]+")
_NO_PLACE_ALONE = frozenset({
    "new", "north", "south", "east", "west", "central", "united", "great", "hong", "san", "santa", "los", "las", "el",
    "saint", "st", "saudi", "costa", "puerto", "tel",
})  # fmt: skip


def understand(text: str, before: Order | None = None) -> Order:
    """The order that these words make, or change; names of GPUs may stand anywhere. Raises `BadRequest`."""
    if len(text) > _MOST:
        raise BadRequest("That is too much to say in a few words.", advice=f"For example: {EXAMPLES}.")
    order, said, names = before or Order(), dict[str, Any](), list[str]()
    rest = text.strip()
    while rest:
        words, name, several = _name(rest)
        match, change = phrase(rest)
        if match is not None and change is not None and match.end() >= len(words):
            what, end = change(match), match.end()
            if "regions" in what:
                place, end = _place(rest, match)
                what = {"regions": (place,)}
            _take_in(said, what, rest[:end])
            rest = rest[end:].lstrip(" ,;\t")
        elif words:
            found = gpus.identify(name)
            names.append(name if found.count == 1 else found.title)
            several = found.count if found.count > 1 else several
            _take_in(said, {"gpu_count": several} if several else {}, words)
            rest = rest[len(words) :].lstrip(" ,;\t")
        else:
            raise _not_understood(rest)
    if names:
        said["gpus"] = tuple(dict.fromkeys(names))
    of_order = {each: said.pop(each) for each in ("ranking", "deadline") if each in said}
    return replace(order, need=replace(order.need, **said), **of_order)


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


def _name(rest: str) -> tuple[str, str, int]:
    """The longest run of words here that is a GPU, its name, and how many of them, 0 if that is not said."""
    if name := _single(rest):
        return name, _known(name), 0
    if (many := _SO_MANY.match(rest)) is not None and (name := _single(rest[many.end() :])):
        return rest[: many.end()] + name, _known(name), count(many[1])
    return "", "", 0


def _single(rest: str) -> str:
    words = list(re.finditer(r"[^\s,;]+", rest))[:_LONGEST_NAME]
    for last in reversed(words):
        name = rest[: last.end()]
        if "," not in name and _known(name):
            return name
    return ""


def _known(name: str) -> str:
    """As it is known, also where several are said: `H100s`; but `4080s` is a model of its own."""
    for each in (name, name[:-1]) if name[-1:] in ("s", "S") else (name,):
        if gpus.identify(each).is_known:
            return each
    return ""


def _place(rest: str, match: re.Match[str]) -> tuple[str, int]:
    """The whole name of a place, `New York`, and where it ends: no part of it says anything else."""
    end, last = match.end(), match[1]
    while (word := _WORD.match(rest, end)) is not None:
        goes_on = last.lower() in _NO_PLACE_ALONE or (_CAPITALISED.fullmatch(last) and _CAPITALISED.fullmatch(word[1]))
        if not goes_on or _says_something(rest[word.start(1) :]):
            break
        end, last = word.end(), word[1]
    return " ".join(rest[match.start(1) : end].split()), end


def _says_something(rest: str) -> bool:
    return phrase(rest)[0] is not None or bool(_name(rest)[0])


def _not_understood(rest: str) -> BadRequest:
    word = re.split(r"[\s,;]", rest, maxsplit=1)[0]
    close = gpus.near(word)
    hint = f"Did you mean {' or '.join(close)}? " if close else ""
    if word.lower() == "for":
        hint = "How long it may run is said as `for 2 days`, or by --for 2d. "
    return BadRequest(f"{word!r} is not understood.", advice=f"{hint}For example: {EXAMPLES}.")
