"""Outputs that are not plain text, or that change after they were shown."""

from __future__ import annotations

import base64
from itertools import groupby

from tests.compatibility.conftest import Running
from tests.compatibility.conversation import run

_PLOT = """
%matplotlib inline
import matplotlib.pyplot as plt
plt.plot([1, 3, 2])
plt.show()
"""

_PROGRESS = """
import sys, time
for done in range(0, 101, 10):
    print(f"\\r{done:3d}%|{'#' * (done // 10):<10}|", end="", file=sys.stderr, flush=True)
print(file=sys.stderr)
"""


def test_a_plot_arrives_as_a_picture(kernel: Running) -> None:
    ran = run(kernel.client, _PLOT, deadline=60)
    picture = ran.of_type("display_data")[-1]["content"]["data"]
    assert base64.b64decode(picture["image/png"]).startswith(b"\x89PNG")
    assert "Figure" in picture["text/plain"]


def test_a_progress_bar_keeps_its_carriage_returns(kernel: Running) -> None:
    bar = run(kernel.client, _PROGRESS).stream("stderr")
    steps = bar.removesuffix("\n").split("\r")
    assert len(steps) == 12
    assert steps[-1] == "100%|##########|"


def test_a_display_is_updated_in_place(kernel: Running) -> None:
    ran = run(kernel.client, "from IPython.display import display; shown = display('before', display_id='one')")
    assert ran.of_type("display_data")[0]["content"]["transient"] == {"display_id": "one"}
    later = run(kernel.client, "shown.update('after')").of_type("update_display_data")
    assert [each["content"]["data"]["text/plain"] for each in later] == ["'after'"]
    assert later[0]["content"]["transient"] == {"display_id": "one"}


def test_cleared_output_comes_in_its_place(kernel: Running) -> None:
    code = "from IPython.display import clear_output; print('a', flush=True); clear_output(wait=True); print('b')"
    kinds = [each["msg_type"] for each in run(kernel.client, code).outputs if each["msg_type"] != "execute_input"]
    assert kinds == ["stream", "clear_output", "stream"]


def test_streams_and_displays_keep_their_order(kernel: Running) -> None:
    code = "import sys\nfor n in range(50): print(n, flush=True); display(n); print(n, file=sys.stderr, flush=True)"
    ran = run(kernel.client, code)
    kinds = [each["content"].get("name", "display") for each in ran.outputs if each["msg_type"] != "execute_input"]
    # A line and its end may come in two messages.
    assert [kind for kind, _ in groupby(kinds)] == ["stdout", "display", "stderr"] * 50


def test_output_of_subprocesses_and_of_c_code_is_shown(kernel: Running) -> None:
    assert "from a child" in run(kernel.client, "!echo from a child").stdout
    low = run(kernel.client, "import os; _ = os.write(1, b'below Python\\n'); import time; time.sleep(0.3)")
    assert "below Python" in low.stdout
