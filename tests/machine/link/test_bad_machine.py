"""Machines that something is wrong with: each ends in a sentence that says what to do, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from jupyter_gpu_bridge.agent.outbox import MEMORY
from jupyter_gpu_bridge.errors import BridgeError, KernelFailed
from jupyter_gpu_bridge.machine.link.record import KernelOrder
from tests.faults.processes import kill
from tests.machine.link.near import DEADLINE, OWNER, Near, client_of, near, printed

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60)]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def _script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o700)
    return path


async def _refusal(world: Near, order: KernelOrder | None = None) -> str:
    """Why a kernel cannot be started there, as a user reads it; nothing may be left of the attempt."""
    with pytest.raises(BridgeError) as caught:
        await world.start(order)
    await world.is_clean()
    text = str(caught.value)
    assert "Traceback" not in text
    assert "Errno" not in text
    assert text.rstrip().endswith((".", ")"))
    return text


async def test_a_machine_without_python(tmp_path: Path) -> None:
    (tmp_path / "sh").symlink_to("/bin/sh")
    async with near(python=None, environment={"PATH": str(tmp_path)}) as world:
        assert await _refusal(world) == (
            "There is no Python 3.8 or newer on the machine. "
            "Install one there, or name the right one with `--python PATH` of `jupyter gpu hosts add`."
        )


async def test_a_machine_whose_pythons_are_too_old(tmp_path: Path) -> None:
    for name in ("python3", "python"):
        _script(tmp_path / name, "#!/bin/sh\nexit 86\n")
    async with near(python=None, environment={"PATH": f"{tmp_path}:/usr/bin:/bin"}) as world:
        assert "There is no Python 3.8 or newer on the machine." in await _refusal(world)


async def test_an_old_python_is_passed_over_for_a_newer_one(tmp_path: Path) -> None:
    _script(tmp_path / "python3", "#!/bin/sh\nexit 86\n")
    _script(tmp_path / "python", f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    async with near(python=None, environment={"PATH": f"{tmp_path}:/usr/bin:/bin"}) as world:
        assert (await world.link.check())["memory_mib"]["total"] > 0


async def test_a_python_that_is_not_where_it_should_be() -> None:
    async with near(python="/nowhere/python") as world:
        assert "There is no Python at /nowhere/python on the machine, or it is older than 3.8." in await _refusal(world)


async def test_a_kernel_whose_own_python_is_not_there() -> None:
    async with near() as world:
        text = await _refusal(world, world.order(python="/nowhere/python"))
        assert text == (
            "There is no Python at /nowhere/python on the machine. "
            "Install one there, or name the right one with `--python PATH` of `jupyter gpu profiles add`."
        )


async def test_a_machine_on_which_nothing_may_be_written(tmp_path: Path) -> None:
    (tmp_path / f"jupyter-gpu-bridge-{os.getuid()}").touch()
    (tmp_path / "file").touch()
    async with near(home=tmp_path / "file" / "home", environment={"TMPDIR": str(tmp_path)}) as world:
        text = await _refusal(world)
    assert text.startswith(f"Nothing can be written on the machine ({tmp_path}/file/home: Not a directory; ")
    assert text.endswith("Free some space there, or allow writing.")


async def test_a_machine_whose_disk_is_full_from_the_start(tmp_path: Path) -> None:
    async with near(limits="ulimit -f 8") as world:
        text = await _refusal(world)
        assert text == ("Our program could not be written on the machine (File too large). Free some space there."), (
            "this is how a quota speaks; a full disk says `No space left on device` in its place"
        )
        assert os.listdir(world.home / "code") == []


async def test_a_machine_whose_disk_fills_up_later_keeps_its_kernels(tmp_path: Path) -> None:
    """The folder that cannot be written any more is still the one with the kernels in it."""
    async with near() as world:
        kernel = await world.start()
        (world.home / "agent.lock").chmod(0o400)
        (world.home / "code").chmod(0o500)
        await world.link.connection.down()
        await world.link.connection.up()
        async with client_of(kernel) as client:
            assert await printed(client, "print('here')") == "here\n"
        assert len(world.agents()) == 1
        await world.link.stop(kernel.order.kernel_id)


@pytest.fixture(scope="module")
def bare_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python without ipykernel."""
    folder = tmp_path_factory.mktemp("bare")
    base = Path(sys.base_prefix) / "bin" / f"python{sys.version_info[0]}.{sys.version_info[1]}"
    subprocess.run([base, "-m", "venv", "--without-pip", folder], check=True, timeout=60)
    return folder / "bin" / "python"


