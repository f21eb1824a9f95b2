"""Bad weather as a user reads of it: in the terminal, in JupyterLab's dialogue, and nothing is left behind.

`docs/develop/weather.md` lists these, and where the others are.
"""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jupyter_gpu_bridge.bridge import Bridge
from jupyter_gpu_bridge.errors import BridgeError, KernelFailed
from jupyter_gpu_bridge.machine.link import links
from jupyter_gpu_bridge.model import CarrierChoice, Host, MachineRef, Profile
from tests.jupyter_server import Refused
from tests.kernels.conftest import Serve
from tests.kernels.home import DEADLINE, Home, until
from tests.kernels.jupyter import JupyterServer
from tests.own_home import variables
from tests.ports import free_port
from tests.sshd import Sshd, make_key

pytestmark = pytest.mark.timeout(180)


class Place:
    """Where one test makes its bad machine."""

    def __init__(self, home: Home, folder: Path, carrier: CarrierChoice) -> None:
        self.name = f"w{uuid.uuid4().hex[:6]}"
        self.folder = folder
        self._home = home
        self._carrier = carrier
        self._stack = ExitStack()

    def close(self) -> None:
        self._stack.close()

    def server(self, *, known: bool = True, environment: dict[str, str] | None = None, **options: Any) -> Sshd:
        """A machine that is reached; what its sessions find in their environment may be at fault."""
        far = variables(self._home.folder / self.name)
        sshd = Sshd(self.folder / "sshd", environment={**far, **(environment or {})}, **options)
        self._stack.enter_context(sshd)
        if known:
            self.confirm(sshd)
        return sshd

    def confirm(self, sshd: Sshd) -> None:
        with (self._home.bridge / "known_hosts").open("a") as file:
            file.write(sshd.known_hosts_line() + "\n")

    def host(self, sshd: Sshd, **more: Any) -> Host:
        host = Host(self.name, "127.0.0.1", sshd.user, sshd.port, str(sshd.identity), sys.executable, self._carrier)
        return replace(host, **more)

    def nowhere(self, address: str) -> Host:
        return Host(self.name, address, port=free_port(), carrier=self._carrier)

    def left(self) -> list[str]:
        """Of any kernel, here or there; `*` stands for kernel ids, which nobody knows when a start has failed."""
        here, there = self._home.bridge / "links", self._home.folder / self.name
        return [str(path) for path in (*here.glob(f"*-{self.name}/kernels/*"), *there.rglob("kernels/*"))]


@pytest.fixture
def place(request: pytest.FixtureRequest, home: Home, tmp_path: Path) -> Iterator[Place]:
    place = Place(home, tmp_path, getattr(request, "param", "openssh"))
    yield place
    with suppress(BridgeError):  # where it never came to a link
        asyncio.run(links().run(links().ask(MachineRef("ssh", place.name), None, "end")))
    place.close()


@pytest.fixture(scope="module")
def jupyter(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    server = JupyterServer(tmp_path_factory.mktemp("jupyter"))
    server.start()
    yield server
    assert server.process is not None
    server.process.kill()
    server.process.wait(timeout=10)


# a machine that cannot be used ----------------------------------------------------------------------------------------


def unknown_name(place: Place) -> Host:
    return place.nowhere("no-such-machine.invalid")


def refused(place: Place) -> Host:
    return place.nowhere("127.0.0.1")


def no_route(place: Place) -> Host:
    return place.nowhere("224.0.0.1")  # a multicast address: the system has no way there for TCP


def wrong_key(place: Place) -> Host:
    return place.host(place.server(), identity_file=str(make_key(place.folder / "stranger")))


def never_met(place: Place) -> Host:
    return place.host(place.server(known=False))


def changed_host_key(place: Place) -> Host:
    sshd = place.server()
    sshd.stop()
    sshd.replace_host_key()
    sshd.start()
    return place.host(sshd)


def _program(place: Place, name: str, text: str) -> str:
    path = place.folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o700)
    return str(path)


def closed_account(place: Place) -> Host:
    return place.host(place.server(options=("ForceCommand echo 'This account is closed.' >&2; exit 1",)))


def babbles(place: Place) -> Host:
    return place.host(place.server(), python=_program(place, "chatty", "exec yes 'Welcome to this machine'"))


def no_python(place: Place) -> Host:
    (place.folder / "bin").mkdir()
    (place.folder / "bin" / "sh").symlink_to("/bin/sh")
    return place.host(place.server(environment={"PATH": str(place.folder / "bin")}), python=None)


def old_python(place: Place) -> Host:
    return place.host(place.server(), python=_program(place, "python2", "exit 86"))


