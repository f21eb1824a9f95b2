"""What somebody means who asks for a GPU by name: `h100` is each H100, `4090` is the RTX 4090 and no other."""

from __future__ import annotations

from collections.abc import Iterable

from jupyter_gpu_bridge.gpus.catalogue import Model, groups
from jupyter_gpu_bridge.gpus.identified import Identified
from jupyter_gpu_bridge.gpus.identifying import identify


def titles_wanted(names: Iterable[str]) -> tuple[str, ...]:
    """The titles that offers may carry to meet one of these names; a name that is not known is left as it is."""
    return tuple(dict.fromkeys(title for name in names for title in _titles(identify(name))))


def models_wanted(names: Iterable[str]) -> tuple[Model, ...]:
    """The models that these names may mean."""
    return tuple(dict.fromkeys(model for name in names for model in identify(name).models))


def _titles(found: Identified) -> Iterable[str]:
    if found.slice or not found.is_known:
        return [found.title]
    # An offer whose variant is open fits as well, if whatever it may turn out to be would fit.
    open_ones = [title for title, some in groups().items() if set(some) <= set(found.models)]
    return [*(model.name for model in found.models), *open_ones]
