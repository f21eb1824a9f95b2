"""No test may leave this process changed for those after it: neither signals, its environment, nor open links.

Signals are looked at after each test, the rest between folders of tests: what a folder's tests share they may keep
until then.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Generator
from typing import Any

import pytest

from jupyter_gpu_bridge.machine.link.links import is_linked, links

_PYTESTS_OWN = "PYTEST_CURRENT_TEST"

_WATCHED = (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD)

_environment = pytest.StashKey[dict[str, str]]()
_answers = pytest.StashKey[dict[signal.Signals, Any]]()


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Called when everything has been imported, and nothing has been run; first, or a worker's own loop answers."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # so a script starts what it puts in the background
        signal.signal(
            signal.SIGINT, signal.default_int_handler
        )  # what tests start would inherit it, and hear no Ctrl-C
    session.config.stash[_environment] = dict(os.environ)
    session.config.stash[_answers] = {number: signal.getsignal(number) for number in _WATCHED}


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, object, object]:
    result = yield
    _judge_signals(item.config.stash[_answers])
    if nextitem is None or nextitem.path.parent != item.path.parent:
        _judge(item.config.stash[_environment])
    return result


def _judge_signals(before: dict[signal.Signals, Any]) -> None:
    changed = {number: signal.getsignal(number) for number in _WATCHED if signal.getsignal(number) != before[number]}
    for number in changed:
        signal.signal(number, before[number])
    told = ", ".join(f"{number.name} ({answer})" for number, answer in changed.items())
    assert not changed, f"this test has left other answers to signals: {told}"


def _judge(before: dict[str, str]) -> None:
    """Mended as well, so that one mistake is one failure."""
    now = dict(os.environ)
    changed = sorted(
        name for name in before.keys() | now.keys() if before.get(name) != now.get(name) and name != _PYTESTS_OWN
    )
    linked = is_linked()
    os.environ.update(before)
    for name in changed:
        if name not in before:
            del os.environ[name]
    if linked:
        asyncio.run(links().close())
    assert not changed, f"these tests have left the environment changed: {', '.join(changed)}"
    assert not linked, "these tests have left links open: asyncio.run(links().close())"
