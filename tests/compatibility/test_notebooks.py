"""Programs that execute notebooks without a server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import papermill
import pytest

_CELLS = ["factor = 2", "import os\nprint(6 * factor)", "factor ** 10"]


def _notebook(*codes: str) -> Any:
    """A notebook whose first cell holds its parameters."""
    cells: list[dict[str, Any]] = [
        {"cell_type": "code", "source": code, "metadata": {}, "outputs": [], "execution_count": None} for code in codes
    ]
    cells[0]["metadata"] = {"tags": ["parameters"]}
    return _read(json.dumps({"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": cells}))


def _read(text: str) -> Any:
    return nbformat.reads(text, as_version=4)  # type: ignore[no-untyped-call]


def test_nbclient_executes_a_notebook(kernel_name: str) -> None:
    notebook = _notebook(*_CELLS)
    nbclient.NotebookClient(notebook, kernel_name=kernel_name, timeout=30).execute()
    assert notebook.cells[1].outputs[0].text == "12\n"
    assert notebook.cells[2].outputs[0].data["text/plain"] == "1024"
    assert [cell.execution_count for cell in notebook.cells] == [1, 2, 3]


def test_nbclient_reports_the_error_of_a_cell(kernel_name: str) -> None:
    notebook = _notebook("raise LookupError('on purpose')")
    with pytest.raises(nbclient.exceptions.CellExecutionError, match="on purpose"):
        nbclient.NotebookClient(notebook, kernel_name=kernel_name, timeout=30).execute()


def test_papermill_passes_parameters(kernel_name: str, tmp_path: Path) -> None:
    source, result = tmp_path / "source.ipynb", tmp_path / "result.ipynb"
    source.write_text(json.dumps(_notebook(*_CELLS)))
    papermill.execute_notebook(
        source, result, parameters={"factor": 7}, kernel_name=kernel_name, language="python", progress_bar=False
    )
    done = _read(result.read_text())
    assert [cell.outputs[0].text for cell in done.cells if "print" in cell.source] == ["42\n"]
    assert done.metadata.papermill.exception is None
