"""What a name of a GPU was taken for, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass

from jupyter_gpu_bridge.gpus.catalogue import Model
from jupyter_gpu_bridge.gpus.score import Figures


@dataclass(frozen=True, slots=True)
class Identified:
    """What a name was taken for."""

    name: str
    """As it was said."""
    title: str
    """For people and for offers: of the model, of what its variants have in common, or the name as it was said."""
    models: tuple[Model, ...] = ()
    """All that it may be; none: it is not known, or there is no GPU."""
    count: int = 1
    """How many GPUs the name stands for; 0: the machine has none."""
    memory_mib: int | None = None
    """Of each: the size in which the model is sold, where there is one so near, otherwise what was said."""
    reported_mib: int | None = None
    """As it was said."""
    slice: str = ""
    """The part of the card that this is: `1g.24gb`."""
    note: str = ""
    """What its provider means by the name."""

    @property
    def is_known(self) -> bool:
        return bool(self.models)

    @property
    def model(self) -> Model | None:
        """None where it is not known, where its variant is not, and for a slice, which is no whole card."""
        return self.models[0] if len(self.models) == 1 and not self.slice else None

    @property
    def variant_is_unknown(self) -> bool:
        return len(self.models) > 1

    @property
    def has_arm_host(self) -> bool:
        """Images and wheels for x86 do not start there."""
        return any(model.has_arm_host for model in self.models)

    @property
    def figures(self) -> Figures | None:
        """The lowest of all that it may be; none for a slice, and for what has less memory than the model."""
        several = [] if self.slice else [model.figures_with(self.memory_mib) for model in self.models]
        known = [figures for figures in several if figures is not None]
        if not known or len(known) < len(several):
            return None
        return Figures(min(each.tflops for each in known), min(each.bandwidth for each in known))


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a name might mean, before memory and form have had their say."""

    models: tuple[Model, ...]
    words: frozenset[str]
    """Of the name."""
    mib: int | None = None
    """That the name itself states; of a slice, its own."""
    slice: str = ""
    note: str = ""
    has_gpu: bool = True
