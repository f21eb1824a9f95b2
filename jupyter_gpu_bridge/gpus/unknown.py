"""Names of GPUs that nobody knew: how often each was met, so that somebody can add it to the catalogue."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping

_MOST_NAMES = 500
_LONGEST = 120

OTHERS = "(others)"
"""All names that came when there were too many."""

_log = logging.getLogger(__name__)


class UnknownNames:
    """Counts them; may be used from any thread."""

    def __init__(self, most: int = _MOST_NAMES) -> None:
        self._most = most
        self._counts: dict[tuple[str, str], int] = {}
        self._others = 0
        self._lock = threading.Lock()

    def met(self, name: str, provider: str) -> None:
        """Count it, and say so in the log the first time."""
        key = (provider, name[:_LONGEST])
        with self._lock:
            is_new = key not in self._counts
            if is_new and len(self._counts) >= self._most:
                self._others += 1
                return
            self._counts[key] = self._counts.get(key, 0) + 1
        if is_new:
            _log.warning("The GPU %r of %s is not in the catalogue: it is shown as it is, without figures.", *key[::-1])

    def counts(self) -> Mapping[str, int]:
        """By provider and name, `runpod: NVIDIA X1`, the most frequent first; it never has more than so many names."""
        with self._lock:
            found = {f"{provider}: {name}": count for (provider, name), count in self._counts.items()}
            others = self._others
        ordered = dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))
        return {**ordered, OTHERS: others} if others else ordered

    def forget(self) -> None:
        with self._lock:
            self._counts.clear()
            self._others = 0


unknown_names = UnknownNames()
"""Those that this process has met."""
