"""Which carrier is taken when."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from jupyter_gpu_bridge.errors import Unreachable
from jupyter_gpu_bridge.machine.carriers import SshTarget, dialer_for, has_openssh
from tests.machine.carriers.talk import nothing_left


@pytest.fixture
def target(tmp_path: Path) -> SshTarget:
    return SshTarget("box", "gpu.example", tmp_path / "confirmed")


def _pretend(folder: Path, monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    """An `ssh` of that version is the only one there is."""
    program = folder / "ssh"
    program.write_text(f"#!/bin/sh\necho '{version}' >&2\n")
    program.chmod(0o700)
    monkeypatch.setenv("PATH", str(folder))


def test_the_systems_ssh_is_taken_where_there_is_one(target: SshTarget) -> None:
    assert dialer_for(target).name == "openssh"


def test_with_a_passphrase_it_is_paramiko(target: SshTarget) -> None:
    assert dialer_for(target, "open sesame").name == "paramiko"
    assert dialer_for(replace(target, carrier="openssh"), "open sesame").name == "paramiko"


def test_what_the_user_chose_is_taken(target: SshTarget) -> None:
    assert dialer_for(replace(target, carrier="paramiko")).name == "paramiko"
    assert dialer_for(replace(target, carrier="openssh")).name == "openssh"


@pytest.mark.parametrize(
    ("version", "enough"),
    [
        ("OpenSSH_9.2p1 Debian-2, OpenSSL 3.0.19", True),
        ("OpenSSH_10.0p2, LibreSSL 3.3.6", True),
        ("OpenSSH_for_Windows_9.5p1, LibreSSL 3.8.2", True),
        ("OpenSSH_8.4p1", True),
        ("OpenSSH_8.3p1", False),
        ("OpenSSH_7.9p1", False),
        ("Dropbear v2022.83", False),
    ],
)
def test_an_ssh_that_is_too_old_is_passed_over(
    target: SshTarget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, enough: bool
) -> None:
    _pretend(tmp_path, monkeypatch, version)
    assert has_openssh() is enough
    assert dialer_for(target).name == ("openssh" if enough else "paramiko")


def test_without_ssh_it_is_paramiko(target: SshTarget, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.devnull)
    assert dialer_for(target).name == "paramiko"


@pytest.mark.anyio
async def test_a_chosen_ssh_that_is_missing_is_said(target: SshTarget, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.devnull)
    async with nothing_left():
        with pytest.raises(Unreachable, match="program ssh, which is not installed"):
            await dialer_for(replace(target, carrier="openssh")).dial("true")
