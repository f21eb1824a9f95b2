"""All simulated clouds at once, until Ctrl-C: `python -m tests.clouds.all`; prints what leads programs to them."""

from __future__ import annotations

import contextlib
import signal
import sys

from tests.clouds.cloud import SimulatedCloud
from tests.clouds.simulators import names


class _Apart(SimulatedCloud):
    is_apart = True


def main() -> int:
    with contextlib.ExitStack() as stack:
        for name in names():
            cloud = stack.enter_context(_Apart(name, boot_seconds=2.0, rate=1.0, idle_seconds=86400.0))
            for variable, value in cloud.environment().items():
                print(f"export {variable}={value}", flush=True)
        print(
            "# For another terminal, and there: jupyter gpu rent, or make lab. Ctrl-C here ends them, and all machines."
        )
        sys.stdout.flush()
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()
    return 0


if __name__ == "__main__":
    sys.exit(main())
