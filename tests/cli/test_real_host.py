"""The command with a real machine behind a real sshd: what it asks, what it keeps, what it leaves."""

from __future__ import annotations

import asyncio
import sys
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_gpu_bridge.bridge import Bridge
from jupyter_gpu_bridge.machine.link import LinkClient, links
from jupyter_gpu_bridge.model import MachineRef
from tests.cli.calls import Call, sit_down
from tests.kernels.home import Home, entered, until
from tests.own_home import variables
from tests.sshd import Sshd

BOX = MachineRef("ssh", "box")


@pytest.fixture
def home() -> Iterator[Home]:
    with entered() as home:
        yield home


@pytest.fixture
def sshd(home: Home) -> Iterator[Sshd]:
    # With a short path: `uv` would make an environment where venv cannot.
    far = {**variables(home.folder / "far"), "PATH": "/usr/bin:/bin"}
    with Sshd(home.folder / "sshd", environment=far) as sshd:
        yield sshd
        asyncio.run(links().close())


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    return Call(capsys)


def _add(sshd: Sshd, *more: str, python: str = sys.executable) -> tuple[str, ...]:
    address = f"{sshd.user}@127.0.0.1:{sshd.port}"
    return ("hosts", "add", "box", address, "--identity-file", str(sshd.identity), "--python", python, *more)


def test_a_key_that_is_not_confirmed_leaves_nothing_behind(
    sshd: Sshd, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    sit_down(monkeypatch, "n\n")
    refused = call(*_add(sshd))
    assert refused.status == 1
    assert sshd.fingerprint in refused.err
    assert "Nothing was saved." in refused.err
    assert (Bridge().hosts(), Bridge().profiles()) == ([], [])
    asyncio.run(until(lambda: not LinkClient.is_running(BOX)))


def test_a_changed_key_is_confirmed_as_the_error_says(sshd: Sshd, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    before = sshd.fingerprint
    assert call(*_add(sshd, "--fingerprint", before)).status == 0
    sshd.stop()
    sshd.replace_host_key()
    sshd.start()
    refused = call("hosts", "check", "box")
    assert (refused.status, "`jupyter gpu hosts check box` in a terminal" in refused.err) == (1, True)
    details = call("hosts", "check", "box", "--json").data["details"]
    assert (details["fingerprint"], details["key"]) == (sshd.fingerprint, sshd.host_key_line)
    sit_down(monkeypatch, "y\n")
    assert call("hosts", "check", "box").status == 1
    sit_down(monkeypatch, "box\n")
    asked = call("hosts", "check", "box")
    assert asked.status == 0, asked.err
    assert f"Key before: {before}\nKey now:    {sshd.fingerprint}\n" in asked.err
    assert call("doctor", "--hosts").out.count("WRONG  host box") == 0


def test_a_fingerprint_is_compared_also_when_the_key_is_trusted_already(sshd: Sshd, call: Call) -> None:
    assert call(*_add(sshd, "--fingerprint", sshd.fingerprint)).status == 0
    other = "SHA256:" + "A" * 43
    refused = call("hosts", "check", "box", "--fingerprint", other)
    assert refused.status == 1
    assert f"box is known by the key {sshd.fingerprint}, not by the key that you gave." in refused.err
    assert call("hosts", "check", "box", "--fingerprint", sshd.fingerprint).status == 0
    assert call("hosts", "remove", "box").status == 0
    again = call(*_add(sshd, "--fingerprint", other))
    assert (again.status, "Nothing was saved." in again.err) == (1, True)
    assert Bridge().hosts() == []


def test_a_changed_host_is_reached_as_it_is_described_now(sshd: Sshd, call: Call) -> None:
    assert call(*_add(sshd, "--fingerprint", sshd.fingerprint)).status == 0
    refused = call("hosts", "change", "box", "--python", "/no/python")
    assert (refused.status, "/no/python" in refused.err, "box is as it was." in refused.err) == (1, True, True)
    assert Bridge().host("box").python == sys.executable
    assert call("hosts", "check", "box").status == 0


def test_a_machine_that_is_down_is_an_error_of_every_verb(sshd: Sshd, call: Call) -> None:
    assert call(*_add(sshd, "--fingerprint", sshd.fingerprint)).status == 0
    sshd.stop()
    asyncio.run(until(lambda: not sshd.is_running))
    for words in (("kernels", "--wake"), ("kernels", "stop", "--all"), ("kernels", "stop", "0123")):
        answer = call(*words)
        assert (answer.status, "ssh:box could not be asked: " in answer.err) == (1, True), answer


# what a kernel will find ---------------------------------------------------------------------------------------------


def test_a_python_that_has_ipykernel_is_named(sshd: Sshd, call: Call) -> None:
    added = call(*_add(sshd, "--fingerprint", sshd.fingerprint))
    assert f"{sys.executable} has ipykernel\n" in added.out


def test_it_is_said_that_ipykernel_will_be_added_and_nothing_is_added_yet(
    home: Home, sshd: Sshd, call: Call, tmp_path: Path
) -> None:
    python = _bare_python(tmp_path)
    added = call(*_add(sshd, "--fingerprint", sshd.fingerprint, python=str(python)))
    assert added.status == 0
    assert f"{python} lacks ipykernel, which will be added there when the first kernel starts\n" in added.out
    assert not list((home.folder / "far").rglob("environments"))


def test_a_python_that_can_have_no_ipykernel_is_an_error(sshd: Sshd, call: Call, tmp_path: Path) -> None:
    bare = _bare_python(tmp_path)
    python = tmp_path / "without-venv"
    python.write_text(f'#!/bin/sh\ncase "$*" in *ensurepip*) exit 1 ;; esac\nexec {bare} "$@"\n')
    python.chmod(0o755)
    refused = call(*_add(sshd, "--fingerprint", sshd.fingerprint, python=str(python)))
    assert refused.status == 1
    assert "lacks ipykernel, and an environment for it cannot be made" in refused.err
    assert "Install one of the two" in refused.err
    assert Bridge().hosts() == []


def _bare_python(folder: Path) -> Path:
    """Of an environment with nothing in it."""
    venv.create(folder / "bare", symlinks=True)
    return folder / "bare" / "bin" / "python"
