"""The guard by cron: real crontabs and a real daemon, in a place of their own."""

from __future__ import annotations

import pytest

from tests.rentals.guard_timer.system import run_inside

_MOUNTS = """
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var/spool/cron
mkdir -m 700 /var/spool/cron/crontabs
mount -t tmpfs tmpfs /etc/cron.d
mount --bind /dev/null /etc/crontab
"""

pytestmark = [pytest.mark.needs("cron", "crontab"), pytest.mark.timeout(240)]


@pytest.mark.parametrize("story", ["table", "daemon"])
def test_it_has_one_line_among_those_of_others(story: str) -> None:
    run_inside("tests.rentals.guard_timer.cron_inside", story, mounts=_MOUNTS, timeout=200)
