"""Telling locked keys from open ones, whatever format they have."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import pytest

from jupyter_gpu_bridge.machine.carriers.identities import is_encrypted, public_blob
from jupyter_gpu_bridge.machine.carriers.paramiko_keys import WrongPassphrase, file_key
from tests.sshd import program, public_half

pytestmark = pytest.mark.timeout(60)


def _make(path: Path, kind: str, form: str, passphrase: str) -> Path:
    argv = [program("ssh-keygen"), "-q", "-t", kind, "-m", form, "-N", passphrase, "-f", str(path)]
    subprocess.run(argv, check=True, timeout=20)
    return path


@pytest.mark.parametrize(
    ("kind", "form"),
    [
        ("ed25519", "RFC4716"),
        ("rsa", "RFC4716"),
        ("rsa", "PEM"),
        ("rsa", "PKCS8"),
        ("ecdsa", "PEM"),
        ("ecdsa", "PKCS8"),
    ],
)
def test_every_format_of_key_is_opened_with_its_passphrase_only(tmp_path: Path, kind: str, form: str) -> None:
    locked = _make(tmp_path / "locked", kind, form, "open sesame")
    blob = base64.b64decode(public_half(locked).split()[1])
    assert is_encrypted(locked)
    assert public_blob(locked) == blob
    assert file_key(locked, None) is None
    opened = file_key(locked, "open sesame")
    assert opened is not None
    assert opened.asbytes() == blob
    with pytest.raises(WrongPassphrase):
        file_key(locked, "open wheat")


def test_an_open_key_needs_no_passphrase_and_minds_none(tmp_path: Path) -> None:
    key = _make(tmp_path / "open", "ed25519", "RFC4716", "")
    assert not is_encrypted(key)
    for passphrase in (None, "whatever"):
        assert file_key(key, passphrase) is not None


def test_the_public_half_is_found_without_the_file_beside(tmp_path: Path) -> None:
    locked = _make(tmp_path / "locked", "ed25519", "RFC4716", "open sesame")
    blob = public_blob(locked)
    locked.with_name("locked.pub").unlink()
    assert public_blob(locked) == blob is not None


def test_what_is_no_key_is_no_key(tmp_path: Path) -> None:
    for number, text in enumerate(["", "hello", "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END", "\0" * 99]):
        file = tmp_path / str(number)
        file.write_text(text)
        assert not is_encrypted(file)
        assert public_blob(file) is None
        assert file_key(file, "x") is None
    assert not is_encrypted(tmp_path / "missing")
    assert file_key(tmp_path / "missing", None) is None
