"""`jupyter gpu doctor`."""

from __future__ import annotations

from argparse import Namespace

from jupyter_gpu_bridge import plain
from jupyter_gpu_bridge.bridge import Bridge
from jupyter_gpu_bridge.cli.screen import Screen


async def run(arguments: Namespace, bridge: Bridge, screen: Screen) -> int:
    """1 when something is wrong."""
    findings = await bridge.doctor(hosts=arguments.hosts)
    well = all(finding.ok for finding in findings)
    screen.data({"ok": well, "findings": [plain.finding(finding) for finding in findings]})
    for finding in findings:
        screen.say(f"{'ok   ' if finding.ok else 'WRONG'}  {finding.subject}: {finding.text}")
        if not finding.ok and finding.advice:
            screen.say(f"       {finding.advice}")
    return 0 if well else 1
