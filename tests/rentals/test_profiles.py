from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from jupyter_client.kernelspec import KernelSpecManager

from jupyter_gpu_bridge.errors import BadRequest, HostUnknown, ProfileUnknown
from jupyter_gpu_bridge.model import Host, MachineRef, Profile
from jupyter_gpu_bridge.naming import kernel_name, profile_name
from jupyter_gpu_bridge.providers.hosts import Hosts
from jupyter_gpu_bridge.providers.local import THIS_COMPUTER
from jupyter_gpu_bridge.rentals.profiles import Profiles, is_ours

BOX = Profile(
    name="box",
    machine=MachineRef("ssh", "box"),
    display_name="The box",
    python="/opt/conda/bin/python",
    folder="~/project",
    environment=(("CUDA_VISIBLE_DEVICES", "0"), ("HF_TOKEN", None), ("TOKENIZERS_PARALLELISM", "false")),
    keep=True,
)


@pytest.fixture
def profiles(own_home: Path) -> Profiles:
    Hosts().add(Host("box", "gpu"))
    return Profiles()


def test_a_profile_is_read_back_as_it_was_written(profiles: Profiles) -> None:
    folder = profiles.add(BOX)
    assert folder.name == kernel_name("box") == "gpu-bridge-box"
    assert profile_name(folder.name) == "box"
    assert profiles.list() == [BOX]
    assert profiles.get("box") == BOX


def test_jupyter_finds_it_as_a_kernelspec_with_icons(profiles: Profiles) -> None:
    folder = profiles.add(BOX)
    spec = json.loads((folder / "kernel.json").read_text())
    assert KernelSpecManager().find_kernel_specs()["gpu-bridge-box"] == str(folder)
    assert spec["display_name"] == "The box"
    assert spec["interrupt_mode"] == "message"
    assert spec["env"] == {}
    assert spec["metadata"]["debugger"] is True
    assert is_ours(spec["metadata"])
    assert spec["metadata"]["kernel_provisioner"]["config"] == {
        "machine": "ssh:box",
        "python": "/opt/conda/bin/python",
        "folder": "~/project",
        "environment": {"CUDA_VISIBLE_DEVICES": "0", "HF_TOKEN": None, "TOKENIZERS_PARALLELISM": "false"},
        "keep": True,
    }
    assert (folder / "logo-64x64.png").read_bytes().startswith(b"\x89PNG")
    assert ElementTree.parse(folder / "logo-svg.svg").getroot().tag.endswith("svg")  # noqa: S314 - our own file


def test_adding_again_replaces_it_under_the_same_name(profiles: Profiles) -> None:
    profiles.add(BOX)
    profiles.add(Profile("box", THIS_COMPUTER))
    assert profiles.get("box") == Profile("box", THIS_COMPUTER, "box (GPU bridge)")
    assert len(KernelSpecManager().find_kernel_specs().keys() & {"gpu-bridge-box"}) == 1


def test_a_profile_for_a_machine_that_is_not_there_is_refused(profiles: Profiles) -> None:
    with pytest.raises(HostUnknown, match="Did you mean 'box'"):
        profiles.add(Profile("a", MachineRef("ssh", "boxx")))
    with pytest.raises(BadRequest, match="no machine 'locall'"):
        profiles.add(Profile("a", MachineRef("locall")))
    assert profiles.list() == []


@pytest.mark.parametrize(
    "name", ["HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "OPENAI_API_KEY", "PGPASSWORD", "apikey", "DB_PASS", "MY_SECRETS"]
)
def test_a_secret_is_refused_and_the_advice_says_how_to_pass_it_on(profiles: Profiles, name: str) -> None:
    with pytest.raises(BadRequest) as refusal:
        profiles.add(Profile("a", THIS_COMPUTER, environment=((name, "hunter2"),)))
    assert "hunter2" not in str(refusal.value)
    assert f"--env {name}" in refusal.value.advice
    assert profiles.list() == []


@pytest.mark.parametrize("name", ["", "1A", "A-B", "A B", "A=B"])
def test_a_variable_needs_a_proper_name(profiles: Profiles, name: str) -> None:
    with pytest.raises(BadRequest):
        profiles.add(Profile("a", THIS_COMPUTER, environment=((name, "1"),)))


@pytest.mark.parametrize("name", ["A", "a b", "../a", "", "-a"])
def test_a_profile_needs_a_name_that_a_kernelspec_can_bear(profiles: Profiles, name: str) -> None:
    with pytest.raises(BadRequest):
        profiles.add(Profile(name, THIS_COMPUTER))


def test_removing_leaves_nothing_and_touches_nobody_else(profiles: Profiles, own_home: Path) -> None:
    other = own_home / "data" / "kernels" / "gpu-bridge-other"
    other.mkdir(parents=True)
    (other / "kernel.json").write_text(json.dumps({"argv": ["x"], "display_name": "x", "metadata": {}}))
    folder = profiles.add(BOX)
    profiles.remove("box")
    assert not folder.exists()
    with pytest.raises(ProfileUnknown):
        profiles.remove("other")
    with pytest.raises(BadRequest, match="not one of ours"):
        profiles.add(Profile("other", THIS_COMPUTER))
    assert (other / "kernel.json").exists()


def test_profiles_of_the_environment_are_listed_but_not_removed(
    profiles: Profiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = profiles.add(BOX)
    shared = tmp_path / "shared" / "kernels" / folder.name
    shared.parent.mkdir(parents=True)
    folder.rename(shared)
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "shared"))
    assert profiles.list() == [BOX]
    with pytest.raises(BadRequest, match="not made by you"):
        profiles.remove("box")
    assert shared.exists()


@pytest.mark.parametrize(
    ("key", "value"), [("colour", "red"), ("machine", None), ("keep", "yes"), ("environment", {"KEY": "x"})]
)
def test_a_broken_profile_is_reported_and_hides_no_other(profiles: Profiles, key: str, value: object) -> None:
    profiles.add(Profile("good", THIS_COMPUTER))
    file = profiles.add(BOX) / "kernel.json"
    spec = json.loads(file.read_text())
    spec["metadata"]["kernel_provisioner"]["config"][key] = value
    file.write_text(json.dumps(spec))
    assert [profile.name for profile in profiles.list()] == ["good"]
    assert [broken.folder for broken in profiles.broken()] == [file.parent]
    profiles.remove("box")
    assert profiles.broken() == []


@pytest.mark.timeout(30)
def test_a_client_that_ignores_the_provisioner_is_told_what_to_do(profiles: Profiles) -> None:
    spec = json.loads((profiles.add(BOX) / "kernel.json").read_text())
    argv = [word.replace("{connection_file}", "/nowhere.json") for word in spec["argv"]]
    assert argv[0] == sys.executable
    done = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 1
    assert "Existing Jupyter Server" in done.stderr
    assert "Traceback" not in done.stderr
