"""What cloud-init runs, with a root, an `ubuntu` and a system of its own that are not those of this computer."""

from __future__ import annotations

import os
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from jupyter_gpu_bridge.machine.lease import HostKey, LeasePlan, Pace, start_script
from jupyter_gpu_bridge.providers.user_data import user_data
from tests.sshd import make_key, public_half

pytestmark = [pytest.mark.timeout(60), pytest.mark.needs("ssh-keygen")]


class Computer:
    """Programs that only write down what they are asked, and let the login be us."""

    def __init__(self, folder: Path, *, is_root: bool = True) -> None:
        self.home, self.system = folder / "home", folder / "system"
        self._programs, self._log = folder / "programs", folder / "log"
        for each in (self.home, self.system, self._programs):
            each.mkdir()
        plain = os.environ["PATH"]
        self._put("id", f'if [ "$*" = -u ]; then echo {0 if is_root else 1000}; else exit 0; fi')
        self._put("getent", f"echo 'ubuntu:x:1000:1000::{self.home}:/bin/sh'")
        self._put("chown", "exit 0")
        self._put("runuser", f'[ "$1 $2 $3" = "-u ubuntu --" ] || exit 9; shift 3; PATH={plain} exec "$@"')
        self._put(
            "install", f'for place; do :; done; cp "$7" "{self.system}/${{place##*/}}"; chmod "$6" {self.system}/*'
        )
        self._put("systemctl", "exit 0")

    def boot(self, script: str, **more: str) -> subprocess.CompletedProcess[str]:
        path = f"{self._programs}:{os.environ['PATH']}"
        return subprocess.run(
            ["/bin/sh"],
            input=script,
            text=True,
            capture_output=True,
            env={"PATH": path, **more},
            timeout=30,
            check=False,
        )

    def log(self) -> list[str]:
        return self._log.read_text().splitlines() if self._log.exists() else []

    def _put(self, name: str, text: str) -> None:
        program = self._programs / name
        program.write_text(f'#!/bin/sh\necho "{name} $*" >>{self._log}\n{text}\n')
        program.chmod(0o700)


def test_the_lease_is_the_logins_and_the_host_key_is_roots(tmp_path: Path) -> None:
    computer, key = Computer(tmp_path), make_key(tmp_path / "key")
    plan = LeasePlan(
        "gpu-bridge-x",
        timedelta(seconds=20),
        timedelta(seconds=20),
        host_key=HostKey(key.read_text(), public_half(key)),
        pace=Pace(tick=0.1),
    )
    done = computer.boot(user_data(start_script(plan), "ubuntu"))
    lease = computer.home / ".jupyter-gpu-bridge" / "lease"
    pids = [int((lease / f"{each}.lock").read_text().split()[0]) for each in ("supervisor", "daemon")]
    for pid in pids:
        os.kill(pid, 9)
    assert (done.returncode, done.stderr) == (0, "")
    assert "name=gpu-bridge-x" in (lease / "settings").read_text()
    assert (computer.system / "ssh_host_ed25519_key").read_text().strip() == key.read_text().strip()
    assert (computer.system / "ssh_host_ed25519_key.pub").read_text().split()[:2] == public_half(key).split()[:2]
    installs = [line for line in computer.log() if line.startswith("install ")]
    assert [line.split()[6] for line in installs] == ["600", "644"]
    assert {line.rpartition(" ")[2] for line in installs} == {
        "/etc/ssh/ssh_host_ed25519_key",
        "/etc/ssh/ssh_host_ed25519_key.pub",
    }
    assert "systemctl reload ssh" in computer.log()
    folder = Path(installs[0].split()[7]).parent
    assert not folder.exists()  # the key lies nowhere else


def test_what_the_start_script_cannot_do_is_not_hidden(tmp_path: Path) -> None:
    computer = Computer(tmp_path)
    assert computer.boot(user_data("#!/bin/sh\nexit 3\n", "ubuntu")).returncode == 3
    assert not [line for line in computer.log() if line.startswith("install ")]


@pytest.mark.parametrize(("is_root", "more"), [(False, {}), (True, {"GPU_BRIDGE_HOST_KEY": "/elsewhere/key"})])
def test_who_is_not_root_or_no_whole_computer_becomes_nobody_else(
    tmp_path: Path, is_root: bool, more: dict[str, str]
) -> None:
    computer = Computer(tmp_path, is_root=is_root)
    done = computer.boot(user_data('#!/bin/sh\necho "it\'s $GPU_BRIDGE_HOST_KEY"\n', "ubuntu"), **more)
    assert done.stdout == f"it's {more.get('GPU_BRIDGE_HOST_KEY', '')}\n"
    assert not [line for line in computer.log() if line.startswith(("runuser", "install", "systemctl"))]
