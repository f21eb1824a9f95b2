"""Text of a machine that may be anybody's, so that it can be shown and kept: short, without controls, without secrets.

Known secrets are taken out wherever they are; what only looks like one, as machines have keys that we are never told.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

MOST_LINES = 40
MOST_BYTES = 8 << 10

_READ = 64 << 10
"""Characters: what is before them is never shown."""
_HIDDEN = "[hidden]"
_SHORTEST_SECRET = 8
"""Shorter ones are words, and would make holes everywhere."""
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])")
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)
_IN_ADDRESS = re.compile(r"//[^/@\s]+@")
_NAMED = re.compile(
    r"""(?i)((?:key|token|secret|password|passwd|credential)s?["']?[ ]*[=:][ ]*)(?:"[^"\n]*"?|'[^'\n]*'?|[^\s"'&;,]+)"""
)
_SAID_TO_BE_ONE = re.compile(r"""(?i)\b(bearer[ ]+|basic[ ]+(?=[a-z0-9+/=]{8}))[^\s"']+""")
_LONG_WORD = re.compile(r"[A-Za-z0-9_+=-]{24,}")
_LONG_WORDS = re.compile(r"[A-Za-z0-9_+=/-]{40,}")


def harmless(text: str, secrets: Sequence[str] = ()) -> str:
    """The last lines of it. `secrets`: those that are known, each also line by line."""
    lines = [_shown(line) for line in _ESCAPES.sub("", text[-_READ:]).split("\n")]
    clean = _without("\n".join(lines), secrets)
    last = "\n".join([line for line in clean.split("\n") if line][-MOST_LINES:])
    return _last_bytes(last)


def _shown(line: str) -> str:
    """As on a screen: where a line is written over, what it is in the end."""
    written = line.rstrip("\r").rpartition("\r")[2].replace("\t", "    ")
    return "".join(letter for letter in written if letter.isprintable()).rstrip()


def _without(text: str, secrets: Sequence[str]) -> str:
    known = {line.strip() for secret in secrets for line in secret.splitlines()}
    for secret in sorted(known, key=len, reverse=True):
        if len(secret) >= _SHORTEST_SECRET and not secret.startswith("-----"):
            text = text.replace(secret, _HIDDEN)
    text = _PRIVATE_KEY.sub(_HIDDEN, text)
    text = _IN_ADDRESS.sub(f"//{_HIDDEN}@", text)
    text = _SAID_TO_BE_ONE.sub(rf"\1{_HIDDEN}", text)
    text = _NAMED.sub(rf"\1{_HIDDEN}", text)
    text = _LONG_WORDS.sub(lambda found: _HIDDEN if _is_random(found[0], 3) else found[0], text)
    return _LONG_WORD.sub(lambda found: _HIDDEN if _is_random(found[0], 0) else found[0], text)


def _is_random(word: str, least: int) -> bool:
    """No word of a language, nor a path: digits and letters, and of both cases at least so many."""
    upper, lower = sum(letter.isupper() for letter in word), sum(letter.islower() for letter in word)
    digits = sum(letter.isdigit() for letter in word)
    return digits > max(least - 1, 0) and upper + lower > 0 and min(upper, lower) >= least


def _last_bytes(text: str) -> str:
    """Whole lines, unless there is only one."""
    tail = text.encode()[-MOST_BYTES:].decode(errors="ignore")
    if len(tail) == len(text) or "\n" not in tail:
        return tail
    return tail.partition("\n")[2]
