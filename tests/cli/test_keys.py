"""`jupyter gpu keys`, as the command that people and scripts run: the key is seen nowhere but where it belongs."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.bridges import ScriptedBridge
from tests.cli import acme
from tests.cli.calls import Call
from tests.keys import rings
from tests.renting import A100

CANARY = "canary-0123456789-wxyz"
REPOSITORY = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "jupyter_gpu_bridge.cli", "keys")

pytestmark = pytest.mark.timeout(90)


@dataclass(frozen=True)
class Done:
    status: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        assert self.err == ""
        return json.loads(self.out)


@dataclass(frozen=True)
class World:
    home: Path
    cloud: acme.Cloud

    @property
    def file(self) -> Path:
        return self.home / "bridge" / "provider-keys.json"

    def keys(self, *words: str, given: bytes = b"", ring: str = "", **environment: str) -> Done:
        if ring:
            environment["PYTHON_KEYRING_BACKEND"] = ring
        done = subprocess.run(
            [*COMMAND, *words], input=given, capture_output=True, timeout=60, env={**os.environ, **environment}
        )
        out, err = done.stdout.decode(), done.stderr.decode()
        assert CANARY not in out + err
        assert "Traceback" not in err
        return Done(done.returncode, out, err)

    def holding(self) -> list[Path]:
        """The files of this home that have the key in them."""
        files = [each for each in self.home.rglob("*") if each.is_file()]
        return [each for each in files if CANARY.encode() in each.read_bytes()]


@pytest.fixture
def world(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    acme.install(own_home / "packages")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(own_home / "packages"), str(REPOSITORY)]))
    monkeypatch.setenv(rings.FOLDER, str(own_home / "ring"))
    (own_home / "ring").mkdir()
    with acme.cloud() as cloud:
        monkeypatch.setenv("ACME_BASE_URL", cloud.address)
        yield World(own_home, cloud)


def test_a_key_is_set_shown_by_its_end_tested_and_removed(world: World) -> None:
    set_ = world.keys("set", "acme", given=f" {CANARY}\n".encode())
    assert set_.status == 0
    assert f"is in the file {world.file} now" in set_.out
    assert world.holding() == [world.file]
    listed = world.keys("list")
    assert [line.split() for line in listed.out.splitlines() if line.startswith("acme")] == [
        ["acme", "the", "file", str(world.file), "...wxyz"]
    ]
    world.cloud.says = {"title": "ada@acme.example", "balance": "12.345"}
    tested = world.keys("test", "acme")
    assert tested.status == 0
    assert "ada@acme.example" in tested.out
    assert "$12.3" in tested.out
    assert world.cloud.heard == [f"Bearer {CANARY}"]
    removed = world.keys("remove", "acme")
    assert removed.status == 0
    assert str(world.file) in removed.out
    assert world.holding() == []
    assert "No key of acme was stored." in world.keys("remove", "acme").out
    assert world.keys("test", "acme").status == 1


def test_programs_get_the_same_in_json(world: World) -> None:
    source = {"kind": "file", "name": str(world.file)}
    assert world.keys("set", "acme", "--json", given=CANARY.encode()).data == {
        "provider": "acme", "source": source, "last": "wxyz", "notes": [],
    }  # fmt: skip
    (of_acme,) = [each for each in world.keys("--json", "list").data["keys"] if each["provider"] == "acme"]
    assert of_acme == {
        "provider": "acme", "source": source, "last": "wxyz", "variables": ["ACME_API_KEY"], "troubles": [],
    }  # fmt: skip
    world.cloud.says = {"title": "ada", "balance": "0.000001"}
    assert world.keys("test", "acme", "--json").data == {
        "provider": "acme", "title": "ada", "balance": "0.000001", "source": source,
    }  # fmt: skip
    removed = world.keys("remove", "acme", "--json", ACME_API_KEY=CANARY).data
    assert removed["removed"] == [source]
    assert removed["left"] == {"kind": "environment", "name": "ACME_API_KEY"}


def test_a_provider_that_takes_no_key_is_told_from_one_that_cannot_be_loaded(world: World) -> None:
    assert "takes no key" in world.keys("set", "sandbox", given=b"a-key").err
    (world.home / "packages" / "acme_cloud.py").write_text("import a_package_that_is_not_there\n")
    assert "cannot be loaded" in world.keys("set", "acme", given=b"a-key").err
    assert world.keys("list").status == 0


def test_the_keyring_is_used_where_there_is_one(world: World) -> None:
    ring = "tests.keys.rings.Working"
    assert "is in the keyring (rings Working) now" in world.keys("set", "acme", given=CANARY.encode(), ring=ring).out
    assert world.holding() == [world.home / "ring" / "ring.json"]
    world.cloud.says = {"title": "ada"}
    assert "The key from the keyring (rings Working) is good" in world.keys("test", "acme", ring=ring).out
    assert world.keys("remove", "acme", ring=ring).status == 0
    assert world.holding() == []


@pytest.mark.parametrize("kind", ["Locked", "Broken", "Hanging"])
def test_a_keyring_in_trouble_is_told_of_and_holds_nobody_up(kind: str, world: World) -> None:
    world.keys("set", "acme", given=CANARY.encode())
    began = time.monotonic()
    listed = world.keys("list", ring=f"tests.keys.rings.{kind}")
    assert time.monotonic() - began < 15
    assert listed.status == 0
    assert "The system's keyring" in listed.err
    assert "...wxyz" in listed.out


def test_a_back_end_that_is_not_there_is_told_of(world: World) -> None:
    listed = world.keys("list", ring="no.such.Backend")
    assert listed.status == 0
    assert "The system's keyring fails (ModuleNotFoundError)" in listed.err


def test_a_key_in_the_environment_only_is_said_to_be_of_no_use_to_the_guard(world: World) -> None:
    first = world.keys("list", ACME_API_KEY=CANARY, VAST_API_KEY=CANARY)
    assert first.status == 0
    assert first.err.count("in this environment only") == 1
    assert "jupyter gpu keys set acme and jupyter gpu keys set vast" in first.err
    set_ = world.keys("set", "acme", given=CANARY.encode(), ACME_API_KEY=CANARY)
    assert "ACME_API_KEY is set in this environment" in set_.err
    assert world.keys("list", ACME_API_KEY=CANARY).err == ""


def test_rent_and_guard_install_say_once_which_key_the_guard_will_not_have(
    bridge: ScriptedBridge, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    bridge.offers = [replace(A100, provider="runpod", is_pretend=False)]
    rent, install = ("rent", "--provider", "runpod"), ("guard", "install")
    assert "in this environment only" not in call(*rent).err + call(*install).err
    monkeypatch.setenv("RUNPOD_API_KEY", CANARY)
    monkeypatch.setenv("VAST_API_KEY", CANARY)
    rented, installed = call(*rent), call(*install)
    assert rented.status == 1, "nobody has agreed to it"
    assert rented.err.count("The key of runpod is in this environment only") == 1
    assert "jupyter gpu keys set runpod" in rented.err
    assert installed.err.count("The keys of runpod and vast are in this environment only") == 1
    assert "jupyter gpu keys set runpod and jupyter gpu keys set vast" in call(*install, "--json").data["note"]
    assert CANARY not in rented.err + rented.out + installed.err + installed.out


@pytest.mark.parametrize(
    ("status", "code", "says"),
    [
        (401, "key-bad", "mistyped, revoked"),
        (403, "key-forbidden", "does not allow"),
        (402, "key-unfunded", "has no money"),
    ],
)
def test_each_kind_of_bad_key_is_told_apart_with_its_next_step(status: int, code: str, says: str, world: World) -> None:
    world.cloud.status, world.cloud.says = status, {"message": "not KEY"}
    tested = world.keys("test", "acme", ACME_API_KEY=CANARY)
    assert tested.status == 1
    assert says in tested.err
    if status == 402:
        assert "pay some in" in tested.err
    else:
        assert "Make one at acme.example. Then: jupyter gpu keys set acme, and take ACME_API_KEY away" in tested.err
    in_json = world.keys("test", "acme", "--json", ACME_API_KEY=CANARY)
    assert in_json.data["error"] == code
    assert world.holding() == []


def test_without_a_key_it_is_said_how_to_give_one(world: World) -> None:
    tested = world.keys("test", "acme")
    assert tested.status == 1
    assert "Make one at acme.example. Then: jupyter gpu keys set acme" in tested.err
    assert world.keys("test", "acme", "--json").data["error"] == "key-missing"
    assert world.cloud.heard == []


def test_a_provider_that_cannot_be_asked_says_nothing_of_the_key(world: World) -> None:
    tested = world.keys("test", "acme", "--json", ACME_API_KEY=CANARY, ACME_BASE_URL="http://127.0.0.1:1")
    assert json.loads(tested.out)["error"] == "unclear"


@pytest.mark.parametrize(
    "given", [b"", b" \n", f"{CANARY}\n{CANARY}".encode(), f"{CANARY}\xe9".encode("latin-1"), b"\xff" + CANARY.encode()]
)
def test_what_can_be_no_key_is_refused(given: bytes, world: World) -> None:
    done = world.keys("set", "acme", given=given)
    assert done.status == 1
    assert "That is no key" in done.err
    assert not world.file.exists()


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("set", "acme", CANARY), 2),
        (("set", CANARY), 1),
        (("set", "acme", f"--key={CANARY}"), 2),
        (("set", "acme", "--key", CANARY), 2),
        (("set", f"--{CANARY}", "acme"), 2),
        (("--json", "set", "acme", CANARY), 2),
        (("test", CANARY), 1),
        (("remove", CANARY), 1),
    ],
)
def test_a_key_is_not_taken_from_an_argument_and_not_repeated(
    words: tuple[str, ...], status: int, world: World
) -> None:
    done = world.keys(*words, given=b"another-key")
    assert done.status == status
    assert not world.file.exists()


def test_a_bad_file_is_named_by_list_set_and_doctor(world: World) -> None:
    world.keys("set", "acme", given=CANARY.encode())
    world.file.chmod(0o644)
    listed = world.keys("list")
    assert listed.status == 1
    assert listed.err.count(f"chmod 600 {world.file}") == 1
    assert "chmod 600" in world.keys("set", "vast", given=b"another-key").err
    doctor = subprocess.run(
        [sys.executable, "-m", "jupyter_gpu_bridge.cli", "doctor"], capture_output=True, text=True, timeout=60
    )
    assert [line for line in doctor.stdout.splitlines() if line.startswith("WRONG  keys:")] == [
        f"WRONG  keys: The file of keys {world.file} is not used, because others can read or change it."
    ]
    assert CANARY not in doctor.stdout + doctor.stderr


def test_two_processes_that_set_keys_at_once_do_not_clobber_each_other(world: World) -> None:
    providers = ("acme", "lambda", "runpod", "vast")
    setters = [subprocess.Popen([*COMMAND, "set", each], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
               for each in providers]  # fmt: skip
    for setter, provider in zip(setters, providers, strict=True):
        setter.communicate(f"key-of-{provider}".encode(), timeout=60)
    assert json.loads(world.file.read_text())["keys"] == {each: f"key-of-{each}" for each in providers}


_SIT_DOWN = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"


@pytest.fixture
def terminal(world: World) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A process that sits at a terminal of its own, and that terminal."""
    ours, its = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", _SIT_DOWN, *COMMAND, "set", "acme"],
        stdin=its, stdout=its, stderr=its, start_new_session=True,
    )  # fmt: skip
    os.close(its)
    try:
        yield process, ours
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def _read_until(ours: int, words: bytes, shown: bytes = b"") -> bytes:
    give_up = time.monotonic() + 30
    while words not in shown and time.monotonic() < give_up:
        if select.select([ours], [], [], 0.2)[0]:
            try:
                shown += os.read(ours, 4096)
            except OSError:  # the other side is closed
                break
    assert words in shown, shown
    return shown


def test_what_is_typed_at_a_terminal_is_not_shown_and_is_no_argument(
    world: World, terminal: tuple[subprocess.Popen[bytes], int]
) -> None:
    process, ours = terminal
    shown = _read_until(ours, b"Key of acme (it is not shown): ")
    assert b"Make one at acme.example." in shown
    assert CANARY not in " ".join(psutil.Process(process.pid).cmdline())
    os.write(ours, f"{CANARY}\n".encode())
    shown = _read_until(ours, b"keys test acme", shown)
    assert CANARY.encode() not in shown
    assert process.wait(timeout=30) == 0
    assert world.holding() == [world.file]


def test_ctrl_c_ends_the_question_at_once(world: World, terminal: tuple[subprocess.Popen[bytes], int]) -> None:
    process, ours = terminal
    _read_until(ours, b"(it is not shown): ")
    os.write(ours, b"\x03")
    _read_until(ours, b"Interrupted")
    assert process.wait(timeout=30) == 130
    assert not world.file.exists()
