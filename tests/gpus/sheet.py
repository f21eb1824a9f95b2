"""The table that the catalogue was made from, read on its own, and the names that stand in it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_NAMED = re.compile(r"(Lambda|Modal|Akash|Paperspace|Replicate|io\.net|Colab) (.+)")
_ATTRIBUTE = re.compile(r"\d+Gi")


@dataclass(frozen=True)
class Row:
    cells: Mapping[str, str]

    @property
    def name(self) -> str:
        return self.cells["Canonical"]

    @property
    def gib(self) -> int:
        return int(self.cells["GB"])


@dataclass(frozen=True)
class Said:
    """What a provider calls a row, and what it says besides."""

    provider: str
    name: str
    row: str
    gib: int
    form: str | None = None
    is_open: bool = False
    """The sheet says so itself: the name may mean this row as well."""

    def __str__(self) -> str:
        return f"{self.provider}: {self.name} ({self.row})"


@cache
def rows() -> tuple[Row, ...]:
    lines = [
        line.strip().strip("|").split("|") for line in Path(__file__).with_name("sheet.md").read_text().split("\n")
    ]
    titles, _, *cells = [[cell.strip() for cell in line] for line in lines if len(line) > 1]
    return tuple(Row(dict(zip(titles, row, strict=True))) for row in cells)


@cache
def names() -> tuple[Said, ...]:
    return tuple(said for row in rows() for said in _names(row))


def _names(row: Row) -> Iterator[Said]:
    if row.cells["RunPod id"] != "—":
        yield Said("runpod", row.cells["RunPod id"], row.name, row.gib)
    for name in row.cells["Vast name"].split("; "):
        if name != "—":
            yield Said("vast", name, row.name, row.gib)
    for part in row.cells["Others"].split("; "):
        if found := _NAMED.match(part):
            yield from _others(found[1].lower().replace(".", ""), found[2], row)


def _others(provider: str, text: str, row: Row) -> Iterator[Said]:
    form = re.search(r"SXM\d?|PCIe", text)
    for name in re.findall("`([^`]+)`", text):
        if _ATTRIBUTE.fullmatch(name) or name == "amd":
            continue
        for each in [name.replace("*", count) for count in ("1", "2", "4")] if "gpu_*" in name else [name]:
            yield Said(
                provider, each.replace("-*", "-large"), row.name, row.gib, form[0] if form else None, "may give" in text
            )
