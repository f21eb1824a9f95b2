from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from pathlib import Path

import pytest

from jupyter_gpu_bridge.errors import Unreachable
from jupyter_gpu_bridge.model import RENTED, Finding, Host, MachineRef, Need, Order, Profile, Stage
from jupyter_gpu_bridge.providers import dates
from jupyter_gpu_bridge.providers.hosts import Hosts
from jupyter_gpu_bridge.rentals import doctor, doctor_rented
from jupyter_gpu_bridge.rentals.guard_timer import GuardTimer
from jupyter_gpu_bridge.rentals.ledger import Ledger
from jupyter_gpu_bridge.rentals.limits import limits_file
from jupyter_gpu_bridge.rentals.profiles import Profiles


def look(check: doctor.CheckHost | None = None) -> Mapping[str, Finding]:
    return {finding.subject: finding for finding in asyncio.run(doctor.examine(check))}


@pytest.fixture(autouse=True)
def only_this_home(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without what is installed in this environment."""
    monkeypatch.setenv("JUPYTER_NO_CONFIG", "")
    monkeypatch.setattr("jupyter_core.paths.ENV_CONFIG_PATH", [])
    monkeypatch.setattr("jupyter_core.paths.SYSTEM_CONFIG_PATH", [])
    monkeypatch.setattr("jupyter_core.paths.ENV_JUPYTER_PATH", [])
    monkeypatch.setattr("jupyter_core.paths.SYSTEM_JUPYTER_PATH", [])


def test_everything_that_is_wrong_comes_with_the_next_step() -> None:
    wrong = [finding for finding in look().values() if not finding.ok]
    assert {"server extension", "sidebar"} <= {finding.subject for finding in wrong}
    assert all(finding.text and finding.advice for finding in wrong)


def test_what_is_installed_is_found(own_home: Path) -> None:
    enabled = own_home / "config" / "jupyter_server_config.d" / "jupyter_gpu_bridge.json"
    enabled.parent.mkdir(parents=True)
    enabled.write_text(json.dumps({"ServerApp": {"jpserver_extensions": {"jupyter_gpu_bridge": True}}}))
    sidebar = own_home / "data" / "labextensions" / "jupyter-gpu-bridge" / "package.json"
    sidebar.parent.mkdir(parents=True)
    sidebar.write_text("{}")
    findings = look()
    assert findings["server extension"].ok
    assert findings["sidebar"].ok
    assert findings["data folder"].ok
    assert "jupyter_server" in findings["versions"].text


def test_an_extension_that_the_user_switched_off_is_noticed(own_home: Path) -> None:
    switch = own_home / "config" / "jupyter_server_config.json"
    switch.parent.mkdir(parents=True, exist_ok=True)
    switch.write_text(json.dumps({"ServerApp": {"jpserver_extensions": {"jupyter_gpu_bridge": False}}}))
    assert not look()["server extension"].ok


def test_a_profile_without_its_machine_is_named() -> None:
    Hosts().add(Host("box", "gpu"))
    Profiles().add(Profile("mine", MachineRef("ssh", "box")))
    assert look()["profile mine"].ok
    Hosts().remove("box")
    found = look()["profile mine"]
    assert not found.ok
    assert "jupyter gpu profiles remove mine" in found.advice


def test_a_damaged_file_of_hosts_is_one_finding_and_not_the_end() -> None:
    for name in ("box", "other"):
        Hosts().add(Host(name, "gpu"))
        Profiles().add(Profile(name, MachineRef("ssh", name)))
    file = Hosts().path
    file.write_text("{")
    findings = look()
    assert str(file) in findings["hosts"].text
    assert "Correct it" in findings["hosts"].advice
    assert [subject for subject, finding in findings.items() if str(file) in finding.text] == ["hosts"]
    assert not any("profiles remove" in finding.advice for finding in findings.values())


def test_a_data_folder_that_cannot_be_made_is_a_finding_and_not_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    Profiles().add(Profile("here", MachineRef("local")))
    monkeypatch.setenv("JUPYTER_GPU_BRIDGE_HOME", "/proc/x")
    findings = look(_nobody_to_check)
    for subject in ("data folder", "socket folder", "hosts"):
        assert not findings[subject].ok
        assert "/proc/x" in findings[subject].text
        assert "JUPYTER_GPU_BRIDGE_HOME" in findings[subject].advice
    assert findings["profile here"].ok
    assert "jupyter_server" in findings["versions"].text


async def _nobody_to_check(name: str) -> AsyncIterator[Stage]:
    assert name == "", "there is no host"
    yield Stage("ready", "")


def test_hosts_are_connected_to_only_when_asked() -> None:
    Hosts().add(Host("near", "gpu"))
    Hosts().add(Host("far", "gpu"))

    async def check(name: str) -> AsyncIterator[Stage]:
        yield Stage("connecting", "connecting")
        if name == "far":
            raise Unreachable("far does not answer.", advice="Is it on?")
        yield Stage("ready", "near can be used")

    assert "host near" not in look()
    findings = look(check)
    assert findings["host near"] == Finding("host near", True, "near can be used")
    assert findings["host far"] == Finding("host far", False, "far does not answer.", "Is it on?")


def test_a_profile_that_rents_is_well_unless_its_provider_is_not_there() -> None:
    Profiles().add(Profile("p1", RENTED, order=Order()))
    Profiles().add(Profile("p2", RENTED, order=Order(need=Need(providers=("nowhere",)))))
    Profiles().add(Profile("p3", MachineRef("rental", "ab" * 16)))
    findings = look()
    assert findings["profile p1"] == Finding("profile p1", True, "It rents a machine when a kernel starts.")
    assert not findings["profile p2"].ok
    assert "'nowhere'" in findings["profile p2"].text
    assert findings["profile p3"].ok


def test_the_ledger_is_opened_where_there_is_one_and_not_made(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert look()["ledger"] == Finding("ledger", True, "Nothing was ever rented here.")
    place = own_home / "elsewhere.db"
    monkeypatch.setenv("JUPYTER_GPU_BRIDGE_LEDGER", f"sqlite:///{place}")
    Ledger.open().close()
    found = look()["ledger"]
    assert (found.ok, found.text.startswith(f"{place}, version 0")) == (True, True)
    place.write_text("This is a letter to my aunt. " * 99)
    assert not look()["ledger"].ok
    monkeypatch.setenv("JUPYTER_GPU_BRIDGE_LEDGER", "mysql://me:hunter2@there/it")
    found = look()["ledger"]
    assert not found.ok
    assert "hunter2" not in found.text + found.advice


def test_a_broken_file_of_limits_is_a_finding() -> None:
    assert look()["limits"].ok
    limits_file().write_text('{"per_day": "x"}')
    found = look()["limits"]
    assert not found.ok
    assert str(limits_file()) in found.text


def test_that_nothing_runs_the_guard_is_a_hint_where_something_is_rented(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nobody() -> GuardTimer:
        return GuardTimer(None, None)

    monkeypatch.setattr(doctor_rented, "timer_now", nobody)
    assert look()["guard"].advice == ""
    with Ledger.open() as ledger:
        ledger.wish("name:x", Order(), "a test", datetime.now(timezone.utc))
    guard = look()["guard"]
    assert (guard.ok, "jupyter gpu guard install" in guard.advice) == (True, True)
    assert "1 rented now" in look()["ledger"].text


def test_a_clock_that_is_wrong_by_what_clouds_say_is_told(own_home: Path) -> None:
    Ledger.open().close()
    assert "clock" not in look()
    dates.note(
        {"Date": format_datetime(datetime.now(timezone.utc) - timedelta(hours=5), usegmt=True)}, "vast", is_here=False
    )
    try:
        finding = look()["clock"]
    finally:
        dates.forget()
    assert not finding.ok
    assert "300 min ahead" in finding.text or "299 min ahead" in finding.text
