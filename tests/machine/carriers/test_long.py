"""More bytes than one key may encrypt: both ends exchange new keys in full flow."""

from __future__ import annotations

import asyncio
import hashlib
import os
from pathlib import Path

import pytest

from tests.machine.carriers.conftest import Reach
from tests.machine.carriers.talk import dialled, read, write
from tests.sshd import Sshd

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(90)]


async def test_new_keys_in_full_flow_lose_nothing(
    server: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from paramiko import Transport
    from paramiko.packet import Packetizer

    exchanges: list[Transport] = []
    begin = Transport._send_kex_init  # type: ignore[attr-defined]  # left out of the stubs

    def counted(self: Transport) -> None:
        exchanges.append(self)
        begin(self)

    monkeypatch.setattr(Transport, "_send_kex_init", counted)
    monkeypatch.setattr(Packetizer, "REKEY_BYTES", 4_000_000)
    sent = os.urandom(1_000_000) * 30
    async with dialled(Reach("paramiko", tmp_path).to(server), "exec cat") as carrier:
        _, received = await asyncio.gather(write(carrier, sent), read(carrier, len(sent)))
    assert hashlib.sha256(received).digest() == hashlib.sha256(sent).digest()
    assert len(exchanges) > 3
