"""A real OpenSSH server under the current user on 127.0.0.1, with keys and a port of its own, that can be killed."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

import psutil

from tests.ports import free_port

_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin", "/usr/local/bin"])
_DEADLINE = 15.0


def program(name: str) -> str:
    """The full path of one of OpenSSH's programs."""
    found = shutil.which(name, path=_PATH)
    if found is None:
        raise RuntimeError(f"{name} is not installed: the tests need openssh-server and openssh-client")
    return found


def make_key(path: Path, kind: str = "ed25519", passphrase: str = "") -> Path:
    """A new key pair `path` and `path.pub`; replaces what was there."""
    for old in (path, path.with_name(path.name + ".pub")):
        old.unlink(missing_ok=True)
    argv = [program("ssh-keygen"), "-q", "-t", kind, "-N", passphrase, "-C", "test", "-f", str(path)]
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, timeout=_DEADLINE)
    return path


def certify(key: Path, authority: Path, user: str) -> None:
    """A certificate beside a key pair, with which the authority vouches for the user."""
    argv = [program("ssh-keygen"), "-q", "-s", str(authority), "-I", "test", "-n", user, f"{key}.pub"]
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, timeout=_DEADLINE)


def public_half(key: Path) -> str:
    """`TYPE BASE64` of a key pair."""
    return " ".join(key.with_name(key.name + ".pub").read_text().split()[:2])


