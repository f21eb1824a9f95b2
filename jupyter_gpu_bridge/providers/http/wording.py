"""What is said of answers: the cloud's own words, short, and without a secret."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from jupyter_gpu_bridge.errors import BridgeError, KeyBad, KeyForbidden, KeyRefused, KeyUnfunded, Refused, Unclear
from jupyter_gpu_bridge.providers.http.answer import Answer
from jupyter_gpu_bridge.providers.http.wire import Received

_MOST_WORDS = 200
_MOST_READ = 1 << 20
_HIDDEN = "[hidden]"
_OF_A_KEY: Mapping[int, tuple[type[KeyRefused], str, str]] = {
    401: (
        KeyBad,
        "does not take the key",
        "Make a new key of the same account, and give it: jupyter gpu keys set PROVIDER",
    ),
    402: (
        KeyUnfunded,
        "takes the key, and its account has no money",
        "Pay money into that account, or set up how it pays.",
    ),
    403: (
        KeyForbidden,
        "takes the key, and does not allow it to do this",
        "Make a key of the same account with more rights, and give it: jupyter gpu keys set PROVIDER",
    ),
}


class Wording:
    def __init__(self, title: str, secrets: Sequence[str]) -> None:
        self.title = title
        self._secrets = sorted((each for each in secrets if each), key=len, reverse=True)

    def unclear(self, what: str, words: str) -> Unclear:
        return Unclear(
            f"{self.title} {what} ({self.mask(words).rstrip('.')}).", advice="It is not known whether it was done."
        )

    def refused(self, answer: Answer) -> Refused:
        return Refused(f"{self.title} refuses (status {answer.status}: {self._shown(answer.content)}).")

    def key_refused(self, received: Received) -> KeyRefused:
        kind, what, advice = _OF_A_KEY[received.status]
        return kind(f"{self.title} {what} ({self.words(received)}).", advice=advice)

    def words(self, received: Received) -> str:
        """Status and message, for a sentence."""
        said: object = None
        try:
            if len(received.body) <= _MOST_READ:
                said = json.loads(received.body)
        except (ValueError, RecursionError):
            said = received.body[: 4 * _MOST_WORDS].decode("utf-8", "replace")
        shown = self._shown(said)
        return f"status {received.status}: {shown}" if shown else f"status {received.status}"

    def masked(self, error: BridgeError) -> BridgeError:
        return type(error)(
            self.mask(error.what),
            advice=self.mask(error.advice),
            billing=self.mask(error.billing),
            details={name: self.mask(value) for name, value in error.details.items()},
        )

    def mask(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, _HIDDEN)
        return text

    def _shown(self, said: object) -> str:
        for name in ("error", "message", "detail", "errors"):
            if isinstance(said, dict) and said.get(name):
                return self._shown(said[name])
        text = said if isinstance(said, str) else "" if said is None else json.dumps(said, default=str)
        return self.mask(" ".join(text.split()))[:_MOST_WORDS].rstrip(".")
