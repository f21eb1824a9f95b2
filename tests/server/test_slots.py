from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from jupyter_gpu_bridge.model import KernelId
from jupyter_gpu_bridge.server.slots import SessionRecord, Slot, united

RECORD = SessionRecord("s1", KernelId("k1"), "gpu-bridge-box", "a.ipynb", "a.ipynb", "notebook")


def take(root: Path) -> Slot:
    slot = Slot.take(root)
    assert slot is not None
    return slot


def test_the_next_server_of_a_folder_finds_what_the_last_one_left(own_home: Path, tmp_path: Path) -> None:
    first = take(tmp_path)
    first.write([RECORD])
    first.close()
    assert list(take(tmp_path).read()) == [RECORD]


def test_two_servers_at_once_have_a_file_each(own_home: Path, tmp_path: Path) -> None:
    first, second = take(tmp_path), take(tmp_path)
    first.write([RECORD])
    assert first.path != second.path
    assert list(second.read()) == []
    second.write([])
    first.close()
    assert list(take(tmp_path).read()) == [RECORD]


def test_servers_of_two_folders_do_not_meet(own_home: Path, tmp_path: Path) -> None:
    first = take(tmp_path)
    first.write([RECORD])
    first.close()
    assert list(take(own_home).read()) == []


def test_a_server_has_its_own_port_s_slot_again_whatever_the_order(own_home: Path, tmp_path: Path) -> None:
    first, second = take(tmp_path), take(tmp_path)
    first.write([], 8888)
    second.write([RECORD], 8889)
    first.close()
    second.close()
    again = Slot.take(tmp_path, 8889)
    assert again is not None
    assert list(again.read()) == [RECORD]


def test_what_ended_servers_left_is_seen_by_one_starting_server_only(own_home: Path, tmp_path: Path) -> None:
    ended, living, killed = take(tmp_path), take(tmp_path), take(tmp_path)
    living.write([RECORD])
    killed.write([RECORD])
    ended.close()
    killed.close()
    starting = take(tmp_path)
    assert starting.path == ended.path
    (left,) = starting.left_beside()
    assert left.path == killed.path
    also_starting = take(tmp_path)
    assert list(also_starting.read()) == []
    assert list(also_starting.left_beside()) == []
    left.clear()
    left.close()
    assert list(starting.left_beside()) == []


def test_a_notebook_of_two_servers_keeps_the_kernel_of_the_first_and_no_kernel_is_forgotten() -> None:
    other = SessionRecord("s2", KernelId("k2"), "gpu-bridge-box", "a.ipynb", "a.ipynb", "notebook")
    alone = SessionRecord("", KernelId("k2"), "gpu-bridge-box", "", "", "")
    assert united([RECORD], [RECORD, other]) == [RECORD, alone]


def test_the_file_is_for_this_user_only_and_written_when_something_changed(own_home: Path, tmp_path: Path) -> None:
    slot = take(tmp_path)
    slot.write([])
    assert not slot.path.exists()
    slot.write([RECORD])
    assert stat.S_IMODE(slot.path.stat().st_mode) == 0o600
    before = slot.path.stat().st_ino
    slot.write([RECORD])
    assert slot.path.stat().st_ino == before
    slot.write([])
    assert list(slot.read()) == []


@pytest.mark.parametrize("content", ["", "{}", '{"version": 9, "sessions": []}', '{"version": 1, "sessions": [{}]}'])
def test_a_damaged_file_says_so(own_home: Path, tmp_path: Path, content: str) -> None:
    slot = take(tmp_path)
    slot.path.write_text(content)
    with pytest.raises(ValueError, match=r"json|Expecting"):
        slot.read()


@pytest.mark.timeout(30)
def test_a_killed_server_gives_its_slot_free(own_home: Path, tmp_path: Path) -> None:
    program = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from jupyter_gpu_bridge.server.slots import Slot\n"
        "print(Slot.take(Path(sys.argv[1])).path, flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        held = Path(holder.stdout.readline().strip())
        meanwhile = take(tmp_path)
        assert meanwhile.path != held
        holder.kill()
        holder.wait(timeout=10)
    assert take(tmp_path).path == held