async def test_a_machine_without_ipykernel_and_without_internet(bare_python: Path) -> None:
    nowhere = {"PATH": "/usr/bin:/bin", "PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_RETRIES": "0", "PIP_TIMEOUT": "1"}
    nowhere |= {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    async with near(environment=nowhere) as world:
        text = await _refusal(world, world.order(python=str(bare_python)))
        assert "ipykernel could not be installed on the machine (ERROR: No matching distribution" in text
        assert text.endswith(
            "install ipykernel there yourself and name the Python that has it with "
            "`--python PATH` of `jupyter gpu profiles add`."
        )
        assert [text for _, text in world.said if "missing" in text], "nobody was told what takes so long"
        assert not list((world.home / "environments").glob("*"))


async def test_a_kernel_that_dies_at_import(tmp_path: Path) -> None:
    _script(tmp_path / "ipykernel" / "__init__.py", "raise ImportError('libcudart.so.12: cannot open shared object')")
    async with near() as world:
        with pytest.raises(KernelFailed) as caught:
            await world.start(world.order(environment={"PYTHONPATH": str(tmp_path)}))
        await world.is_clean()
    assert str(caught.value).startswith(
        "The kernel ended with exit status 1. It said last: ImportError: libcudart.so.12: cannot open shared object. "
    )


async def test_a_kernel_that_is_killed_from_outside() -> None:
    async with near() as world:
        kernel = await world.start()
        assert kernel.pid is not None
        kill(kernel.pid)
        await _until_dead(kernel)
        assert kernel.cause == "The kernel was killed by signal 9, most likely because the machine ran out of memory."
        await world.link.relaunch(kernel.order, OWNER, lambda name, text: None)
        async with client_of(kernel) as client:
            assert await printed(client, "print('again')") == "again\n"
        await world.link.stop(kernel.order.kernel_id)
        await world.is_clean()


async def test_a_kernel_whose_keeper_is_killed() -> None:
    async with near() as world:
        kernel = await world.start()
        kill(*world.keepers())
        await _until_dead(kernel)
        assert kernel.cause == (
            "The machine no longer runs this kernel: it was restarted, or the kernel's keeper was killed."
        )
        fresh = await world.link.relaunch(kernel.order, OWNER, lambda name, text: None)
        async with client_of(fresh) as client:
            assert await printed(client, "print('again')") == "again\n"
        await world.link.stop(fresh.order.kernel_id)
        await world.is_clean()


async def _until_dead(kernel: Any) -> None:
    give_up = asyncio.get_running_loop().time() + DEADLINE
    while kernel.exit_code is None:
        assert asyncio.get_running_loop().time() < give_up
        await kernel.news(1.0)


async def test_a_kernel_id_can_be_started_again_while_its_last_kernel_is_ending() -> None:
    async with near() as world:
        kernel = await world.start()
        kernel.stop()
        fresh = await world.start(kernel.order)
        assert fresh is not kernel
        assert len(world.keepers()) == 1
        async with client_of(fresh) as client:
            assert await printed(client, "print('fresh')") == "fresh\n"
        await world.link.stop(fresh.order.kernel_id)
        await world.is_clean()


async def test_a_start_that_is_given_up_at_any_moment_leaves_nothing() -> None:
    """Before anything, in the login, in the search for a Python, with the keeper or the kernel half up."""
    for cold in (True, False):
        async with near() as world:
            for moment in (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6) if not cold else (0.15,):
                start = asyncio.ensure_future(world.start())
                await asyncio.wait([start], timeout=moment)
                if not start.cancel():
                    await world.link.stop((await start).order.kernel_id)
                await asyncio.gather(start, return_exceptions=True)
                await world.is_clean()
            kernel = await world.start()
            await world.link.stop(kernel.order.kernel_id)
            await world.is_clean()


async def test_a_start_survives_the_end_of_its_connection() -> None:
    async with near() as world:
        await world.link.connection.up()
        start = asyncio.ensure_future(world.start())
        await asyncio.wait([start], timeout=0.1)
        kill(*world.agents())
        kernel = await start
        async with client_of(kernel) as client:
            assert await printed(client, "print('here')") == "here\n"
        assert len(world.keepers()) == 1
        await world.link.stop(kernel.order.kernel_id)
        await world.is_clean()


async def test_folders_whose_names_are_too_long_for_sockets_are_no_obstacle(tmp_path: Path) -> None:
    async with near(home=tmp_path / ("n" * 120)) as world:
        kernel = await world.start()
        async with client_of(kernel) as client:
            assert await printed(client, "print('here')") == "here\n"
        await world.link.stop(kernel.order.kernel_id)
        await world.is_clean()


# more than there is room for -----------------------------------------------------------------------------------------

_FLOOD = """
import sys
for number in range({megabytes}):
    sys.stdout.write(f"{{number}} " + "x" * (1 << 20) + "\\n")
    sys.stdout.flush()
print("the end")
open({ended!r}, "w").close()
"""


async def _flood(world: Near, megabytes: int) -> tuple[list[str], list[dict[str, Any]]]:
    """What a client hears of so much that was said while nobody was connected, and what came of the request."""
    kernel = await world.start()
    async with client_of(kernel) as client:
        ended = world.folder / "ended"
        asked = client.execute(f"import time; time.sleep(0.3)\n{_FLOOD.format(megabytes=megabytes, ended=str(ended))}")
        await asyncio.sleep(0.1)
        await world.link.connection.down()
        give_up = asyncio.get_running_loop().time() + DEADLINE
        while not await asyncio.to_thread(ended.exists):
            assert asyncio.get_running_loop().time() < give_up
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.5)
        await world.link.connection.up()
        lines: list[str] = []
        others: list[dict[str, Any]] = []
        while not (others and others[-1]["content"].get("execution_state") == "idle"):
            message = await client.get_iopub_msg(timeout=DEADLINE)
            if message["parent_header"].get("msg_id") != asked:
                continue
            if message["msg_type"] == "stream":
                lines += message["content"]["text"].splitlines()
            else:
                others.append(message)
        others.append(await client.get_shell_msg(timeout=DEADLINE))
    await world.link.stop(kernel.order.kernel_id)
    await world.is_clean()
    return lines, others


