"""Our errors as a Jupyter server passes them on: it shows what a tornado error says, and hides any other."""

from __future__ import annotations

from tornado.web import HTTPError

from jupyter_gpu_bridge.errors import BridgeError


def served(error: BridgeError) -> BridgeError:
    """The same error, and also one whose text reaches the page: of another kind, `POST /api/kernels` says nothing."""
    kind = type(error)
    if not issubclass(kind, _Shown):
        kind = type(kind.__name__, (kind, _Shown), {"__module__": kind.__module__})
    return kind(error.what, advice=error.advice, billing=error.billing, details=error.details)


class _Shown(HTTPError):
    """The second parent of such an error; the first gives it its text."""

    def __init__(self, text: str) -> None:
        super().__init__(500, text)
        self._text = text

    def __str__(self) -> str:
        return self._text
