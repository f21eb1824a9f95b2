"""Runs one command and turns whatever stops it into a sentence and an exit status."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from jupyter_gpu_bridge.cli.arguments import parser
from jupyter_gpu_bridge.cli.screen import Screen
from jupyter_gpu_bridge.errors import BridgeError

if TYPE_CHECKING:
    import argparse


def run(argv: Sequence[str] | None = None) -> int:
    words = sys.argv[1:] if argv is None else list(argv)
    try:
        arguments = parser(words).parse_args(words)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 2
    screen = Screen(getattr(arguments, "json", False))
    try:
        return _perform(arguments, screen)
    except BridgeError as error:
        screen.error(error)
        return 1
    except OSError as error:
        return _system_refused(error, screen)
    except KeyboardInterrupt:
        screen.note("\nInterrupted; what was already done stays done.")
        return 130


def _perform(arguments: argparse.Namespace, screen: Screen) -> int:
    if arguments.noun == "completion" and arguments.names:
        from jupyter_gpu_bridge.cli.names import known

        print("".join(f"{name}\n" for name in known(arguments.names)), end="")
        return 0
    if arguments.noun == "completion":
        from jupyter_gpu_bridge.cli.completion import script

        print(script(arguments.shell), end="")
        return 0
    import asyncio

    from jupyter_gpu_bridge import bridge
    from jupyter_gpu_bridge.cli import (
        accounting,
        check,
        health,
        hosts,
        kernels,
        keys,
        market,
        models,
        profiles,
        providers,
        rentals,
        search,
    )

    verbs = {
        "hosts": hosts.run,
        "kernels": kernels.run,
        "keys": keys.run,
        "profiles": profiles.run,
        "models": models.run,
        "search": search.run,
        "check": check.run,
        "doctor": health.run,
        "health": providers.run,
        "history": market.run,
        "market": market.run,
        **dict.fromkeys(("rent", "ls", "show", "extend", "stop"), rentals.run),
        **dict.fromkeys(("costs", "orphans", "guard", "limits"), accounting.run),
    }
    return asyncio.run(verbs[arguments.noun](arguments, bridge.Bridge(), screen))


def _system_refused(error: OSError, screen: Screen) -> int:
    if isinstance(error, BrokenPipeError):
        # Whoever read our output has seen enough; nothing may be flushed to it at the end either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    where = f" ({error.filename})" if error.filename else ""
    screen.error(
        BridgeError(f"The system refused: {error.strerror or error}{where}.", advice="See: jupyter gpu doctor")
    )
    return 1
