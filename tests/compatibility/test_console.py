"""`jupyter console` in a terminal."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pexpect
import pytest

from tests.compatibility.conftest import KINDS, Running
from tests.compatibility.conversation import run

OURS = [kind for kind in KINDS if kind.is_ours]
_COLOURS = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


@contextmanager
def _console(*arguments: str) -> Iterator[pexpect.spawn[str]]:
    terminal = pexpect.spawn(
        sys.executable,
        ["-m", "jupyter_console", "--simple-prompt", *arguments],
        env={**os.environ, "TERM": "dumb", "JUPYTER_CONSOLE_TEST": "1"},
        encoding="utf-8",
        timeout=40,
        dimensions=(40, 120),
    )
    try:
        yield terminal
    finally:
        terminal.close(force=True)


def _ask(terminal: pexpect.spawn[str], code: str, answer: str) -> None:
    terminal.expect(r"In \[\d*\]: ")
    terminal.sendline(code)
    terminal.expect(answer)


@pytest.mark.parametrize("kernel_name", OURS, indirect=True, ids=lambda kind: kind.value)
def test_a_console_runs_code_and_ends_its_kernel(kernel_name: str) -> None:
    """Not with a local kernel: a console waits for ever when its first cell ends before it hears the kernel (seen)."""
    with _console("--kernel", kernel_name) as terminal:
        _ask(terminal, "6 * 7", r"Out\[\d*\]: \D*42")
        _ask(terminal, "print('a' + 'b')", "ab")
        _ask(terminal, "1 / 0", "ZeroDivisionError")
        terminal.expect(r"In \[\d*\]: ")
        terminal.sendline("exit()")
        terminal.expect(pexpect.EOF)
        terminal.wait()
        assert terminal.exitstatus == 0, _COLOURS.sub("", terminal.before or "")


def test_a_console_joins_a_kernel_that_runs_already(kernel: Running) -> None:
    run(kernel.client, "shared = 'from the first client'")
    with _console("--existing", kernel.manager.connection_file) as terminal:
        _ask(terminal, "print(shared.upper())", "FROM THE FIRST CLIENT")
        _ask(terminal, "added = 5", r"\n")
        _ask(terminal, "print('done', added)", "done 5")
    assert run(kernel.client, "print(added)").stdout == "5\n"
