"""How names are taken apart: into whole words, a memory, a count and a slice. A beginning of a word is never enough."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass

from jupyter_gpu_bridge.gpus.catalogue import Model, models

LONGEST = 120
"""No name of a GPU is longer."""

_ANYWHERE = frozenset({"gpu", "graphics", "card", "vendor", "model", "ram", "interface", "gdr"})
"""`gdr` is said of the network: `h100_sxm5gdr` is an H100 like any other."""

_LINES = (
    (r"RTX PRO \d+", {"rtx", "nvidia", "blackwell"}),
    (r"RTX \d+( SFF)? Ada", {"rtx", "nvidia", "generation", "gen"}),
    (r"RTX A\d+", {"rtx", "nvidia", "quadro"}),
    (r"Quadro .+", {"quadro", "q", "nvidia"}),
    (r"TITAN .+", {"nvidia"}),
    (r"RTX .+", {"rtx", "geforce", "nvidia"}),
    (r"GTX .+", {"gtx", "geforce", "nvidia"}),
    (r"RX .+", {"rx", "radeon", "amd"}),
    (r"Radeon .+", {"radeon", "ai", "pro", "amd"}),
    (r"MI\d+\w", {"instinct", "amd"}),
    (r".+", {"tesla", "nvidia"}),
)
"""Lines of products, and the words of their names that may be left out or said besides."""

_SEPARATORS = re.compile(r"[\s_\-/,;()\[\]|]+")
_DROPPED = re.compile(r"[®™]|\((?:r|tm)\)")
_MEMORY = re.compile(r"(?<![a-z0-9.])([0-9]{1,7})\s*(gib|gb|gi|g|mib|mb)(?![a-z0-9])")
_PART = re.compile(r"(?<![a-z0-9])([0-9]g\.[0-9]{1,3}gb)(?![a-z0-9])")
_MIG = re.compile(r"(?<![a-z0-9])mig(?![a-z0-9])")

_COUNTED = (
    ("lambda", re.compile(r"(?:gpu|cpu)[_ ](?P<count>[1-9][0-9]{0,2})x[_ ](?P<rest>.+)", re.IGNORECASE)),
    ("replicate", re.compile(r"gpu-(?P<count>[1-9][0-9]{0,2})x-(?P<rest>.+)", re.IGNORECASE)),
    ("replicate", re.compile(r"(?P<rest>.+?)[-_ ](?P<count>[1-9][0-9]{0,2})x", re.IGNORECASE)),
    ("", re.compile(r"(?P<count>[1-9][0-9]{0,2})\s*[x×]\s*(?P<rest>.+)", re.IGNORECASE)),
    ("modal", re.compile(r"(?P<rest>.+):(?P<count>[1-9][0-9]{0,2})")),
    ("paperspace", re.compile(r"(?P<rest>.+?)\s*x(?P<count>[1-9][0-9]?)", re.IGNORECASE)),
)
"""Whose style it is: `gpu_8x_a100`, `gpu-2x-l40s`, `gpu-l40s-4x`, `8x A100`, `H100:8`, `A100-80Gx8`."""


@dataclass(frozen=True, slots=True)
class Counted:
    """A name for several GPUs at once."""

    rest: str
    count: int
    any_count: str
    """The same name with `*` for the count."""
    style: str
    """The provider that writes it so; empty: anybody."""


@dataclass(frozen=True, slots=True)
class Spelled:
    """A name, taken apart."""

    words: frozenset[str]
    memories: tuple[int, ...]
    """In MiB, each that it states."""
    memory_words: frozenset[str]
    slice: str
    """Of the card that the words name: `1g.24gb`, or its memory where no more is said."""
    slice_mib: int | None


@dataclass(frozen=True, slots=True)
class Signature:
    """The words that the name of a model must hold, and those that it may hold."""

    required: frozenset[str]
    allowed: frozenset[str]

    def covers(self, words: frozenset[str]) -> bool:
        """Every word counts: one too many is another model."""
        return self.required <= words <= self.allowed


@functools.cache
def signatures() -> tuple[tuple[Model, Signature], ...]:
    """Of all models."""
    return tuple((model, _signature(model)) for model in models())


def _signature(model: Model) -> Signature:
    said = frozenset(model.family.lower().split())
    besides = next(words for line, words in _LINES if re.fullmatch(line, model.family))
    return Signature(said - besides, said | besides | model.words | _ANYWHERE)


def counted(name: str) -> Counted | None:
    """None for the name of one GPU."""
    for style, pattern in _COUNTED:
        if found := pattern.fullmatch(name):
            start, end = found.span("count")
            return Counted(found["rest"].strip(), int(found["count"]), f"{name[:start]}*{name[end:]}", style)
    return None


def spelled(name: str) -> Spelled | None:
    """None for what is no name of a GPU at all."""
    text = _DROPPED.sub(" ", name.casefold())
    if len(text) > LONGEST:
        return None
    card, part, mib = _without_slice(text)
    memories = [_mib(found) for found in _MEMORY.finditer(card)]
    memory_words = frozenset(found[0] for found in _MEMORY.finditer(card))
    words = [piece for token in _SEPARATORS.split(_MEMORY.sub(" ", card)) if token for piece in _pieces(token)]
    return Spelled(_meant(frozenset(words)), tuple(memories), memory_words, part, mib) if words else None


def mib_of_part(part: str) -> int:
    """The memory of a slice: `1g.24gb`."""
    return int(part.partition(".")[2].removesuffix("gb")) * 1024


def _without_slice(text: str) -> tuple[str, str, int | None]:
    """The name of the card, and what is said of the slice of it."""
    if found := _PART.search(text):
        return _MIG.sub(" ", text[: found.start()] + text[found.end() :]), found[1], mib_of_part(found[1])
    if mig := _MIG.search(text):
        if memory := _MEMORY.search(text, mig.end()):
            card = text[: mig.start()] + text[mig.end() : memory.start()] + text[memory.end() :]
            return card, f"{_mib(memory) // 1024}GB", _mib(memory)
        return text, "", None  # no word of any card, so that it will not be known
    return text, "", None


def _mib(memory: re.Match[str]) -> int:
    return int(memory[1]) * (1 if memory[2].startswith("m") else 1024)


def _meant(words: frozenset[str]) -> frozenset[str]:
    """Words that mean something else in company."""
    if {"max", "q"} <= words:
        words = words - {"max", "q"} | {"maxq"}
    if "maxq" in words:
        words -= {"workstation"}
    if "s" in words:
        words = words - {"s"} | {"server" if "pro" in words else "super"}
    return words


def _pieces(token: str) -> tuple[str, ...]:
    """The words that are written together in a token; the token itself where it is not made of words only."""
    if token in _vocabulary() or len(token) > 40:
        return (token,)
    return next(_splits(token, 0), (token,))


def _splits(token: str, start: int) -> Iterator[tuple[str, ...]]:
    """The longest first; no number is cut in two."""
    if start == len(token):
        yield ()
        return
    for end in range(len(token), start, -1):
        cuts_number = end < len(token) and token[end - 1].isdigit() and token[end].isdigit()
        if not cuts_number and token[start:end] in _joinable():
            yield from ((token[start:end], *rest) for rest in _splits(token, end))


@functools.cache
def _vocabulary() -> frozenset[str]:
    return frozenset({"s", "max"}.union(*(each.allowed for _, each in signatures())))


@functools.cache
def _joinable() -> frozenset[str]:
    return frozenset(word for word in _vocabulary() if len(word) > 1 or word in "sdv")
