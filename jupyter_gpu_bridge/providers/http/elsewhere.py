"""A text that a cloud has put at an address elsewhere, for whoever knows that address: nobody there is told a key."""

from __future__ import annotations

from urllib.parse import urlsplit

from jupyter_gpu_bridge.providers.calls import Outcome
from jupyter_gpu_bridge.providers.gate import Failure
from jupyter_gpu_bridge.providers.http.answer import Answer
from jupyter_gpu_bridge.providers.http.bodies import Ending
from jupyter_gpu_bridge.providers.http.retry import RetryRules
from jupyter_gpu_bridge.providers.http.wire import NotAnswered, Received, Request, Wire
from jupyter_gpu_bridge.providers.http.wording import Wording
from jupyter_gpu_bridge.providers.setting import is_of_this_computer

MOST = 64 << 10
"""Bytes that are kept of a text: the last of it."""
LONGEST = 4 << 20
"""Bytes that are read of it."""
SOON = RetryRules(most=8, base=0.25, longest=0.5, jitter=0.1)
"""It appears a moment after its address was told."""
_NOT_YET = (403, 404)
"""A store that does not let anybody list it says the former of what is not there."""


class Elsewhere:
    """One such address; what is said of it names neither the address, which may be as good as a key, nor its words."""

    def __init__(self, address: str, wording: Wording, *, trust_env: bool, may_be_here: bool) -> None:
        """`may_be_here`: on this computer, as that of a cloud that is itself here. Raises `Failure`."""
        self._wording = wording
        self._request = Request("GET", address)
        try:
            parts = urlsplit(address)
            is_here, port = is_of_this_computer(address), parts.port
        except ValueError:
            raise self._trouble("has named an address that is none") from None
        is_sound = (may_be_here and parts.scheme == "http") if is_here else parts.scheme == "https"
        if not parts.hostname or parts.username is not None or port == 0 or not is_sound:
            raise self._trouble("has named an address that is not asked")
        headers = {"Accept": "text/plain, */*", "Accept-Encoding": "identity"}
        self._wire = Wire("", headers, trust_env=trust_env and not is_here)

    async def attempt(self, within: float) -> Answer:
        """Raises `Failure`, of which none says anything of the cloud itself."""
        try:
            received = await self._wire.send(self._request, within, Ending(MOST, LONGEST))
        except NotAnswered:
            raise self._trouble("has put a text where nobody answers", may_be_repeated=True) from None
        return self._judged(received)

    async def close(self) -> None:
        await self._wire.close()

    def _judged(self, received: Received) -> Answer:
        status = received.status
        if 200 <= status < 300:
            return Answer(self._wording.title, status, received.body.decode("utf-8", "replace"))
        is_later = status in _NOT_YET or status >= 500
        raise self._trouble("has not put a text where it said", f"status {status}", may_be_repeated=is_later)

    def _trouble(self, what: str, words: str = "elsewhere", *, may_be_repeated: bool = False) -> Failure:
        return Failure(self._wording.unclear(what, words), Outcome.ELSEWHERE, may_be_repeated=may_be_repeated)
