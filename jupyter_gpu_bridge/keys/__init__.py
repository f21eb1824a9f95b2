"""The ground: the keys of accounts, where they are looked for, and where they are kept."""

from __future__ import annotations

from jupyter_gpu_bridge.keys.environment import variable_of, with_withdrawn, withdraw, without_keys
from jupyter_gpu_bridge.keys.finding import Held, Trouble, find, held, is_stored, needed
from jupyter_gpu_bridge.keys.in_use import KeyInUse
from jupyter_gpu_bridge.keys.key import MOST_CHARACTERS, Key, Source, SourceKind
from jupyter_gpu_bridge.keys.known import GROUP, LAMBDA, RUNPOD, VAST, names, place_of, places, variables
from jupyter_gpu_bridge.keys.place import KeyPlace
from jupyter_gpu_bridge.keys.storing import Removed, Stored, put, remove

__all__ = [
    "GROUP",
    "LAMBDA",
    "MOST_CHARACTERS",
    "RUNPOD",
    "VAST",
    "Held",
    "Key",
    "KeyInUse",
    "KeyPlace",
    "Removed",
    "Source",
    "SourceKind",
    "Stored",
    "Trouble",
    "find",
    "held",
    "is_stored",
    "names",
    "needed",
    "place_of",
    "places",
    "put",
    "remove",
    "variable_of",
    "variables",
    "with_withdrawn",
    "withdraw",
    "without_keys",
]
