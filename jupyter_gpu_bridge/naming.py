"""The ground: names that users give to things, and what to say when a name is wrong."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from jupyter_gpu_bridge.errors import BadRequest

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
"""Also a part of a kernelspec's name, which Jupyter looks up in lower case."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


PROVISIONER = "gpu-bridge"
"""The entry point that our kernelspecs name; also the first half of a kernelspec's own name."""

MACHINE_PREFIX = f"{PROVISIONER}-"
"""How the names of all machines begin that were rented by any installation of ours."""


CHANGED = "https://schemas.jupyter-gpu-bridge.dev/machines/v1"
"""The event that hints to a page that machines or rentals are not what they were."""
NOTICE = "https://schemas.jupyter-gpu-bridge.dev/notices/v1"
"""The event by which a page is told what nothing else on it says."""


def kernel_name(profile: str) -> str:
    """The name of a profile's kernelspec, which notebooks remember."""
    return f"{PROVISIONER}-{profile}"


def profile_name(kernel: str) -> str:
    """The profile that the kernelspec of this name is."""
    return kernel.removeprefix(f"{PROVISIONER}-")


def check_name(name: str, kind: str) -> str:
    """The name itself; raises `BadRequest` when it cannot be the name of a `kind`."""
    if not _NAME.fullmatch(name):
        raise BadRequest(
            f"{name!r} cannot be the name of a {kind}.",
            advice="Use up to 63 lower-case letters, digits, dots, dashes and underscores, a letter or digit first.",
        )
    return name


def check_text(text: str, what: str) -> str:
    """The text itself; raises `BadRequest` when it is empty or holds what no path or title holds."""
    if not text.strip() or _CONTROL.search(text):
        raise BadRequest(f"The {what} {text!r} is empty or holds control characters.", advice="Give another one.")
    return text


def nearest(name: str, known: Iterable[str]) -> str:
    """Advice for somebody who wrote a name that is not known: the nearest right one, else all there are."""
    names = sorted(set(known))
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if close:
        return f"Did you mean {close[0]!r}?"
    return f"Known: {', '.join(names)}." if names else ""
