"""The file is private from its first byte on, or it is not used; and what writes it at once loses nothing."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from jupyter_gpu_bridge import keys
from jupyter_gpu_bridge.errors import KeyUnreadable
from jupyter_gpu_bridge.keys import RUNPOD
from jupyter_gpu_bridge.keys.file import KeyFile

CANARY = "canary-0123456789"


def test_keys_lie_in_a_file_that_nobody_else_can_read(home: Path) -> None:
    before = os.umask(0)
    try:
        KeyFile().put("vast", CANARY)
        KeyFile().put("runpod", "another")
    finally:
        os.umask(before)
    assert (KeyFile().get("vast"), KeyFile().get("runpod"), KeyFile().get("lambda")) == (CANARY, "another", None)
    holding = [each for each in home.rglob("*") if each.is_file() and CANARY.encode() in each.read_bytes()]
    assert holding == [KeyFile().path]
    assert stat.S_IMODE(KeyFile().path.stat().st_mode) == 0o600


def test_the_file_has_no_moment_at_which_others_could_read_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    real = os.replace

    def replace(source: str, target: Path) -> None:
        seen.append(stat.S_IMODE(os.stat(source).st_mode))
        real(source, target)

    monkeypatch.setattr(os, "replace", replace)
    KeyFile().put("vast", CANARY)
    assert seen == [0o600]


def _readable(path: Path) -> None:
    path.chmod(0o640)


def _writable(path: Path) -> None:
    path.chmod(0o602)


def _no_json(path: Path) -> None:
    path.write_text(path.read_text()[:-4])


def _no_text(path: Path) -> None:
    path.write_bytes(b"\xff" + path.read_bytes())


def _deep(path: Path) -> None:
    path.write_text("[" * 200_000)


def _no_object(path: Path) -> None:
    path.write_text(json.dumps([CANARY]))


def _no_key(path: Path) -> None:
    path.write_text(json.dumps({"version": 1, "keys": {"vast": CANARY, "lambda": {"key": CANARY}}}))


def _newer(path: Path) -> None:
    path.write_text(json.dumps({"version": 2, "keys": {"vast": CANARY}}))


def _huge(path: Path) -> None:
    path.write_text(json.dumps({"version": 1, "keys": {"vast": CANARY}}) + " " * (1 << 20))


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir(mode=0o700)


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path, 0o600)


def _round(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)


def _readable_elsewhere(path: Path) -> None:
    elsewhere = path.rename(path.with_name("elsewhere"))
    elsewhere.chmod(0o644)
    path.symlink_to(elsewhere)


BAD: list[tuple[Callable[[Path], None], str]] = [
    (_readable, "others can read"), (_writable, "others can read or change"), (_no_json, "holds no keys"),
    (_no_text, "holds no keys"), (_deep, "holds no keys"), (_no_object, "holds no keys"),
    (_no_key, "not every key in it is a text"), (_newer, "another version"), (_huge, "too large"),
    (_folder, "no file"), (_pipe, "no file"), (_round, "cannot be opened"), (_readable_elsewhere, "others can read"),
]  # fmt: skip


@pytest.mark.parametrize(("spoil", "why"), BAD, ids=[spoil.__name__ for spoil, _ in BAD])
def test_a_bad_file_is_not_used_and_not_changed_and_the_error_says_what_to_do(
    spoil: Callable[[Path], None], why: str
) -> None:
    KeyFile().put("vast", CANARY)
    path = KeyFile().path
    spoil(path)
    before = path.lstat()
    for use in (lambda: KeyFile().get("vast"), lambda: KeyFile().put("runpod", "x"), lambda: KeyFile().remove("vast")):
        with pytest.raises(KeyUnreadable, match=why) as caught:
            use()
        shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value.__context__)
        assert CANARY not in shown
        assert str(path) in caught.value.what
        assert "chmod 600" in caught.value.advice or "jupyter gpu keys set" in caught.value.advice
    held = keys.held(keys.VAST)
    assert held.key is None
    assert held.is_certain
    assert why in held.troubles[0].what
    assert path.lstat() == before


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file away")
@pytest.mark.parametrize("linked", [False, True])
def test_a_file_of_somebody_else_is_not_used(linked: bool, home: Path) -> None:
    KeyFile().put("vast", CANARY)
    path = KeyFile().path
    if linked:
        path.symlink_to(path.rename(home.parent / "theirs.json"))
    os.chown(path, 12345, 12345)
    with pytest.raises(KeyUnreadable, match="belongs to another user"):
        KeyFile().get("vast")


def test_a_link_to_a_private_file_of_one_s_own_stays_one(home: Path) -> None:
    KeyFile().put("vast", CANARY)
    path = KeyFile().path
    own = path.rename(home.parent / "mine.json")
    path.symlink_to(own)
    KeyFile().put("runpod", "another")
    assert path.is_symlink()
    assert (KeyFile().get("vast"), KeyFile().get("runpod")) == (CANARY, "another")
    assert KeyFile().remove("vast")
    assert not KeyFile().remove("vast")
    assert CANARY not in own.read_text()


def test_processes_that_write_at_once_do_not_clobber_each_other() -> None:
    code = (
        "import sys\n"
        "from jupyter_gpu_bridge.keys.file import KeyFile\n"
        "sys.stdin.readline()\n"
        "for number in range(40):\n"
        "    KeyFile().put(f'{sys.argv[1]}-{number}', 'x')\n"
    )
    writers = [
        subprocess.Popen([sys.executable, "-c", code, name], stdin=subprocess.PIPE, text=True)
        for name in ("one", "two")
    ]
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.close()
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0]
    names = {f"{name}-{number}" for name in ("one", "two") for number in range(40)}
    assert set(json.loads(KeyFile().path.read_text())["keys"]) == names


def test_a_folder_that_is_not_ours_is_a_trouble_and_no_crash(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "blocked").write_text("")
    monkeypatch.setenv("JUPYTER_GPU_BRIDGE_HOME", str(home / "blocked"))
    held = keys.held(RUNPOD)
    assert held.key is None
    assert "cannot be read" in held.troubles[0].what
