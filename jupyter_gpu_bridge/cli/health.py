"""`jupyter gpu doctor`."""

from __future__ import annotations

from argparse import Namespace

from jupyter_gpu_bridge import plain
from jupyter_gpu_bridge.bridge import Bridge
from jupyter_gpu_bridge.cli.screen import Screen
from jupyter_gpu_bridge.model import Finding


async def run(arguments: Namespace, bridge: Bridge, screen: Screen) -> int:
    """1 when something is wrong."""
    findings = await bridge.doctor(hosts=arguments.hosts)
    well = all(finding.ok for finding in findings)
    screen.data({"ok": well, "findings": [plain.finding(finding) for finding in findings]})
    for finding in findings:
        screen.say(f"{_word(finding)}  {finding.subject}: {finding.text}")
        if finding.advice:
            screen.say(f"       {finding.advice}")
    return 0 if well else 1


def _word(finding: Finding) -> str:
    """Advice for what is not wrong is a hint."""
    if not finding.ok:
        return "WRONG"
    return "hint " if finding.advice else "ok   "
