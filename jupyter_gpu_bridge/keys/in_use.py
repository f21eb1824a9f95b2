"""The key that an adapter works with: looked for at its first call, and anew after its provider has refused it."""

from __future__ import annotations

from jupyter_gpu_bridge.keys.finding import held, needed
from jupyter_gpu_bridge.keys.key import Key
from jupyter_gpu_bridge.keys.place import KeyPlace


class KeyInUse:
    """A warden lives for days, and must take a key that was given meanwhile: else it could not end its machine."""

    def __init__(self, place: KeyPlace) -> None:
        self._place = place
        self._key: Key | None = None
        self._refused: Key | None = None

    async def now(self) -> Key:
        """Raises `KeyMissing` or `KeyUnreadable`."""
        import asyncio

        if self._key is None:
            self._key = await asyncio.to_thread(self._look)
        return self._key

    def refused(self) -> None:
        """By its provider, which has answered with `KeyBad` or `KeyForbidden`."""
        if self._key is not None:
            self._refused, self._key = self._key, None

    def _look(self) -> Key:
        """Another one, wherever that is; where there is no other, the same: what was wrong with it may be mended."""
        if self._refused is None:
            return needed(self._place)
        return held(self._place, other_than=self._refused).key or self._refused
