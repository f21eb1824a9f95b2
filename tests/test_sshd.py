"""The server that tests kill: gone means gone, and back means the same place."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

import psutil
import pytest

from tests.sshd import Sshd, program

pytestmark = pytest.mark.timeout(60)


def _connect(sshd: Sshd, config: Path, command: str) -> subprocess.Popen[bytes]:
    argv = [program("ssh"), "-F", str(config), "-o", "BatchMode=yes", "box", command]
    return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


def test_stopping_ends_sessions_but_not_what_they_detached(tmp_path: Path) -> None:
    with Sshd(tmp_path / "sshd", environment={"MARK": "a b"}) as sshd:
        config = sshd.ssh_config(tmp_path / "config", "box")
        detach = 'setsid sleep 60 > /dev/null 2>&1 < /dev/null & echo $! "$MARK"; exec cat'
        with _connect(sshd, config, detach) as client:
            assert client.stdout is not None
            pid, _, mark = client.stdout.readline().decode().strip().partition(" ")
            detached = psutil.Process(int(pid))
            assert mark == "a b"
            assert sshd.session_count() == 1
            sshd.stop()
            assert client.stdout.read() == b""
            assert client.wait(10) == 255
        assert detached.is_running()
        detached.kill()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", sshd.port), 5)
        sshd.start()
        socket.create_connection(("127.0.0.1", sshd.port), 5).close()


def test_sessions_can_be_cut_while_the_server_stays(tmp_path: Path) -> None:
    with Sshd(tmp_path / "sshd") as sshd:
        config = sshd.ssh_config(tmp_path / "config", "box")
        for _ in range(2):
            with _connect(sshd, config, "echo up; exec cat") as client:
                assert client.stdout is not None
                assert client.stdout.readline() == b"up\n"
                sshd.cut_sessions()
                assert client.wait(10) == 255


def test_a_configuration_that_sshd_refuses_is_shown(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="Elephant"):
        Sshd(tmp_path / "sshd", options=("Elephant yes",)).start()
