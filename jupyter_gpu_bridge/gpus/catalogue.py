"""The catalogue itself: `models.csv` has what is known of each model, `names.csv` what each provider calls it.

Both are read when something is asked for the first time.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from jupyter_gpu_bridge.gpus.score import Figures

_FOLDER = Path(__file__).parent

_TOLERANCE = 0.07
"""Of a size: drivers keep some memory, and some say GB where others say GiB."""

_WHOLE = 0.8
"""Of a size: error correction takes some of it, but who has less than that has a part of a card."""


class Category(Enum):
    """What a model was made for, not where it stands."""

    CONSUMER = "consumer"
    PROFESSIONAL = "professional"
    DATACENTER = "datacenter"


class Units(Enum):
    """What the TFLOPS of a model are of."""

    MATRIX = "matrix"
    VECTOR = "vector"
    """FP16 without matrix units."""
    FP32 = "fp32"
    """It has no FP16 worth the name; FP32 stands in."""


@dataclass(frozen=True, slots=True)
class Model:
    """One GPU, apart from all others that are sold under similar names."""

    name: str
    """The title for people, and what an offer carries whoever sells it."""
    family: str
    """The name without the variant: `A100`."""
    gib: int
    category: Category
    architecture: str
    capability: str
    """CUDA's compute capability, or the gfx name of an AMD GPU."""
    tflops: float
    units: Units
    bandwidth: int
    has_fp8: bool
    has_arm_host: bool
    """A superchip: images and wheels for x86 do not start there."""
    devices: int
    """How many GPUs a program sees in one of these, each with its part of memory and figures."""
    other_gib: tuple[int, ...]
    """It is also sold with so much memory, and is no slower."""
    slower_gib: tuple[int, ...]
    """It is also sold with so much memory, and is slower: how fast is not known."""
    words: frozenset[str]
    """What its name may hold besides the name of its family."""
    note: str

    @property
    def figures(self) -> Figures:
        return Figures(self.tflops, self.bandwidth)

    @property
    def variant(self) -> str:
        """The form that tells it from others of its family: `SXM`; empty where there is none."""
        return self.name.removeprefix(self.family).replace(f" {self.gib}GB", "").strip()

    @property
    def is_named_by_memory(self) -> bool:
        return f" {self.gib}GB" in self.name

    @property
    def needs(self) -> str:
        """What this GPU asks of software, where that is not the usual."""
        if self.capability.startswith("gfx"):
            return ""
        if self.capability == "12.0":
            return "needs CUDA 12.8 or later"
        return "older toolkit only" if float(self.capability) <= 7.0 else ""

    @property
    def sizes(self) -> frozenset[int]:
        """In MiB, all in which a program may see it."""
        several = (self.gib, *self.other_gib, *self.slower_gib, self.gib // self.devices)
        return frozenset(gib * 1024 for gib in several)

    @property
    def most_gib(self) -> int:
        """The largest size in which it is sold."""
        return max((self.gib, *self.other_gib, *self.slower_gib))

    def size_of(self, mib: int) -> int | None:
        """The size that a report of so many MiB must mean; else none."""
        nearest = min(self.sizes, key=lambda size: abs(size - mib))
        return nearest if abs(nearest - mib) <= _TOLERANCE * nearest else None

    def may_have(self, mib: int) -> bool:
        """Whether a report of so many MiB is of a whole one, though perhaps not of all its memory."""
        return any(_WHOLE * size <= mib <= (1 + _TOLERANCE) * size for size in self.sizes)

    def figures_with(self, mib: int | None) -> Figures | None:
        """Of one with so much memory; none when that is less than it has: a part of one, or a slower one."""
        if mib is None or mib >= _WHOLE * self.gib * 1024 or mib in {gib * 1024 for gib in self.other_gib}:
            return self.figures
        if mib == self.gib * 1024 // self.devices:
            return Figures(self.tflops / self.devices, self.bandwidth / self.devices)
        return None


@dataclass(frozen=True, slots=True)
class Alias:
    """What a provider calls something."""

    provider: str
    name: str
    models: tuple[Model, ...]
    """Several: only memory or form tell which; none: it has no GPU."""
    slice: str
    """The part of it that is sold."""
    note: str


@functools.cache
def models() -> tuple[Model, ...]:
    """All that are known."""
    return tuple(_model(row) for row in _rows("models.csv"))


@functools.cache
def aliases() -> Mapping[str, Mapping[str, Alias]]:
    """By provider, then by `folded` name."""
    known = {model.name: model for model in models()}
    found: dict[str, dict[str, Alias]] = {}
    for row in _rows("names.csv"):
        provider, name = row["provider"], row["name"]
        card, _, part = row["model"].partition(" MIG ")
        before = found.setdefault(provider, {}).get(folded(name))
        several = (*(before.models if before else ()), *([known[card]] if card else []))
        found[provider][folded(name)] = Alias(provider, name, several, part, row["note"])
    return found


@functools.cache
def groups() -> Mapping[str, tuple[Model, ...]]:
    """By its title, each set of models of a family that a name without memory or form leaves open."""
    found: dict[str, tuple[Model, ...]] = {}
    for family in dict.fromkeys(model.family for model in models()):
        members = [model for model in models() if model.family == family]
        for gib in (None, *{model.gib for model in members}):
            for variant in (None, *{model.variant for model in members}):
                some = tuple(m for m in members if gib in (None, m.gib) and variant in (None, m.variant))
                if len(some) > 1:
                    found[title_of(some)] = some
    return found


def title_of(some: Sequence[Model]) -> str:
    """Of one model its name; of several of a family what they have in common."""
    if len(some) == 1:
        return some[0].name
    family, sizes, variants = some[0].family, {model.gib for model in some}, {model.variant for model in some}
    sold = {model.gib for model in models() if model.family == family}
    parts = [family]
    if len(sizes) == 1 and len(sold) > 1:
        parts.append(f"{sizes.pop()}GB")
    if len(variants) == 1 and "" not in variants:
        parts.append(variants.pop())
    return " ".join(parts)


def folded(name: str) -> str:
    """The same for spellings that differ in case and in what separates words."""
    return " ".join(name.casefold().replace("_", " ").replace("-", " ").split())


def _rows(file: str) -> Iterator[dict[str, str]]:
    import csv

    with (_FOLDER / file).open(encoding="utf-8", newline="") as lines:
        yield from csv.DictReader(lines)


def _model(row: Mapping[str, str]) -> Model:
    others = row["other_gib"].split()
    return Model(
        name=row["name"],
        family=row["family"],
        gib=int(row["gib"]),
        category=Category(row["category"]),
        architecture=row["architecture"],
        capability=row["capability"],
        tflops=float(row["tflops"]),
        units=Units(row["units"]),
        bandwidth=int(row["bandwidth"]),
        has_fp8=row["fp8"] == "yes",
        has_arm_host=row["arm_host"] == "yes",
        devices=int(row["devices"]),
        other_gib=_sizes(each for each in others if not each.endswith("-")),
        slower_gib=_sizes(each[:-1] for each in others if each.endswith("-")),
        words=frozenset(row["words"].split()),
        note=row["note"],
    )


def _sizes(texts: Iterable[str]) -> tuple[int, ...]:
    return tuple(int(text) for text in texts)