def nothing_may_be_written(place: Place) -> Host:
    (place.folder / "file").touch()
    below = str(place.folder / "file" / "tmp")
    (place.folder / f"jupyter-gpu-bridge-{os.getuid()}").touch()
    return place.host(place.server(environment={"HOME": below, "TMPDIR": str(place.folder)}))


def full_disk(place: Place) -> Host:
    """As a quota speaks; a full disk says `No space left on device` in its place."""
    return place.host(place.server(options=('ForceCommand ulimit -f 8; eval "$SSH_ORIGINAL_COMMAND"',)))


_UNFIT: dict[Callable[[Place], Host], str] = {
    closed_account: "NAME (ADDRESS) was reached, but the connection ended before the command ran: This account is "
    "closed. Try again in a moment; if it stays so, look at the log of the SSH server there.",
    babbles: "The machine printed a lot and never started our program. "
    "Look at what its login scripts (.bashrc, .profile) print when there is no terminal.",
    no_python: "There is no Python 3.8 or newer on the machine. "
    "Install one there, or name the right one with `--python PATH` of `jupyter gpu hosts add`.",
    old_python: "There is no Python at FOLDER/python2 on the machine, or it is older than 3.8. "
    "Install one there, or name the right one with `--python PATH` of `jupyter gpu hosts add`.",
    nothing_may_be_written: "Nothing can be written on the machine (FOLDER/file/tmp/.jupyter-gpu-bridge: Not a "
    "directory; FOLDER/jupyter-gpu-bridge-UID: File exists). Free some space there, or allow writing.",
    full_disk: "Our program could not be written on the machine (File too large). Free some space there.",
}
_UNREACHED: dict[Callable[[Place], Host], str] = {
    unknown_name: "NAME (ADDRESS) cannot be found: no address is known for the name no-such-machine.invalid. "
    "Check the spelling, your network, and your VPN.",
    refused: "NAME (ADDRESS) refuses connections: nothing listens on port PORT there. "
    "Check that the machine has finished booting, that its SSH server runs, and the port.",
    no_route: "There is no way from here to NAME (ADDRESS): network is unreachable. "
    "Check your network connection and your VPN.",
    wrong_key: "NAME (ADDRESS) does not let USER in with the keys of this computer. Tried: FOLDER/stranger. "
    "Check the user name, and that the key's public half is in ~/.ssh/authorized_keys of USER there; `ssh-copy-id` "
    "puts it there. Name another key with `--identity-file` of `jupyter gpu hosts add`, or load it into your "
    "ssh-agent.",
    never_met: "NAME (ADDRESS) has not been met before. Its key is ssh-ed25519 SHA256:…. "
    "Compare it with what the owner of the machine says, then run `jupyter gpu hosts check NAME`.",
    changed_host_key: "NAME (ADDRESS) shows another key than before: ssh-ed25519 SHA256:… instead of ssh-ed25519 "
    "SHA256:…. Either it was reinstalled or somebody is in between; nothing was sent to it. "
    "If it was reinstalled, confirm the new key with `jupyter gpu hosts check NAME` in a terminal. "
    "Otherwise do not connect.",
}
_CASES = [
    *(pytest.param(make, text, "openssh", id=make.__name__) for make, text in {**_UNREACHED, **_UNFIT}.items()),
    *(pytest.param(make, text, "paramiko", id=f"{make.__name__}-paramiko") for make, text in _UNREACHED.items()),
]


@pytest.mark.parametrize(("make", "sentence", "place"), _CASES, indirect=["place"])
async def test_a_machine_that_cannot_be_used(
    jupyter: JupyterServer, place: Place, make: Callable[[Place], Host], sentence: str
) -> None:
    host = make(place)
    Bridge().add_host(host)
    Bridge().add_profile(Profile(place.name, MachineRef("ssh", place.name)))
    terminal, *dialogues = await _terminal("hosts", "check", place.name), *await _dialogues(jupyter, place.name)
    for text in (terminal, *dialogues):
        _is_plain(text)
    assert [_in_general(text, place, host) for text in dialogues] == [sentence, sentence]
    # The terminal adds how a key is confirmed without being asked.
    assert _in_general(terminal, place, host).partition(" When it is right: ")[0] == sentence
    await until(lambda: not place.left(), explain=lambda: str(place.left()))


async def _terminal(*words: str) -> str:
    ran = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "jupyter_gpu_bridge.cli", *words],
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )
    assert ran.returncode == 1, ran
    return ran.stderr.strip()


