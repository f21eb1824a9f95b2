"""Keeps one carrier to the machine up: dials, boots, watches for silence, and dials again, patiently and for ever."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import time
from collections.abc import Callable
from typing import Any

from jupyter_gpu_bridge.agent.duplex import descriptor_reader
from jupyter_gpu_bridge.agent.mux import Mux
from jupyter_gpu_bridge.errors import BridgeError, LinkLost, PeerMisbehaved, Unreachable
from jupyter_gpu_bridge.in_time import in_time
from jupyter_gpu_bridge.machine.carriers.base import Carrier, Dialer
from jupyter_gpu_bridge.machine.link.boot import Boot
from jupyter_gpu_bridge.machine.link.log import one_line
from jupyter_gpu_bridge.model import MachineState

log = logging.getLogger(__name__)

PING_EVERY = 15.0
UP_PATIENCE = 30.0
SILENCE = 40.0
"""A silent line loses nothing and often comes back; a new one costs a login. So wait this long before giving it up."""
BOOT_PATIENCE = 30.0
FIRST_PAUSE = 0.15
SHORT_PAUSE = 0.5
SHORT_FOR = 180.0
LONG_PAUSE = 15.0
KNOCK_EVERY = 0.1
LAST_WORDS_WITHIN = 0.2
STEADY = 5.0
"""A carrier that lived shorter is no reason to hurry with the next one."""


class Connection:
    """One carrier at a time; `came` gets each new mux, `went` is told when it is gone."""

    def __init__(
        self,
        dialer: Callable[[], Dialer],
        command: Callable[[], str],
        link: str,
        *,
        came: Callable[[Mux], None],
        went: Callable[[], None],
        changed: Callable[[], None],
        wanted: Callable[[], bool],
    ) -> None:
        """`wanted`: whether to go on trying when nobody waits for it."""
        self._dialer = dialer
        self._command = command
        self._link = link
        self._came = came
        self._went = went
        self._changed = changed
        self._wanted = wanted
        self._was_up = False
        self._up_at = 0.0
        self._mux: Mux | None = None
        self._task: asyncio.Task[None] | None = None
        self._settled: asyncio.Future[Mux] | None = None
        self._hurry = asyncio.Event()
        self._has_news = False
        self.state = MachineState.ASLEEP
        self.error: BridgeError | None = None
        self.carrier = ""
        self.ups = 0
        """How often a carrier came up."""

    @property
    def mux(self) -> Mux | None:
        """That of the carrier that is up now; one that has ended is not, though it may not be put away yet."""
        return self._mux if self._mux is not None and self._mux.is_open else None

    @property
    def round_trip_ms(self) -> float | None:
        found = self.mux.round_trip if self.mux is not None else None
        return found * 1000 if found is not None else None

    async def up(self) -> Mux:
        """The mux of a live carrier; raises what stands in the way, when that is certain or has lasted a while."""
        if self.mux is not None:
            return self.mux
        if self._settled is None:
            self._settled = asyncio.get_running_loop().create_future()
        settled = self._settled
        self._hurry.set()
        self.start()
        try:
            return await in_time(asyncio.shield(settled), UP_PATIENCE)
        except asyncio.TimeoutError:
            raise self.error or Unreachable(
                f"The machine did not answer within {UP_PATIENCE:.0f} seconds.", advice="Try again later."
            ) from None

    def start(self) -> None:
        """Come up without anybody waiting for it."""
        if self._task is None:
            self._task = asyncio.create_task(self._keep_up())

    def hurry(self) -> None:
        """Something has changed that makes the next attempt worth while: do not wait for it."""
        self._has_news = True  # also for an attempt that began before and fails now
        self._hurry.set()

    async def down(self) -> None:
        """End the carrier and stay down until somebody asks again."""
        task, self._task = self._task, None
        if self.mux is not None:
            log.info("the carrier is ended from here")
        while task is not None and not task.done():
            # Once may not be enough: before Python 3.12 `asyncio.wait_for` swallows a cancellation that comes late.
            task.cancel()
            await asyncio.wait([task], timeout=1.0)
        self._was_up = False
        self._refuse(LinkLost("The connection was ended while it was being made.", advice="Try again."))
        self._set(MachineState.ASLEEP)

    async def probe(self) -> None:
        """Enter the machine once more, beside the carrier that is up; raises what stands in the way."""
        carrier = await self._dialer().dial(self._command())
        try:
            await self._boot(carrier)
        finally:
            await carrier.close()

    async def _keep_up(self) -> None:
        began = time.monotonic()
        pause = FIRST_PAUSE
        while True:
            self._set(MachineState.RECONNECTING if self._was_up else MachineState.CONNECTING)
            try:
                await self._attempt()
                if time.monotonic() - self._up_at > STEADY:
                    began, pause = time.monotonic(), FIRST_PAUSE
                if not self._is_wanted():
                    self._task = None
                    self._was_up = False
                    self._set(MachineState.ASLEEP)
                    return
                self._set(MachineState.RECONNECTING)  # before the pause, which may be long
            except BridgeError as error:
                self._note(error)
                certain = not isinstance(error, Unreachable)
                if certain or not self._was_up:
                    self._refuse(error)
                self._set(MachineState.FAILED if certain or not self._was_up else MachineState.RECONNECTING)
                if not self._is_wanted():
                    self._task = None
                    return
                if certain:
                    # A server that refuses us would soon lock us out for asking again and again.
                    began, pause = 0.0, LONG_PAUSE
            recent = time.monotonic() - began < SHORT_FOR
            await self._pause(pause, recent=recent)
            pause = min(SHORT_PAUSE if recent else LONG_PAUSE, pause * 1.6)

    def _note(self, error: BridgeError) -> None:
        """Written down once, not for each of many attempts."""
        if self.error is None or self.error.what != error.what:
            log.warning("no connection (%s): %s", error.code, one_line(error.what))
        self.error = error

    def _is_wanted(self) -> bool:
        """By kernels, or by somebody who began to wait while the last carrier was put away."""
        return self._settled is not None or self._wanted()

    def _refuse(self, error: BridgeError) -> None:
        """Tell whoever waits."""
        settled, self._settled = self._settled, None
        if settled is not None and not settled.done():
            settled.set_exception(error)
            # Whoever waited may have given up.
            settled.exception()

    async def _pause(self, pause: float, *, recent: bool) -> None:
        """Before the next attempt; while nobody answers at all, until somebody does."""
        if self._has_news:
            return
        began = time.monotonic()
        self._hurry.clear()
        try:
            dialer = self._dialer()
            if await dialer.knock():
                await self._sleep(pause)
                return
            while not await dialer.knock():
                self._hurry.clear()
                await self._sleep(KNOCK_EVERY if recent and time.monotonic() - began < SHORT_FOR else LONG_PAUSE)
        except (BridgeError, OSError, ValueError) as error:
            self.error = error if isinstance(error, BridgeError) else Unreachable(f"The machine is not there: {error}.")
            await self._sleep(pause)

    async def _sleep(self, seconds: float) -> None:
        """Unless somebody is in a hurry; with jitter, so that many links do not call a server all at once."""
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._hurry.wait(), seconds * random.uniform(0.7, 1.0))  # noqa: S311 - jitter

    async def _attempt(self) -> None:
        """One carrier from dial to end; whatever goes wrong is a `BridgeError`, since nobody but us would try again."""
        self._has_news = False
        try:
            await self._once()
        except BridgeError:
            raise
        except Exception as error:
            log.exception("an attempt to connect failed in a way that nobody thought of")
            raise Unreachable(f"The connection failed in an unexpected way: {error!r}.") from error

    async def _once(self) -> None:
        dialer = self._dialer()
        began = time.monotonic()
        carrier = await dialer.dial(self._command())
        try:
            dialled = time.monotonic()
            first = await self._boot(carrier)
            log.info("dialled: %s, %.2f s, then %.2f s to our program", dialer.name, dialled - began, _since(dialled))
            reason = await self._live(carrier, dialer.name, first) or await _last_words(carrier)
            log.warning("carrier lost after %.0f s: %s", _since(dialled), one_line(reason))
        finally:
            await carrier.close()

    async def _boot(self, carrier: Carrier) -> bytes:
        boot = Boot()
        try:
            return await asyncio.wait_for(_greet(carrier, boot), BOOT_PATIENCE)
        except asyncio.TimeoutError:
            raise Unreachable(
                "The machine was reached, but our program did not start there within "
                f"{BOOT_PATIENCE:.0f} seconds." + (f" It printed: {boot.noise}" if boot.noise else "")
            ) from None

    async def _live(self, carrier: Carrier, name: str, first: bytes) -> str:
        """From greeting to end; why it ended, if that can be told from here."""
        ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        greeted: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def end(reason: str) -> None:
            if not ended.done():
                ended.set_result(reason)

        mux = Mux(
            carrier.reader,
            carrier.writer,
            hello={"link": self._link},
            greeted=lambda hello: greeted.set_result(None),
            ended=end,
            first=first,
        )
        try:
            either: list[asyncio.Future[Any]] = [greeted, ended]
            await asyncio.wait(either, timeout=BOOT_PATIENCE, return_when=asyncio.FIRST_COMPLETED)
            if not greeted.done():
                reason = ended.result() if ended.done() else "it stayed silent"
                raise PeerMisbehaved(f"Our program on the machine did not answer as it should: {reason or 'it ended'}.")
            self._be_up(mux, name)
            await self._watch(mux, ended)
            return ended.result() if ended.done() else f"nothing was heard for {SILENCE:.0f} seconds"
        finally:
            mux.close()
            if self._mux is mux:
                self._mux = None
                self._went()

    def _be_up(self, mux: Mux, name: str) -> None:
        self._mux = mux
        self._up_at = time.monotonic()
        log.info("reconnected" if self._was_up else "connected")
        self._was_up = True
        self.ups += 1
        self.error = None
        self.carrier = name
        self._set(MachineState.CONNECTED)
        mux.ping()
        self._came(mux)
        settled, self._settled = self._settled, None
        if settled is not None and not settled.done():
            settled.set_result(mux)

    async def _watch(self, mux: Mux, ended: asyncio.Future[str]) -> None:
        pinged = time.monotonic()
        offset = _asleep_so_far()
        while not ended.done():
            await asyncio.wait([ended], timeout=1.0)
            now = time.monotonic()
            slept = _asleep_so_far() - offset
            offset += slept
            if now - pinged >= PING_EVERY or slept > 5:
                pinged = now
                mux.ping()
            if now - mux.heard > SILENCE:
                return

    def _set(self, state: MachineState) -> None:
        if state is not self.state:
            self.state = state
            self._changed()


def _since(then: float) -> float:
    return time.monotonic() - then


async def _last_words(carrier: Carrier) -> str:
    """Of whoever carried, if there are any; nobody waits long for them."""
    with contextlib.suppress(asyncio.TimeoutError):
        return await asyncio.wait_for(carrier.why_ended(), LAST_WORDS_WITHIN) or "it ended"
    return "it ended"


def _asleep_so_far() -> float:
    """How long this computer has been suspended since it was started."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME) - time.monotonic()
    return time.time() - time.monotonic()


