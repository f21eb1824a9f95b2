"""Host keys: the ones confirmed by the user, in a known_hosts file of our own, and what any known_hosts file says."""

from __future__ import annotations

import base64
import binascii
import contextlib
import fcntl
import hashlib
import hmac
import os
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from jupyter_gpu_bridge.errors import BadRequest

_STANDARD_PORT = 22


@dataclass(frozen=True, slots=True)
class HostKey:
    """A public key of a server."""

    kind: str
    blob: bytes

    @classmethod
    def parse(cls, text: str) -> HostKey:
        """From `TYPE BASE64`, as in known_hosts and in the details of errors."""
        try:
            kind, encoded = text.split()[:2]
            return cls(kind, base64.b64decode(encoded, validate=True))
        except (ValueError, binascii.Error):
            raise BadRequest(f"“{text}” is not a host key.", advice="A key reads `ssh-ed25519 AAAA...`.") from None

    def __str__(self) -> str:
        return f"{self.kind} {base64.b64encode(self.blob).decode()}"

    @property
    def fingerprint(self) -> str:
        """As `ssh-keygen -l` prints it."""
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip("=")

    @property
    def algorithms(self) -> tuple[str, ...]:
        """What to ask a server for to be shown this key."""
        return ("rsa-sha2-512", "rsa-sha2-256") if self.kind == "ssh-rsa" else (self.kind,)


def known(files: Iterable[Path], host: str, port: int) -> tuple[HostKey, ...]:
    """The keys that these files vouch for; revoked ones are left out, and certificate authorities are not keys."""
    good, bad = _marked(files, host, port)
    return tuple(key for key in good if key not in bad)


def is_revoked(files: Iterable[Path], host: str, port: int, key: HostKey) -> bool:
    """Whether one of the files says of this key that it must not be believed any more."""
    return key in _marked(files, host, port)[1]


def is_trusted(files: Iterable[Path], host: str, port: int, key: HostKey) -> bool:
    """Whether this very key is known there."""
    return key in trusted(files, host, port)


def trusted(files: Iterable[Path], host: str, port: int) -> tuple[HostKey, ...]:
    """Every key that the host may show; as in ssh, one noted without a port is good for every port."""
    files = tuple(files)
    found = dict.fromkeys([*known(files, host, port), *known(files, host, _STANDARD_PORT)])
    return tuple(key for key in found if not is_revoked(files, host, port, key))


def pin(file: Path, host: str, port: int, key: HostKey) -> None:
    """From now on this key, and no other, is the host's."""
    name = lookup_name(host, port)
    with _rewriting(file) as lines:
        lines[:] = [line for line in lines if not _is_of(line, name)]
        lines.append(f"{name} {key}")


def forget(file: Path, host: str, port: int) -> bool:
    """Whether there was anything to forget."""
    name = lookup_name(host, port)
    with _rewriting(file) as lines:
        before = len(lines)
        lines[:] = [line for line in lines if not _is_of(line, name)]
        return len(lines) < before


def lookup_name(host: str, port: int) -> str:
    return host if port == _STANDARD_PORT else f"[{host}]:{port}"


def _marked(files: Iterable[Path], host: str, port: int) -> tuple[list[HostKey], list[HostKey]]:
    """Keys that are vouched for, and keys that are revoked, each once and in the order of the files."""
    name = lookup_name(host, port)
    good: dict[HostKey, None] = {}
    bad: dict[HostKey, None] = {}
    for marker, patterns, key in _entries(files):
        if marker in ("", "@revoked") and _matches(patterns, name):
            (bad if marker else good).setdefault(key)
    return list(good), list(bad)


def _entries(files: Iterable[Path]) -> Iterator[tuple[str, str, HostKey]]:
    """Marker (or nothing), patterns, key of each line that can be understood."""
    for file in files:
        try:
            lines = file.read_text(errors="replace").splitlines()
        except OSError:
            continue
        for line in lines:
            words = line.split()
            marker = words.pop(0) if words and words[0].startswith("@") else ""
            if len(words) < 3 or words[0].startswith("#"):
                continue
            with contextlib.suppress(BadRequest):
                yield marker, words[0], HostKey.parse(f"{words[1]} {words[2]}")


def _matches(patterns: str, name: str) -> bool:
    if patterns.startswith("|1|"):
        return _matches_hash(patterns, name)
    good = False
    for pattern in patterns.lower().split(","):
        # In known_hosts only `*` and `?` are special; brackets belong to a port.
        wanted = pattern.removeprefix("!").replace("[", "[[]")
        if fnmatchcase(name.lower(), wanted):
            if pattern.startswith("!"):
                return False
            good = True
    return good


def _matches_hash(pattern: str, name: str) -> bool:
    try:
        _, _, salt, digest = pattern.split("|")
        wanted = base64.b64decode(digest)
        found = hmac.new(base64.b64decode(salt), name.lower().encode(), hashlib.sha1).digest()
    except (ValueError, binascii.Error):
        return False
    return hmac.compare_digest(found, wanted)


def _is_of(line: str, name: str) -> bool:
    return line.split(" ", 1)[0] == name


@contextlib.contextmanager
def _rewriting(file: Path) -> Iterator[list[str]]:
    """The lines, to change; written back as a whole, and by one process at a time."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = os.open(file.with_name(file.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lines = file.read_text().splitlines() if file.exists() else []
        yield lines
        descriptor, fresh = tempfile.mkstemp(dir=file.parent, prefix=file.name + ".")  # mkstemp makes it 0600
        try:
            with os.fdopen(descriptor, "w") as out:
                out.writelines(line + "\n" for line in lines)
                out.flush()
                os.fsync(out.fileno())
            os.replace(fresh, file)
        except BaseException:
            os.unlink(fresh)
            raise
    finally:
        os.close(lock)
