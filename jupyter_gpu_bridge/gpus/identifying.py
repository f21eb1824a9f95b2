"""From any name of a GPU to the model that it must mean; what is not certain stays open, and nothing is guessed."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Sequence

from jupyter_gpu_bridge.gpus.catalogue import Alias, Model, aliases, folded, title_of
from jupyter_gpu_bridge.gpus.identified import Identified, Meaning
from jupyter_gpu_bridge.gpus.spelling import LONGEST, Counted, Spelled, counted, mib_of_part, signatures, spelled
from jupyter_gpu_bridge.gpus.unknown import unknown_names

_COMMAS = re.compile(r"[,\[\]]+")

_REMEMBERED = 4096


def identify(
    name: str, *, memory_mib: int | None = None, form_factor: str | None = None, provider: str | None = None
) -> Identified:
    """What this name means, in the words of that provider if it says which, otherwise in everybody's.

    `memory_mib`: of each GPU, as reported; it decides between variants. `form_factor`: `SXM4`, `pcie`. A name that a
    provider says and nobody knows is counted in `unknown_names`.
    """
    return identify_first((name,), memory_mib=memory_mib, form_factor=form_factor, provider=provider)


def identify_first(
    names: Sequence[str], *, memory_mib: int | None = None, form_factor: str | None = None, provider: str | None = None
) -> Identified:
    """Of several names of one thing the first that is known, otherwise the last: only then is anything unknown."""
    mib = memory_mib if memory_mib is not None and memory_mib > 0 else None
    form = (form_factor or "").strip().casefold() or None
    seller = None if provider is None else provider.casefold()
    for name in names:
        if len(name) <= LONGEST and ((found := _identify(name, mib, form, seller)).is_known or not found.count):
            return found
    last = names[-1]
    if seller is not None and last.strip():
        unknown_names.met(last, seller)
    if len(last) <= LONGEST:
        return _identify(last, mib, form, seller)
    return Identified(last, last, memory_mib=mib, reported_mib=mib)


def identify_each(names: str | Iterable[str], *, provider: str | None = None) -> Sequence[Identified]:
    """Of a list any of which will do, also one in a single text: `H100:8, A100-80GB:8`."""
    texts = _COMMAS.split(names) if isinstance(names, str) else names
    stripped = (text.strip(" \t\n'\"") for text in texts)
    return [identify(text, provider=provider) for text in stripped if text]


def in_words_of(provider: str, name: str) -> Alias | None:
    """What a provider means by exactly this name, with whatever count it writes into it."""
    provider = provider.casefold()
    found = aliases().get(provider, {})
    several = counted(" ".join(name.split()))
    tried = [name, several.any_count] if several else [name]
    if several and several.style in ("", provider):
        tried.append(several.rest)
    return next((found[folded(each)] for each in tried if folded(each) in found), None)


@functools.lru_cache(_REMEMBERED)
def _identify(name: str, mib: int | None, form: str | None, provider: str | None) -> Identified:
    said = " ".join(name.split())
    several = counted(said)
    for with_form in dict.fromkeys([form, None]):
        for meaning, count in _meanings(said, several, provider, with_form):
            left = _left(meaning, mib, with_form)
            if left or not meaning.has_gpu:
                return _answer(meaning, left, name, count, mib)
    return Identified(name, name, (), several.count if several else 1, mib, mib)


def _meanings(
    said: str, several: Counted | None, provider: str | None, form: str | None
) -> Iterator[tuple[Meaning, int]]:
    """All that it might mean, the surest first: the provider's own word, everybody's words, any provider's own word."""
    count = several.count if several else 1
    if provider is not None and (alias := in_words_of(provider, said)) is not None:
        everything = frozenset(word for model in alias.models for word in model.family.lower().split())
        yield _by_alias(alias, everything), count
    for text, times in [(said, 1), *([(several.rest, count)] if several else [])]:
        if (meaning := _by_words(text, form)) is not None:
            yield meaning, times
    if provider is None and (meaning := _by_any_alias(said)) is not None:
        yield meaning, count


def _by_words(text: str, form: str | None) -> Meaning | None:
    parts = spelled(text)
    if parts is None:
        return None
    words = parts.words | {form} if form else parts.words
    fitting = tuple(model for model, each in signatures() if each.covers(words) and _allows(model, parts))
    if len({model.family for model in fitting}) != 1:
        return None
    fitting = tuple(model for model in fitting if _is_sold_with(model, parts)) or fitting
    if parts.slice:
        return Meaning(fitting, parts.words, parts.slice_mib, parts.slice)
    is_memory = not any(parts.memory_words <= model.words for model in fitting)
    return Meaning(fitting, parts.words, parts.memories[0] if parts.memories and is_memory else None)


def _by_alias(alias: Alias, words: frozenset[str]) -> Meaning:
    mib = mib_of_part(alias.slice) if alias.slice else None
    return Meaning(alias.models, words, mib, alias.slice, alias.note, has_gpu=bool(alias.models))


def _by_any_alias(said: str) -> Meaning | None:
    """A name that only providers use, where all that do mean the same."""
    found = [alias for provider in aliases() if (alias := in_words_of(provider, said)) is not None and alias.models]
    if len({(alias.models, alias.slice) for alias in found}) != 1:
        return None
    parts = spelled(said)
    return _by_alias(found[0], frozenset() if parts is None else parts.words)


def _allows(model: Model, parts: Spelled) -> bool:
    """Whether the name of this model may state that memory."""
    may_be_changed = len(parts.memories) == 1 and not model.is_named_by_memory and _is_whole(model, parts.words)
    return _is_sold_with(model, parts) or may_be_changed


def _is_sold_with(model: Model, parts: Spelled) -> bool:
    return parts.memory_words <= model.words or all(model.size_of(mib) is not None for mib in parts.memories)


def _left(meaning: Meaning, mib: int | None, form: str | None) -> tuple[Model, ...]:
    """Those that memory and form leave; none: it must be something else."""
    some = tuple(model for model in meaning.models if form is None or form in model.words)
    said = mib or meaning.mib
    if said is None or meaning.slice:
        return some
    sold = tuple(model for model in some if model.size_of(said) is not None)
    return sold or tuple(
        model
        for model in some
        if not model.is_named_by_memory and (model.may_have(said) or _is_whole(model, meaning.words))
    )


def _is_whole(model: Model, words: frozenset[str]) -> bool:
    """Whether nothing of its name is left out: memory that does not fit is then of a changed card, not of another."""
    return words.issuperset(model.family.lower().split())


def _answer(meaning: Meaning, some: tuple[Model, ...], name: str, count: int, mib: int | None) -> Identified:
    if not meaning.has_gpu:
        return Identified(name, "", count=0, note=meaning.note)
    title, said = title_of(some), mib or meaning.mib
    if meaning.slice:
        whole = f"{title} MIG {meaning.slice}"
        return Identified(name, whole, some, count, meaning.mib or mib, said, meaning.slice, meaning.note)
    return Identified(name, title, some, count, _size(some, said), said, note=meaning.note)


def _size(some: Sequence[Model], said: int | None) -> int | None:
    if said is None:
        sizes = {mib for model in some for mib in model.sizes}
        return sizes.pop() if len(sizes) == 1 else None
    return some[0].size_of(said) or said
