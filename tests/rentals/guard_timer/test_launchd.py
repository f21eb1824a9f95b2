"""The guard by launchd: the description that it is given, read back. No launchd was ever asked."""

from __future__ import annotations

import plistlib

from jupyter_gpu_bridge.rentals.guard_timer.launchd import agent
from tests.rentals.guard_timer.system import ODD

_DOCUMENTED = {
    "Label": str,
    "ProgramArguments": list,
    "StartInterval": int,
    "RunAtLoad": bool,
    "AbandonProcessGroup": bool,
}
"""In launchd.plist(5); a key that is not is overlooked by launchd without a word."""


def test_it_says_what_launchd_documents() -> None:
    described = plistlib.loads(agent(f"/Users/ada{ODD} <&>/guard.sh"), fmt=plistlib.FMT_XML)
    assert {key: type(value) for key, value in described.items()} == _DOCUMENTED
    assert described["ProgramArguments"] == ["/bin/sh", f"/Users/ada{ODD} <&>/guard.sh"]
    assert described["StartInterval"] == 300