async def _dialogues(jupyter: JupyterServer, profile: str) -> list[str]:
    """What JupyterLab shows when a notebook is opened, and what other clients are told who start a kernel alone."""
    kernel = {"name": f"gpu-bridge-{profile}"}
    notebook = {"path": f"{profile}.ipynb", "name": profile, "type": "notebook", "kernel": kernel}
    said = []
    for path, wanted in (("api/sessions", notebook), ("api/kernels", kernel)):
        with pytest.raises(Refused) as refusal:
            await jupyter.ask(path, wanted)
        assert refusal.value.status == 500
        assert not refusal.value.content.get("traceback")
        said.append(refusal.value.content["message"])
    assert not await jupyter.ask("api/kernels")
    return said


def _in_general(text: str, place: Place, host: Host | None = None) -> str:
    """Without what is different in every run."""
    text = text.replace(str(place.folder), "FOLDER").replace(place.name, "NAME")
    text = text.replace(f"jupyter-gpu-bridge-{os.getuid()}", "jupyter-gpu-bridge-UID")
    if host is not None:
        text = text.replace(f"{host.address} port {host.port}", "ADDRESS").replace(f"port {host.port}", "port PORT")
        text = re.sub(rf"\b{host.user}\b", "USER", text) if host.user else text
    return re.sub(r"SHA256:[\w+/]+", "SHA256:…", text)


def _is_plain(text: str) -> None:
    assert "Traceback" not in text
    assert "Errno" not in text
    assert "Error" not in text
    assert "\n" not in text
    assert len(text) < 700
    assert text.endswith((".", ")")) or "When it is right: " in text


# a machine on which this kernel cannot start --------------------------------------------------------------------------


def no_such_python(folder: Path) -> dict[str, Any]:
    return {"python": "/no/such/python"}


def no_such_folder(folder: Path) -> dict[str, Any]:
    return {"folder": str(folder / "gone")}


def no_such_folder_at_home(folder: Path) -> dict[str, Any]:
    return {"folder": "~/gone"}


def a_file_for_a_folder(folder: Path) -> dict[str, Any]:
    (folder / "notes.txt").touch()
    return {"folder": str(folder / "notes.txt")}


def dies_at_import(folder: Path) -> dict[str, Any]:
    (folder / "ipykernel.py").write_text("raise ImportError('libcudart.so.12: cannot open shared object file')")
    return {"environment": (("PYTHONPATH", str(folder)),)}


def killed_at_start(folder: Path) -> dict[str, Any]:
    (folder / "ipykernel.py").write_text("import os\nos.kill(os.getpid(), 9)")
    return {"environment": (("PYTHONPATH", str(folder)),)}


def ipykernel_not_to_be_had(folder: Path) -> dict[str, Any]:
    base = Path(sys.base_prefix) / "bin" / f"python{sys.version_info[0]}.{sys.version_info[1]}"
    subprocess.run([base, "-m", "venv", "--without-pip", folder / "bare"], check=True, timeout=60)
    return {"python": str(folder / "bare" / "bin" / "python")}


_ANOTHER = "Make it there, or name another one with `--folder PATH` of `jupyter gpu profiles add`."
_STARTS: dict[Callable[[Path], dict[str, Any]], str] = {
    no_such_python: "There is no Python at /no/such/python on the machine. "
    "Install one there, or name the right one with `--python PATH` of `jupyter gpu profiles add`.",
    no_such_folder: "The folder FOLDER/gone, where this profile starts its kernels, does not exist on the machine. "
    + _ANOTHER,
    no_such_folder_at_home: "The folder HOME/gone, where this profile starts its kernels, does not exist on the "
    "machine. " + _ANOTHER,
    a_file_for_a_folder: "The folder FOLDER/notes.txt, where this profile starts its kernels, is not a folder on the "
    "machine. " + _ANOTHER,
    dies_at_import: "The kernel ended with exit status 1. It said last: ImportError: libcudart.so.12: cannot open "
    "shared object file. Run `python -m ipykernel_launcher` on the machine to see more.",
    killed_at_start: "The kernel was killed by signal 9, most likely because the machine ran out of memory. "
    "End what uses memory there, or take a machine with more.",
    ipykernel_not_to_be_had: "ipykernel could not be installed on the machine (ERROR: No matching distribution found "
    "for ipykernel). If the machine has no internet, install ipykernel there yourself and name the Python that has it "
    "with `--python PATH` of `jupyter gpu profiles add`.",
}


