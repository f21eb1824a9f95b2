"""What a name is taken for, and by whom: for people who wonder what they are about to rent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jupyter_gpu_bridge.gpus.catalogue import aliases, groups, models
from jupyter_gpu_bridge.gpus.identified import Identified
from jupyter_gpu_bridge.gpus.identifying import identify, in_words_of

_MOST_NEAR = 4
_NEARNESS = 0.6


@dataclass(frozen=True, slots=True)
class Explained:
    """A name, in everybody's words and in those of each provider that has it."""

    found: Identified
    by_provider: Sequence[tuple[str, Identified]]
    near: Sequence[str]
    """Titles that look like it, where nobody knows it."""


def explain(name: str) -> Explained:
    found = identify(name)
    theirs = [
        (provider, identify(name, provider=provider))
        for provider in aliases()
        if in_words_of(provider, name) is not None
    ]
    return Explained(found, theirs, () if found.is_known or theirs else near(name))


def near(name: str) -> Sequence[str]:
    """Titles that look like a name, the most similar first."""
    import difflib

    titles = {title.casefold(): title for title in (*(model.name for model in models()), *groups())}
    plain = " ".join(name.casefold().replace("nvidia", "").replace("geforce", "").split())
    spellings = {spelling: title for text, title in titles.items() for spelling in (text, text.replace("rtx ", ""))}
    close = difflib.get_close_matches(plain, spellings, n=_MOST_NEAR * 2, cutoff=_NEARNESS)
    return list(dict.fromkeys(spellings[text] for text in close))[:_MOST_NEAR]