async def _greet(carrier: Carrier, boot: Boot) -> bytes:
    """Talk to the far end until it is the agent that speaks; what it has said already."""
    while True:
        data = await _read(carrier.reader)
        if not data:
            why = await carrier.why_ended() or boot.noise or "the connection ended at once"
            raise Unreachable(f"The machine was reached, but our program did not start there: {why.rstrip('.')}.")
        answer, rest = boot.feed(data)
        if answer:
            await _write(carrier.writer, answer)
        if rest is not None:
            return rest


async def _read(descriptor: int) -> bytes:
    """What is there, waiting for it; empty at the end."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            data = descriptor_reader(descriptor, 65536)
        except OSError:
            return b""
        if data is not None:
            return data
        ready = asyncio.Event()
        loop.add_reader(descriptor, ready.set)
        try:
            await ready.wait()
        finally:
            loop.remove_reader(descriptor)


async def _write(descriptor: int, data: bytes) -> None:
    loop = asyncio.get_running_loop()
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(descriptor, view) :]
            continue
        except (BlockingIOError, InterruptedError):
            pass
        except OSError as error:
            raise LinkLost(f"The connection broke while our program was sent: {error.strerror}.") from None
        ready = asyncio.Event()
        loop.add_writer(descriptor, ready.set)
        try:
            await ready.wait()
        finally:
            loop.remove_writer(descriptor)
