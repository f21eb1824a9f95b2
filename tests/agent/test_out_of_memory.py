from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_gpu_bridge.agent.kernel_process import _out_of_memory_kills

EVENTS = "low 0\nhigh 0\nmax 7\noom 3\noom_kill 2\noom_group_kill 0\n"


def computer(folder: Path, cgroup: str, events: dict[str, str]) -> str:
    """The files of an operating system that says this."""
    (folder / "proc/self").mkdir(parents=True)
    (folder / "proc/self/cgroup").write_text(cgroup)
    for group, content in events.items():
        (folder / f"sys/fs/cgroup{group}").mkdir(parents=True, exist_ok=True)
        (folder / f"sys/fs/cgroup{group}/memory.events").write_text(content)
    return str(folder)


@pytest.mark.parametrize(
    ("cgroup", "group"),
    [
        ("0::/user.slice/session-1.scope\n", "/user.slice/session-1.scope"),
        ("0::/\n", ""),
        ("4:memory:/a\n0::/b\n", "/b"),
    ],
)
def test_the_kills_of_our_own_control_group_are_counted(tmp_path: Path, cgroup: str, group: str) -> None:
    others = {} if group == "" else {"": "oom_kill 9\n"}
    assert _out_of_memory_kills(computer(tmp_path, cgroup, {**others, group: EVENTS})) == 2


@pytest.mark.parametrize(
    ("cgroup", "events"),
    [
        ("0::/a\n", {}),
        ("4:memory:/a\n", {}),
        ("", {}),
        ("0::/\n", {"": "low 0\n"}),
        ("0::/\n", {"": "oom_kill many\n"}),
    ],
)
def test_where_nothing_is_counted_nothing_is_claimed(tmp_path: Path, cgroup: str, events: dict[str, str]) -> None:
    assert _out_of_memory_kills(computer(tmp_path, cgroup, events)) is None
