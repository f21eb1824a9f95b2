from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from jupyter_gpu_bridge.model import AttemptId
from jupyter_gpu_bridge.rentals.installation import (
    InstallationId,
    former_ids,
    installation_id,
    machine_name,
    new_attempt_id,
    parse_machine_name,
)
from jupyter_gpu_bridge.settings import LEDGER_VARIABLE

AT_ONCE = """
import sys
from jupyter_gpu_bridge.rentals.installation import installation_id
print("ready", flush=True)
sys.stdin.readline()
print(installation_id())
"""


@pytest.fixture
def usual_home(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where Jupyter's own folders say where things are."""
    monkeypatch.delenv("JUPYTER_GPU_BRIDGE_HOME")
    return own_home


def test_it_stays_the_same_and_is_private(own_home: Path) -> None:
    found = installation_id()
    assert re.fullmatch("[a-z0-9]{8}", found)
    assert installation_id() == found
    file = own_home / "bridge" / "installation"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.unlink()
    assert installation_id() != found


def test_it_survives_the_loss_of_either_file(usual_home: Path) -> None:
    found = installation_id()
    data, copy = usual_home / "data" / "gpu-bridge", usual_home / "config" / "gpu-bridge-installation"
    shutil.rmtree(data)
    assert installation_id() == found
    copy.unlink()
    assert installation_id() == found
    assert (data / "installation").read_text().startswith(f"{found} ")
    assert re.fullmatch(rf"{found} [0-9a-f]{{12}}\n", copy.read_text())
    (data / "installation").write_text("")
    assert installation_id() == found


def test_settings_that_are_carried_to_another_computer_do_not_make_it_the_same(usual_home: Path) -> None:
    """Each would take the other's machines for its own, and end them."""
    found = installation_id()
    copy = usual_home / "config" / "gpu-bridge-installation"
    copy.write_text(f"{found} {'0' * 12}\n")
    shutil.rmtree(usual_home / "data" / "gpu-bridge")
    there = installation_id()
    assert there != found
    assert installation_id() == there
    assert copy.read_text().startswith(found), "what belongs to the other one is left to it"


def test_a_folder_that_is_copied_is_another_installation(usual_home: Path) -> None:
    """It would take the machines of the first one for its own, and end them."""
    found = installation_id()
    there = usual_home / "there"
    shutil.copytree(usual_home / "data" / "gpu-bridge", there)
    os.environ["JUPYTER_GPU_BRIDGE_HOME"] = str(there)
    try:
        other = installation_id()
        assert other != found
        assert (installation_id(), former_ids()) == (other, frozenset({found}))
    finally:
        del os.environ["JUPYTER_GPU_BRIDGE_HOME"]
    assert (installation_id(), former_ids()) == (found, frozenset())


def test_a_folder_of_another_computer_is_another_installation(usual_home: Path) -> None:
    found, main = installation_id(), usual_home / "data" / "gpu-bridge" / "installation"
    main.write_text(f"{found} {'0' * 12} 1 /home/ada/.local/share/jupyter/gpu-bridge\n")
    (usual_home / "config" / "gpu-bridge-installation").write_text(f"{found} {'0' * 12}\n")
    there = installation_id()
    assert there != found
    assert (installation_id(), former_ids()) == (there, frozenset({found}))


def test_a_container_that_has_another_name_each_time_keeps_what_is_its_own(usual_home: Path) -> None:
    """And so do all computers that see the same folder."""
    found, main = installation_id(), usual_home / "data" / "gpu-bridge" / "installation"
    main.write_text(f"{found} {'0' * 12} {main.parent.stat().st_ino} /some/where else\n")
    assert (installation_id(), former_ids()) == (found, frozenset())


def test_a_folder_that_is_restored_on_its_computer_is_the_same(usual_home: Path) -> None:
    found, data = installation_id(), usual_home / "data" / "gpu-bridge"
    shutil.copytree(data, usual_home / "backup")
    data.rename(usual_home / "broken")
    shutil.rmtree(usual_home / "broken")
    (usual_home / "taken").mkdir()
    shutil.copytree(usual_home / "backup", data)
    assert (installation_id(), former_ids()) == (found, frozenset())


def test_the_id_of_an_earlier_version_is_taken_over(usual_home: Path) -> None:
    found, main = installation_id(), usual_home / "data" / "gpu-bridge" / "installation"
    main.write_text(f"{found}\n")
    assert installation_id() == found
    assert len(main.read_text().split()) == 4


def test_a_home_that_was_chosen_keeps_to_itself(own_home: Path, usual_home: Path) -> None:
    usual = installation_id()
    os.environ["JUPYTER_GPU_BRIDGE_HOME"] = str(own_home / "chosen")
    try:
        assert installation_id() != usual
    finally:
        del os.environ["JUPYTER_GPU_BRIDGE_HOME"]


def test_without_a_copy_it_works_as_well(usual_home: Path) -> None:
    shutil.rmtree(usual_home / "config")
    (usual_home / "config").write_text("a file, where a folder should be")
    assert installation_id() == installation_id()


def test_an_id_that_cannot_be_read_is_not_replaced(own_home: Path) -> None:
    (own_home / "bridge" / "installation").mkdir()
    with pytest.raises(IsADirectoryError):
        installation_id()


@pytest.mark.timeout(60)
def test_however_many_ask_at_once_there_is_one(usual_home: Path) -> None:
    asking = [
        subprocess.Popen(
            [sys.executable, "-c", AT_ONCE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ
        )
        for _ in range(8)
    ]
    for each in asking:
        assert each.stdout is not None
        assert each.stdout.readline() == "ready\n"
    for each in asking:
        assert each.stdin is not None
        each.stdin.write("\n")
        each.stdin.flush()
    assert {each.communicate(timeout=30)[0] for each in asking} == {f"{installation_id()}\n"}


def test_a_machine_is_known_by_its_name() -> None:
    attempt = new_attempt_id()
    name = machine_name(InstallationId("ab12cd34"), attempt)
    assert re.fullmatch("[a-z0-9-]{1,60}", name)
    assert name.startswith("gpu-bridge-ab12cd34-")
    installation, beginning = parse_machine_name(name) or ("", "")
    assert installation == "ab12cd34"
    assert attempt.startswith(beginning)
    assert machine_name(InstallationId("ab12cd34"), new_attempt_id()) != name


def test_an_attempts_id_has_128_random_bits() -> None:
    assert re.fullmatch("[0-9a-f]{32}", new_attempt_id())


@pytest.mark.parametrize(
    "name",
    [
        "",
        "gpu-bridge",
        "gpu-bridge-box",
        "gpu-bridge-ab12cd34",
        "gpu-bridge-ab12cd34-",
        "gpu-bridge-ab12cd34-xyz123xyz123",
        "gpu-bridge-ab12cd3-0123456789ab",
        "gpu-bridge-ab12cd34-0123456789ab-2",
        "my-gpu-bridge-ab12cd34-0123456789ab",
        "gpu-bridge-ab12cd34-0123456789ab\n",
        "GPU-BRIDGE-AB12CD34-0123456789AB",
    ],
)
def test_a_name_that_we_did_not_give_is_nobodys(name: str) -> None:
    assert parse_machine_name(name) is None


def test_names_of_longer_and_shorter_ids_are_ours_as_well() -> None:
    for short in ("01234567", "0123456789abcdef", 32 * "0"):
        assert parse_machine_name(f"gpu-bridge-ab12cd34-{short}") == ("ab12cd34", AttemptId(short))


def test_each_ledger_has_an_installation_of_its_own(usual_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = installation_id()
    monkeypatch.setenv(LEDGER_VARIABLE, f"sqlite:///{usual_home}/other.db")
    other = installation_id()
    assert other != usual
    shutil.rmtree(usual_home / "data" / "gpu-bridge")
    assert installation_id() == other
    monkeypatch.setenv(LEDGER_VARIABLE, "postgresql://ada:secret@db.example/team")
    of_the_team = installation_id()
    assert of_the_team not in (usual, other)
    monkeypatch.setenv(LEDGER_VARIABLE, "postgresql://ada:changed@db.example/team")
    assert installation_id() == of_the_team


def test_the_usual_ledger_by_its_name_is_the_usual_one(usual_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = installation_id()
    monkeypatch.setenv(LEDGER_VARIABLE, f"sqlite:///{usual_home}/data/gpu-bridge/ledger.db")
    assert installation_id() == usual
