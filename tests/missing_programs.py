"""What holds for all tests: those that need a program this computer lacks are named, and the run fails for it.

`ALLOW_MISSING=1` says that this is known and fine: they are left out, and still named. Where pytest runs workers, they
find out, each for all tests, and their controller names and fails.
"""

from __future__ import annotations

import glob
import os
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import pytest

_NAMES = {"chromium": ("chromium", "chromium-browser", "google-chrome")}

_FROM_WORKER = "tests.missing_programs"

_missing = pytest.StashKey[dict[str, list[str]]]()


def find_program(program: str) -> str | None:
    """Where the program is; sshd hides in a folder that is on root's PATH only, PostgreSQL on nobody's."""
    hidden = ["/usr/sbin", "/usr/local/sbin", *sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True)]
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *hidden])
    return next((found for name in _NAMES.get(program, (program,)) if (found := shutil.which(name, path=path))), None)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs(program, ...): the test runs these programs, which pip cannot bring")
    config.stash[_missing] = {}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    kept: list[pytest.Item] = []
    left_out: list[pytest.Item] = []
    named: defaultdict[str, list[str]] = defaultdict(list)
    for item in items:
        absent = sorted(program for program in _needed(item) if find_program(program) is None)
        (left_out if absent else kept).append(item)
        if absent:
            named[", ".join(absent)].append(item.nodeid)
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = kept
    config.stash[_missing] = dict(named)
    if hasattr(config, "workeroutput"):
        config.workeroutput[_FROM_WORKER] = dict(named)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Called in the controller when a worker has ended; one that crashed has put nothing out."""
    node.config.stash[_missing].update(getattr(node, "workeroutput", {}).get(_FROM_WORKER, {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for programs, tests in config.stash[_missing].items():
        terminalreporter.section(f"not run, for want of {programs}", sep="=", red=True)
        for test in tests:
            terminalreporter.line(test)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if not session.config.stash[_missing]:
        return
    if os.environ.get("ALLOW_MISSING") != "1":
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    elif session.exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED:
        session.exitstatus = pytest.ExitCode.OK


def _needed(item: pytest.Item) -> set[str]:
    """What the test is marked with, and an SSH server where it or one of its fixtures knows how to start one."""
    needed: set[str] = {program for mark in item.iter_markers("needs") for program in mark.args}
    if "chromium" in getattr(item, "fixturenames", ()):
        needed.add("chromium")
    if "postgres" in getattr(item, "fixturenames", ()):
        needed.add("postgres")
    if any("Sshd" in function.__globals__ for function in _functions(item)):
        needed.add("sshd")
    return needed


def _functions(item: pytest.Item) -> Iterator[Callable[..., Any]]:
    if isinstance(item, pytest.Function):
        yield item.function
        for definitions in item._fixtureinfo.name2fixturedefs.values():
            yield from (definition.func for definition in definitions)
