"""What holds for all tests: those that need a program this computer lacks are named, and the run fails for it.

`ALLOW_MISSING=1` says that this is known and fine: they are left out, and still named.
"""

from __future__ import annotations

import os
import shutil
from collections import defaultdict

import pytest

pytest_plugins = ("pytest_jupyter.jupyter_server",)

_PROGRAM_NAMES = {
    "chromium": ("chromium", "chromium-browser", "google-chrome"),
    "sshd": ("sshd",),
}

_PROGRAM_OF_FIXTURE = {"chromium": "chromium", "sshd": "sshd"}

_missing = pytest.StashKey[dict[str, list[str]]]()


def find_program(program: str) -> str | None:
    """Where the program is; sshd hides in a folder that is on root's PATH only."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])
    names = _PROGRAM_NAMES.get(program, (program,))
    return next((found for name in names if (found := shutil.which(name, path=path))), None)


def _needed(item: pytest.Item) -> set[str]:
    marked = {program for mark in item.iter_markers("needs") for program in mark.args}
    fixtures: list[str] = getattr(item, "fixturenames", [])
    return marked | {_PROGRAM_OF_FIXTURE[name] for name in fixtures if name in _PROGRAM_OF_FIXTURE}


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs(program, ...): the test runs these programs, which pip cannot bring")
    config.stash[_missing] = {}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    left_out: defaultdict[str, list[str]] = defaultdict(list)
    kept = []
    for item in items:
        absent = sorted(program for program in _needed(item) if find_program(program) is None)
        if absent:
            left_out[", ".join(absent)].append(item.nodeid)
        else:
            kept.append(item)
    config.stash[_missing] = dict(left_out)
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for programs, tests in config.stash[_missing].items():
        terminalreporter.section(f"not run, for want of {programs}", sep="=", red=True)
        for test in tests:
            terminalreporter.line(test)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if session.config.stash[_missing] and os.environ.get("ALLOW_MISSING") != "1" and session.exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
