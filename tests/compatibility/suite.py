"""Jupyter's own test suite for kernels, filled in for Python.

It lacks the history operation `range`: to ipykernel the present session is number 0, which that suite does not expect.
"""

from __future__ import annotations

import unittest
from typing import ClassVar

from jupyter_kernel_test import IopubWelcomeTests, KernelTests


class PythonKernelTests(KernelTests):  # type: ignore[misc]  # no types of its own
    language_name = "python"
    file_extension = ".py"
    code_hello_world = "print('hello, world')"
    code_stderr = "import sys; print('to stderr', file=sys.stderr)"
    code_page_something = "print?"
    code_generate_error = "raise RuntimeError('on purpose')"
    code_clear_output = "from IPython.display import clear_output; clear_output()"
    code_inspect_sample = "print"
    code_execute_result: ClassVar[list[dict[str, str]]] = [
        {"code": "1+2+3", "result": "6"},
        {"code": "'x' * 3", "result": "'xxx'"},
        {"code": "[number ** 2 for number in range(4)]", "result": "[0, 1, 4, 9]"},
    ]
    code_display_data: ClassVar[list[dict[str, str]]] = [
        {"code": "from IPython.display import HTML, display; display(HTML('<b>bold</b>'))", "mime": "text/html"},
        {"code": "from IPython.display import Markdown, display; display(Markdown('*x*'))", "mime": "text/markdown"},
        {"code": "from IPython.display import JSON, display; display(JSON({'a': 1}))", "mime": "application/json"},
    ]
    completion_samples: ClassVar[list[dict[str, object]]] = [
        {"text": "zi", "matches": {"zip"}},
        {"text": "'text'.capit", "matches": {"capitalize"}},
    ]
    complete_code_samples: ClassVar[list[str]] = ["1", "print('a')", "def f():\n    return 1\n\n"]
    incomplete_code_samples: ClassVar[list[str]] = ["print('''a", "def f():", "for x in y:\n    z"]
    invalid_code_samples: ClassVar[list[str]] = ["import = 7q", "1 +* 2"]
    code_history_pattern = "1?2*"
    supported_history_operations = ("tail", "search")


class PythonWelcomeTests(IopubWelcomeTests):  # type: ignore[misc]  # no types of its own
    support_iopub_welcome = True


class Prepared:
    """One of the cases, made ready for one kernel name."""

    def __init__(self, case: type[unittest.TestCase], kernel_name: str) -> None:
        self._case: type[unittest.TestCase] = type(case.__name__, (case,), {"kernel_name": kernel_name})

    def __enter__(self) -> Prepared:
        self._case.setUpClass()
        return self

    def __exit__(self, *_: object) -> None:
        self._case.tearDownClass()

    def run(self, name: str) -> list[str]:
        """What went wrong in one of its tests."""
        result = unittest.TestResult()
        self._case(name).run(result)
        return [text for _, text in (*result.failures, *result.errors)]


def names(case: type[unittest.TestCase]) -> list[str]:
    """The tests of a case."""
    return list(unittest.TestLoader().getTestCaseNames(case))
