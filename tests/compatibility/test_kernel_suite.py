"""The suite that Jupyter gives to authors of kernels."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.compatibility import suite


@pytest.fixture(scope="module")
def prepared(kernel_name: str) -> Iterator[suite.Prepared]:
    with suite.Prepared(suite.PythonKernelTests, kernel_name) as prepared:
        yield prepared


@pytest.mark.parametrize("name", suite.names(suite.PythonKernelTests))
def test_the_suite_for_kernels(prepared: suite.Prepared, name: str) -> None:
    assert prepared.run(name) == []


@pytest.mark.parametrize("name", suite.names(suite.PythonWelcomeTests))
def test_a_new_subscriber_is_welcomed(kernel_name: str, name: str) -> None:
    with suite.Prepared(suite.PythonWelcomeTests, kernel_name) as prepared:
        assert prepared.run(name) == []