@pytest.mark.parametrize(("make", "sentence"), _STARTS.items(), ids=[make.__name__ for make in _STARTS])
async def test_a_kernel_that_cannot_start(
    jupyter: JupyterServer, home: Home, place: Place, make: Callable[[Path], dict[str, Any]], sentence: str
) -> None:
    offline = {"PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull, "PATH": "/usr/bin:/bin"}
    Bridge().add_host(place.host(place.server(environment=offline)))
    Bridge().add_profile(Profile(place.name, MachineRef("ssh", place.name), **make(place.folder)))
    for text in await _dialogues(jupyter, place.name):
        assert _in_general(text.replace(str(home.folder / place.name), "HOME"), place) == sentence
        _is_plain(text.replace("ImportError: ", "").replace("ERROR: ", ""))
    await until(lambda: not place.left(), explain=lambda: str(place.left()))


def test_what_the_documentation_says_is_what_is_read() -> None:
    page = (Path(__file__).parents[2] / "docs" / "develop" / "weather.md").read_text()
    for make, sentence in [*_UNREACHED.items(), *_UNFIT.items(), *_STARTS.items()]:
        assert re.sub(r"(FOLDER|HOME|/no)/[\w./-]*\w", "PATH", sentence) in page
        assert f"`{make.__name__}`" in page


# a kernel that runs -------------------------------------------------------------------------------------------------


async def test_a_cell_whose_kernel_is_killed_says_that_it_was_probably_memory(serve: Serve) -> None:
    """JupyterLab says itself that the kernel has died, and not why."""
    async with serve() as server:
        kernel_id = await server.start()
        async with server.client(kernel_id) as client:
            asked = client.execute("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
            told: list[str] = []
            while not told:
                message = await client.get_iopub_msg(timeout=DEADLINE)
                if message["msg_type"] == "stream" and message["parent_header"].get("msg_id") == asked:
                    told.append(message["content"]["text"])
        assert told == [
            "\n[gpu-bridge] The kernel was killed by signal 9, most likely because the machine ran out of memory. "
            "Its variables are lost. If it was memory: load less at once, or take a machine with more.\n"
        ]


async def test_a_kernel_whose_folder_is_gone_when_it_is_restarted(serve: Serve, home: Home) -> None:
    folder = home.folder / "work"
    folder.mkdir()
    Bridge().add_profile(Profile("work", MachineRef("local"), python=sys.executable, folder="work"))
    async with serve() as server:
        kernel_id = await server.start("gpu-bridge-work")
        assert await server.run(kernel_id, "import os; print(os.getcwd())") == f"{folder}\n"
        folder.rmdir()
        with pytest.raises(KernelFailed, match=r"^The folder \S+/work, where this profile .* does not exist on the"):
            await server.manager(kernel_id).restart_kernel(now=True)
        await home.until_nothing_remains(kernel_id)
        folder.mkdir()
        await server.manager(kernel_id).restart_kernel(now=True)
        assert await server.run(kernel_id, "print('back')") == "back\n"
        await server.stop(kernel_id)
        await home.until_nothing_remains(kernel_id)


async def test_a_kernel_id_that_another_server_runs(jupyter: JupyterServer, server: JupyterServer, home: Home) -> None:
    server.start()
    kernel_id = str(uuid.uuid4())
    wanted = {"name": "gpu-bridge-here", "kernel_id": kernel_id}
    await jupyter.ask("api/kernels", wanted)
    with pytest.raises(Refused) as refusal:
        await server.ask("api/kernels", wanted)
    assert jupyter.process is not None
    assert refusal.value.content["message"] == (
        f"The kernel {kernel_id} is already run by another program on this computer (process {jupyter.process.pid}). "
        "Stop it there first, or connect to it from there."
    )
    await jupyter.ask(f"api/kernels/{kernel_id}", method="DELETE")
    await home.until_nothing_remains(kernel_id)


# this computer ------------------------------------------------------------------------------------------------------


async def test_a_folder_of_ours_that_cannot_be_made(
    server: JupyterServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    ours = tmp_path / "file" / "ours"
    monkeypatch.setenv("JUPYTER_GPU_BRIDGE_HOME", str(ours))
    server.start()
    for text in await _dialogues(server, "here"):
        assert text == (
            f"This computer could not prepare the start of the kernel: Not a directory ({ours}). "
            "`jupyter gpu doctor` looks at it."
        )
    assert await _terminal("hosts", "list") == f"The system refused: Not a directory ({ours}). See: jupyter gpu doctor"


async def test_a_home_whose_name_is_too_long_for_sockets_is_no_obstacle(
    server: JupyterServer, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTER_GPU_BRIDGE_HOME", str(home.folder / ("n" * 120)))
    monkeypatch.setenv("TMPDIR", str(home.folder))
    server.start()
    kernel = await server.ask("api/kernels", {"name": "gpu-bridge-here"})
    ip = home.connection(kernel["id"])["ip"]
    assert len(ip) < 90
    assert Path(f"{ip}-1").is_socket()
    await server.ask(f"api/kernels/{kernel['id']}", method="DELETE")
    await home.until_nothing_remains(kernel["id"])
