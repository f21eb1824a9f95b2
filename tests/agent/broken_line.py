"""A line between two channels that loses, cuts and stalls bytes wherever a test wants."""

from __future__ import annotations

import random
from collections.abc import Callable

from jupyter_gpu_bridge.agent.channel import Channel


class End:
    """One side of the line; what a channel takes for its transport."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.window = 0

    def wake(self) -> None:
        """The line pulls when it likes."""

    def wake_soon(self) -> None:
        """Nor does it hurry."""

    def consumed(self, size: int) -> None:
        self.window += size


class BrokenLine:
    """Carries bytes in random pieces, and can be cut at any of them; what was under way is then lost."""

    def __init__(self, left: Channel, right: Channel, chance: random.Random) -> None:
        self._channels = (left, right)
        self._chance = chance
        self._under_way: tuple[bytearray, bytearray] = (bytearray(), bytearray())
        self.is_up = False

    def replace(self, old: Channel, new: Channel) -> None:
        """What stood at one end was killed, and has a successor."""
        left, right = self._channels
        self._channels = (new, right) if old is left else (left, new)

    def mend(self) -> None:
        self._under_way = (bytearray(), bytearray())
        for channel in self._channels:
            channel.connect(End(channel))
        self.is_up = True

    def cut(self) -> None:
        """Of what is under way a random part still arrives, to the middle of a header or a record."""
        if not self.is_up:
            return
        for side in (0, 1):
            self._arrive(side, self._chance.randint(0, len(self._under_way[side])))
        self.is_up = False
        for channel in self._channels:
            channel.disconnect()

    def carry(self, *, stalled: Callable[[int], bool] = lambda side: False) -> None:
        """Move a random amount in both directions."""
        if not self.is_up:
            return
        for side in (0, 1):
            for piece in self._channels[side].pull(self._chance.choice((1, 7, 100, 5000))):
                self._under_way[1 - side].extend(piece)
        for side in (0, 1):
            if not stalled(side):
                self._arrive(side, self._chance.randint(0, len(self._under_way[side])))

    def drain(self) -> None:
        """Until both have nothing left to say."""
        idle = 0
        while idle < 3:
            moved = 0
            for side in (0, 1):
                for piece in self._channels[side].pull(1 << 16):
                    self._under_way[1 - side].extend(piece)
                moved += len(self._under_way[1 - side])
            for side in (0, 1):
                self._arrive(side, len(self._under_way[side]))
            idle = 0 if moved else idle + 1

    def _arrive(self, side: int, size: int) -> None:
        data = bytes(self._under_way[side][:size])
        del self._under_way[side][:size]
        while data:
            step = self._chance.randint(1, len(data))
            self._channels[side].push(memoryview(data[:step]))
            data = data[step:]
