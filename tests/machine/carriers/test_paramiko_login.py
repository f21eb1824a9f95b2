"""What giving up a login has to mind inside paramiko."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path

import pytest
from paramiko import Transport

from tests.machine.carriers.conftest import Reach
from tests.machine.carriers.talk import nothing_left
from tests.sshd import Sshd

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(30)]


async def test_a_timer_that_is_set_after_the_login_was_given_up_is_stopped(
    server: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Paramiko's thread sets the timer of the handshake once it has read the banner, also when it has been closed."""
    original = Transport._check_banner  # type: ignore[attr-defined]
    banner_read = threading.Event()

    def read_banner_and_dawdle(transport: Transport) -> None:
        original(transport)
        banner_read.set()
        while transport.is_active():
            time.sleep(0.01)
        time.sleep(0.1)

    monkeypatch.setattr(Transport, "_check_banner", read_banner_and_dawdle)
    dialer = Reach("paramiko", tmp_path).to(server)
    async with nothing_left():
        dialling = asyncio.ensure_future(dialer.dial("true"))
        assert await asyncio.to_thread(banner_read.wait, 10)
        dialling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await dialling