def _judge(lines: list[str], others: list[dict[str, Any]], why: str) -> None:
    notices = [line for line in lines if line.startswith("[gpu-bridge]")]
    assert len(notices) == 1
    assert notices[0].endswith(f"of output are missing here: nobody took them, and {why} was reached.")
    assert others[-1]["content"]["status"] == "ok"
    numbers = [int(line.split()[0]) for line in lines if line[:1].isdigit()]
    assert numbers == list(range(len(numbers))), "what was kept is the beginning, in order"
    assert len(numbers) > 1


async def test_the_limit_of_what_is_kept_is_a_visible_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    as_spec = KernelOrder.as_spec
    monkeypatch.setattr(KernelOrder, "as_spec", lambda order, owner: {**as_spec(order, owner), "spool_limit": 8 << 20})
    async with near() as world:
        lines, others = await _flood(world, 40)
    _judge(lines, others, "the limit of 8 MiB")


async def test_a_disk_that_is_full_while_nobody_is_there_is_a_visible_gap() -> None:
    blocks = (16 << 20) // 512
    async with near(limits=f"ulimit -f {blocks}") as world:
        lines, others = await _flood(world, (MEMORY >> 20) + 40)
    _judge(lines, others, "the end of the machine's disk")


async def test_what_does_not_fit_into_memory_waits_on_the_disk() -> None:
    megabytes = 2 * (MEMORY >> 20) + 20
    async with near() as world:
        lines, others = await _flood(world, megabytes)
    assert [int(line.split()[0]) for line in lines if line[:1].isdigit()] == list(range(megabytes))
    assert not [line for line in lines if line.startswith("[gpu-bridge]")]
    assert others[-1]["content"]["status"] == "ok"


def test_the_boot_script_can_be_read_by_the_oldest_python() -> None:
    """Not run there, only read: it ends with 86 before it does anything that such a Python does not know."""
    import ast

    from jupyter_gpu_bridge.machine.link import boot

    script = (Path(boot.__file__).parent / "boot_script.py").read_text()
    newer = (ast.JoinedStr, ast.AnnAssign, ast.NamedExpr, ast.Starred, ast.AsyncFunctionDef, ast.Nonlocal)
    assert not [node for node in ast.walk(ast.parse(script)) if isinstance(node, newer)]
    first = ast.parse(script).body[1]
    assert isinstance(first, ast.If)
    assert "86" in ast.unparse(first)
