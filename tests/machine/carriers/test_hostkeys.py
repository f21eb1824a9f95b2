"""The file of confirmed keys, and reading other people's known_hosts."""

from __future__ import annotations

import stat
import threading
from pathlib import Path

import pytest

from jupyter_gpu_bridge.errors import BadRequest
from jupyter_gpu_bridge.machine.carriers.hostkeys import HostKey, forget, is_trusted, known, pin

ONE = HostKey("ssh-ed25519", b"\0\0\0\x0bssh-ed25519\0\0\0\x03one")
TWO = HostKey("ssh-rsa", b"\0\0\0\x07ssh-rsa\0\0\0\x03two")


def test_a_pinned_key_is_the_only_one_of_its_host(tmp_path: Path) -> None:
    file = tmp_path / "sub" / "confirmed"
    pin(file, "host", 22, ONE)
    pin(file, "host", 2222, TWO)
    pin(file, "other", 22, TWO)
    assert known([file], "host", 22) == (ONE,)
    pin(file, "host", 22, TWO)
    assert known([file], "host", 22) == (TWO,)
    assert known([file], "host", 2222) == (TWO,)
    assert forget(file, "host", 22)
    assert not forget(file, "host", 22)
    assert known([file], "host", 22) == ()
    assert known([file], "host", 2222) == known([file], "other", 22) == (TWO,)


def test_the_file_is_private_and_nothing_else_is_left_there(tmp_path: Path) -> None:
    file = tmp_path / "confirmed"
    pin(file, "host", 22, ONE)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert sorted(each.name for each in tmp_path.iterdir()) == ["confirmed", "confirmed.lock"]


def test_many_pins_at_once_are_all_kept(tmp_path: Path) -> None:
    file = tmp_path / "confirmed"
    threads = [threading.Thread(target=pin, args=(file, f"host{number}", 22, ONE)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert all(known([file], f"host{number}", 22) == (ONE,) for number in range(20))


def test_what_stands_in_the_file_besides_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "confirmed"
    file.write_text(f"# mine\nhost {ONE}\nfriend,host {ONE}\n")
    pin(file, "host", 22, TWO)
    assert file.read_text() == f"# mine\nfriend,host {ONE}\nhost {TWO}\n"


@pytest.mark.parametrize(
    ("patterns", "matches"),
    [
        ("gpu.example", True),
        ("GPU.example", True),
        ("*.example", True),
        ("gpu.exampl?", True),
        ("other,gpu.*", True),
        ("*,!gpu.example", False),
        ("!gpu.example,*", False),
        ("[gpu.example]:2222", False),
        ("gpu", False),
        ("gpu.example.org", False),
        ("|1|garbage", False),
        ("|1|AAAA|AAAA", False),
    ],
)
def test_patterns_are_read_as_ssh_reads_them(tmp_path: Path, patterns: str, matches: bool) -> None:
    file = tmp_path / "known"
    file.write_text(f"{patterns} {ONE} comment\n")
    assert is_trusted([file], "gpu.example", 22, ONE) is matches


def test_lines_that_make_no_sense_and_missing_files_are_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "known"
    file.write_bytes(f"\n#host {TWO}\nhost\nhost ssh-rsa !!\n@cert-authority host {TWO}\n\xff\nhost {ONE}\n".encode())
    assert known([tmp_path / "none", tmp_path, file], "host", 22) == (ONE,)


def test_a_key_reads_as_it_is_written() -> None:
    assert HostKey.parse(f"{ONE} somebody@somewhere") == ONE
    for nonsense in ("", "ssh-rsa", "ssh-rsa ???"):
        with pytest.raises(BadRequest):
            HostKey.parse(nonsense)
