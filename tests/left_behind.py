"""No test may leave this process changed for those after it: neither its environment, nor links that nobody closed.

Looked at between folders of tests: what a folder's tests share they may keep until then.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Generator

import pytest

from jupyter_gpu_bridge.machine.link.links import is_linked, links

_PYTESTS_OWN = "PYTEST_CURRENT_TEST"

_environment = pytest.StashKey[dict[str, str]]()


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Called when everything has been imported, and nothing has been run; first, or a worker's own loop answers."""
    session.config.stash[_environment] = dict(os.environ)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, object, object]:
    result = yield
    if nextitem is None or nextitem.path.parent != item.path.parent:
        _judge(item.config.stash[_environment])
    return result


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
