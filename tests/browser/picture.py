"""The picture of the README, drawn from the real thing: `python -m tests.browser.picture [FILE]`.

A notebook on a machine behind SSH (a real sshd on this computer, called as a rented one would be), with a plot and a
progress bar that is under way, beside the Compute panel.
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, expect, sync_playwright

from tests.browser.compute import Complaints, LabPage, launch_chromium
from tests.browser.far import add_host, far_machine
from tests.browser.lab import Lab
from tests.browser.notebook import START_LIMIT, Notebook, expect_finished

PICTURE = Path(__file__).parents[2] / "docs/images/lab.png"
_SIZE = (1400, 860)

_PLOT = """import matplotlib.pyplot as plt
import numpy as np

epochs = np.arange(1, 41)
loss = 2.3 * np.exp(-epochs / 9) + 0.18 + 0.03 * np.random.default_rng(7).standard_normal(40)
plt.figure(figsize=(6.4, 2.4))
plt.plot(epochs, loss)
plt.xlabel("epoch")
plt.ylabel("loss")
plt.show()"""

_BAR = """import time

for step in range(1, 101):
    bar = "━" * (step // 4)
    print(f"\\rtraining {step:3d} %  {bar:25}  loss {0.2 + 2 / step:.3f}", end="", flush=True)
    time.sleep(0.1)"""


def main(file: Path) -> None:
    folder = Path(tempfile.mkdtemp(prefix="gb-", dir="/tmp"))
    lab = Lab(folder)
    try:
        with (
            far_machine(lab, "gpu-box") as box,
            far_machine(lab, "workshop") as workshop,
            sync_playwright() as playwright,
        ):
            add_host(lab, "gpu-box", box, f"--fingerprint={box.fingerprint}")
            add_host(lab, "workshop", workshop, "--no-check")
            lab.start()
            browser = launch_chromium(playwright)
            _draw(browser, lab, file)
            browser.close()
    finally:
        lab.close()
        shutil.rmtree(folder, ignore_errors=True)


def _draw(browser: Browser, lab: Lab, file: Path) -> None:
    width, height = _SIZE
    page = browser.new_page(viewport={"width": width, "height": height}, device_scale_factor=1)
    lab_page = LabPage(page, Complaints())
    lab_page.open(lab)
    notebook = Notebook(page)
    notebook.open_from_launcher("gpu-box (GPU bridge)")
    notebook.rename("explore.ipynb")
    page.locator("#jp-main-dock-panel .lm-TabBar-addButton").click()
    notebook.open_from_launcher("gpu-box (GPU bridge)")
    notebook.rename("train.ipynb")
    lab_page.open_compute()
    expect_finished(notebook.run(_PLOT), within=START_LIMIT)
    cell = notebook.run(_BAR)
    expect(cell).to_contain_text(re.compile("training +6"), timeout=START_LIMIT)
    file.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=file)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else PICTURE)
