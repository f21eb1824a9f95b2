"""`jupyter gpu keys`."""

from __future__ import annotations

import contextlib
import getpass
import signal
import sys
import warnings
from argparse import Namespace
from collections.abc import Awaitable, Callable, Iterator

from jupyter_gpu_bridge import plain
from jupyter_gpu_bridge.bridge import Bridge, Held
from jupyter_gpu_bridge.cli.screen import Screen
from jupyter_gpu_bridge.errors import BadRequest

_MOST_BYTES = 1 << 16


async def run(arguments: Namespace, bridge: Bridge, screen: Screen) -> int:
    verbs: dict[str, Callable[[Namespace, Bridge, Screen], Awaitable[int]]] = {
        "set": _set, "test": _test, "remove": _remove, "list": _list,
    }  # fmt: skip
    return await verbs[arguments.verb](arguments, bridge, screen)


async def _set(arguments: Namespace, bridge: Bridge, screen: Screen) -> int:
    provider: str = arguments.provider
    advice = await bridge.key_advice(provider)
    if screen.can_ask:
        screen.note(advice)
    stored = await bridge.set_key(provider, _given(provider))
    screen.data(
        {
            "provider": provider,
            "source": plain.source(stored.key.source),
            "last": stored.key.last,
            "notes": list(stored.notes),
        }
    )
    screen.say(f"The key of {provider} is in {stored.key.source} now. Is it good? jupyter gpu keys test {provider}")
    for note in stored.notes:
        screen.note(note)
    return 0


async def _test(arguments: Namespace, bridge: Bridge, screen: Screen) -> int:
    tested = await bridge.test_key(arguments.provider)
    account, key = tested.account, tested.key
    screen.data(
        {
            "provider": arguments.provider,
            "title": account.title,
            "balance": None if account.balance is None else account.balance.exact(),
            "source": None if key is None else plain.source(key.source),
        }
    )
    which = "No key is needed" if key is None else f"The key from {key.source} is good"
    screen.say(f"{which}. Account: {account.title or 'without a name'}.")
    balance = "it is not told" if account.balance is None else account.balance.cents()
    screen.say(f"Balance: {balance}.")
    return 0


async def _remove(arguments: Namespace, bridge: Bridge, screen: Screen) -> int:
    """1 when there may be one left that was stored."""
    removed = await bridge.remove_key(arguments.provider)
    screen.data(
        {
            "provider": arguments.provider,
            "removed": [plain.source(source) for source in removed.sources],
            "left": None if removed.left is None else plain.source(removed.left),
            "troubles": list(removed.troubles),
        }
    )
    if removed.sources:
        screen.say(f"Removed the key of {arguments.provider} from {' and from '.join(map(str, removed.sources))}.")
        screen.say("It goes on to work for whoever has it: revoke it at the provider if that may be somebody else.")
    elif not removed.troubles:
        screen.say(f"No key of {arguments.provider} was stored.")
    if removed.left is not None:
        screen.note(f"There is still one in {removed.left}, which only you can take away.")
    for trouble in removed.troubles:
        screen.note(trouble)
    return 1 if removed.troubles else 0


async def _list(arguments: Namespace, bridge: Bridge, screen: Screen) -> int:
    """1 when one cannot be read."""
    found = await bridge.keys()
    lacking = await bridge.keys_of_this_environment()
    screen.data({"keys": [plain.key(held) for held in found], "note": lacking})
    screen.table(("PROVIDER", "SOURCE", "KEY"), [_row(held) for held in found])
    troubles = dict.fromkeys((trouble.what, trouble.advice) for held in found for trouble in held.troubles)
    for what, advice in troubles:
        screen.note(f"{what} {advice}")
    if lacking:
        screen.note(lacking)
    return 1 if any(held.key is None and held.is_certain for held in found) else 0


def _row(held: Held) -> tuple[str, ...]:
    if held.key is None:
        return held.place.provider, "cannot be read" if held.troubles else "-", "-"
    return held.place.provider, str(held.key.source), f"...{held.key.last}" if held.key.last else "(short)"


def _given(provider: str) -> str:
    """Typed where nobody sees it, or read. What cannot be decoded comes as other characters, and is refused later."""
    if sys.stdin is None:
        return ""
    if not sys.stdin.isatty():
        stream = getattr(sys.stdin, "buffer", None)
        return sys.stdin.read(_MOST_BYTES) if stream is None else stream.read(_MOST_BYTES).decode("latin-1")
    with warnings.catch_warnings(), _interruptible():
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            return getpass.getpass(f"Key of {provider} (it is not shown): ")
        except EOFError:
            return ""
        except getpass.GetPassWarning:
            raise BadRequest(
                "This terminal cannot hide what is typed.", advice="Give the key to standard input instead."
            ) from None


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C ends the question at once; asyncio would wait until it is answered."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