class Sshd:
    """One server. `start` returns when it listens; `stop` kills it and every session of it, so its port refuses.

    What a session started and detached in a session of its own (as the agent does) is not the server's and lives on.
    """

    def __init__(
        self,
        folder: Path,
        *,
        host_key_kind: str = "ed25519",
        banner: str = "",
        environment: Mapping[str, str] | None = None,
        options: Sequence[str] = (),
    ) -> None:
        self.folder = folder
        self.port = free_port()
        self.user = getpass.getuser()
        self.host_key = folder / "host_key"
        self.identity = folder / "identity"
        """A private key that may enter."""
        self.log: list[str] = []
        self._authorized = folder / "authorized_keys"
        self._banner = banner
        self._environment = dict(environment or {})
        self._options = tuple(options)
        self._process: subprocess.Popen[str] | None = None
        self._settled = threading.Event()
        self._listening = False
        self._reader: threading.Thread | None = None
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        make_key(self.host_key, host_key_kind)
        make_key(self.identity)
        self.authorize(self.identity)

    def __enter__(self) -> Sshd:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # what it accepts -----------------------------------------------------------------------------------------------

    def authorize(self, key: Path) -> None:
        """Let the holder of this key in as well, from now on."""
        with self._authorized.open("a") as file:
            file.write(public_half(key) + "\n")
        self._authorized.chmod(0o600)

    def replace_host_key(self, kind: str = "ed25519") -> None:
        """Another host key, as after a reinstallation; takes effect with the next `start`."""
        make_key(self.host_key, kind)

    # what a client needs -------------------------------------------------------------------------------------------

    @property
    def host_key_line(self) -> str:
        """`TYPE BASE64` of the present host key."""
        return public_half(self.host_key)

    @property
    def fingerprint(self) -> str:
        """`SHA256:...` of the present host key, as its owner would read it out."""
        argv = [program("ssh-keygen"), "-l", "-E", "sha256", "-f", f"{self.host_key}.pub"]
        said = subprocess.run(argv, check=True, capture_output=True, text=True, timeout=_DEADLINE).stdout
        return said.split()[1]

    def known_hosts_line(self, port: int | None = None) -> str:
        """The line that vouches for this server, or for it as seen through a proxy on another port."""
        return f"[127.0.0.1]:{port or self.port} {self.host_key_line}"

    def ssh_config(self, path: Path, alias: str, *, port: int | None = None, also: Sequence[str] = ()) -> Path:
        """Append to an ssh_config a host `alias` that is this server, verified against a known_hosts file beside it."""
        known_hosts = path.with_name(path.name + ".known_hosts")
        with known_hosts.open("a") as file:
            file.write(self.known_hosts_line(port) + "\n")
        lines = [
            f"Host {alias}",
            "HostName 127.0.0.1",
            f"Port {port or self.port}",
            f"User {self.user}",
            f"IdentityFile {self.identity}",
            "IdentitiesOnly yes",
            f"UserKnownHostsFile {known_hosts}",
            *also,
        ]
        with path.open("a") as file:
            file.write("\n  ".join(lines) + "\n\n")
        return path

    # life ----------------------------------------------------------------------------------------------------------

    @property
    def is_running(self) -> bool:
        return self._process is not None

    def start(self) -> None:
        """Listen; returns when it does. Again on the same port after `stop`."""
        if self._process is not None:
            raise RuntimeError("this sshd is running already")
        if os.getuid() == 0:  # sshd under root insists on the folder that its init script makes
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        self._settled.clear()
        self._listening = False
        argv = [program("sshd"), "-D", "-e", "-f", str(self._write_config())]
        self._process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        self._reader = threading.Thread(target=self._read_log, args=(self._process,), daemon=True)
        self._reader.start()
        if not self._settled.wait(_DEADLINE) or not self._listening:
            self.stop()
            raise RuntimeError("sshd did not start:\n" + "\n".join(self.log[-20:]))

    def stop(self) -> None:
        """Kill it and its sessions at once, as a crash would; nothing is said to the clients but the end of TCP."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            server = psutil.Process(process.pid)
            server.suspend()  # no new session can be forked while we look for them
            sessions = self._sessions_of(server)
            for each in (server, *sessions):
                _kill(each)
            _wait_until_dead(sessions)
        process.wait(_DEADLINE)
        if self._reader is not None:
            self._reader.join(_DEADLINE)

    def stop_listening(self) -> list[psutil.Process]:
        """End the server alone: sessions go on, and `start` makes another one beside them. The sessions."""
        process, self._process = self._process, None
        if process is None:
            return []
        server = psutil.Process(process.pid)
        server.suspend()
        sessions = self._sessions_of(server)
        _kill(server)
        process.wait(_DEADLINE)
        return sessions

    def cut_sessions(self) -> None:
        """Kill the sessions only: clients are cut off and may come back at once."""
        if self._process is None:
            return
        sessions = self._sessions_of(psutil.Process(self._process.pid))
        for each in sessions:
            _kill(each)
        _wait_until_dead(sessions)

    def session_count(self) -> int:
        """How many connections are open now, logged in or about to."""
        if self._process is None:
            return 0
        return sum(1 for each in psutil.Process(self._process.pid).children() if _is_sshd(each))

    @staticmethod
    def _sessions_of(server: psutil.Process) -> list[psutil.Process]:
        return [each for each in server.children(recursive=True) if _is_sshd(each)]

    def _read_log(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None
        with process.stderr:
            for line in process.stderr:
                self.log.append(line.rstrip())
                if "Server listening on" in line:
                    self._listening = True
                    self._settled.set()
        self._settled.set()

    def _write_config(self) -> Path:
        banner = self.folder / "banner"
        banner.write_text(self._banner)
        lines = [
            f"ListenAddress 127.0.0.1:{self.port}",
            f"HostKey {self.host_key}",
            f"AuthorizedKeysFile {self._authorized}",
            f"PidFile {self.folder / 'sshd.pid'}",
            "PubkeyAuthentication yes",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            "PermitRootLogin prohibit-password",
            "UsePAM no",
            "StrictModes no",
            "PrintMotd no",
            "LogLevel VERBOSE",
            "MaxStartups 100",
            *self._options,
        ]
        if self._banner:
            lines.append(f"Banner {banner}")
        if self._environment:
            lines.append("SetEnv " + " ".join(f'"{name}={value}"' for name, value in self._environment.items()))
        path = self.folder / "sshd_config"
        path.write_text("\n".join(lines) + "\n")
        return path


def _is_sshd(process: psutil.Process) -> bool:
    try:
        return str(process.name()).startswith("sshd")
    except psutil.NoSuchProcess:
        return False


def _kill(process: psutil.Process) -> None:
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _wait_until_dead(processes: Sequence[psutil.Process]) -> None:
    """Dead, though perhaps not yet buried: they are not our children."""
    deadline = time.monotonic() + _DEADLINE
    for process in processes:
        while _lives(process):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{process} does not die")
            time.sleep(0.002)
