"""What RunPod means by a no, which both of its APIs say in prose."""

from __future__ import annotations

import re

from jupyter_gpu_bridge.errors import CloudError, KeyBad, KeyForbidden, KeyUnfunded, NoCapacity, Refused, Unclear
from jupyter_gpu_bridge.providers.answers import Fields
from jupyter_gpu_bridge.providers.http import Answer

TITLE = "RunPod"

_SET = "jupyter gpu keys set runpod"
_NO_CAPACITY = re.compile(r"no longer any instances available|not enough free gpus", re.IGNORECASE)
_NO_MONEY = re.compile(r"balance|insufficient funds|\bcredits?\b|spend limit", re.IGNORECASE)
_CERTAIN = {"BAD_USER_INPUT", "GRAPHQL_VALIDATION_FAILED", "GRAPHQL_PARSE_FAILED"}


def refusal(answer: Answer) -> CloudError:
    """A 4xx, of either API, or of a proxy before it, which says nothing that can be read."""
    content = answer.content if isinstance(answer.content, dict) else {}
    fields = Fields(TITLE, content)
    if fields.has("errors") and not fields.has("detail"):
        return told(answer.status, *first_error(fields))
    said = content.get("detail") or content.get("message") or content.get("error") or ""
    more = content.get("errors")
    words = [str(said), *(map(str, more) if isinstance(more, list) else [])]
    return told(answer.status, " ".join(words), "")


def data_of(answer: Answer) -> Fields:
    """Of GraphQL; whoever fails there says so with status 200. Raises `CloudError`."""
    data = answer.fields.inner("data") if answer.fields.has("data") else None
    if data is not None and any(data.has(name) for name in ("myself", "podFindAndDeployOnDemand")):
        return data
    raise told(answer.status, *first_error(answer.fields))


def first_error(fields: Fields) -> tuple[str, str]:
    """Sentence and code."""
    errors = fields.list("errors") if fields.has("errors") else []
    if not errors:
        return "", ""
    more = errors[0].inner("extensions") if errors[0].has("extensions") else Fields(TITLE, {})
    return errors[0].text("message", ""), more.text("code", "")


def told(status: int, said: str, code: str) -> CloudError:
    """What a no means; `status` is 200 where GraphQL says it.

    The same words are used for no stock and for an order that no host can ever meet, so a run of them is our mistake.
    """
    words = _shortened(said)
    if _NO_CAPACITY.search(said):
        return NoCapacity(
            f"{TITLE}: {words}", advice="If it says so of every offer, the order is at fault, and not the stock."
        )
    if code == "UNAUTHENTICATED":
        return KeyBad(f"{TITLE} does not take the key ({words}).", advice=f"Make a new one, and give it: {_SET}")
    if code == "FORBIDDEN":
        return KeyForbidden(
            f"{TITLE} takes the key, and does not allow it to do this ({words}).",
            advice=f"Make one with all permissions, and give it: {_SET}",
        )
    if _NO_MONEY.search(said):
        return KeyUnfunded(
            f"The account at {TITLE} has too little money ({words}).",
            advice="Pay in at least what one hour of the pod costs.",
        )
    if (status >= 400 and said) or code in _CERTAIN:
        return Refused(f"{TITLE} refuses (status {status}: {words}).")
    return Unclear(
        f"{TITLE} has answered what does not tell whether it was done (status {status}: {words or 'nothing'}).",
        advice="It is not known whether it was done.",
    )


def _shortened(said: str) -> str:
    """GraphQL repeats what it was sent, and that holds a private key."""
    return re.sub(r"[A-Za-z0-9+/=]{40,}", "[hidden]", " ".join(said.split()))[:200].rstrip(".")
