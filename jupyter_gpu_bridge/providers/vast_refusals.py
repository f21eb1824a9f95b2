"""What Vast.ai means by a no: neither its status nor its code alone tells it."""

from __future__ import annotations

from jupyter_gpu_bridge.errors import CloudError, KeyBad, KeyForbidden, KeyUnfunded, NoCapacity, Refused, Unclear
from jupyter_gpu_bridge.providers.http import Answer

TITLE = "Vast.ai"
_SET = "jupyter gpu keys set vast"


def refusal(answer: Answer) -> CloudError:
    """The code alone says little: `invalid_args` may be an offer that is gone."""
    status, words = answer.status, words_of(answer)
    said = words.lower()
    if status == 429:
        return Refused(f"{TITLE} is asked too often, and answers nothing more ({words}).")
    if status == 410 or "no_such_ask" in said:
        return NoCapacity(f"{TITLE}: the offer is gone ({words}).")
    if status == 401 or "invalid user key" in said:
        return KeyBad(f"{TITLE} does not take the key ({words}).", advice=f"Give another of the same account: {_SET}")
    if status == 402 or (status == 400 and ("credit" in said or "billing" in said)):
        return KeyUnfunded(f"The account at {TITLE} has no money ({words}).", advice="Add credit to it.")
    if status == 403 and "invalid_args" not in said:
        return KeyForbidden(
            f"{TITLE} does not allow this with the key ({words}).",
            advice=f"Give one with the rights misc, user_read, instance_read and instance_write: {_SET}",
        )
    if 400 <= status < 500 and code_of(answer):
        return Refused(f"{TITLE} refuses ({words}).")
    return Unclear(f"{TITLE} has answered what was not expected (status {status}: {words}).")


def used_up(answer: Answer) -> Unclear | None:
    """The searches of a day; what was found before is as good as it is old."""
    if "search_quota_exceeded" not in words_of(answer).lower():
        return None
    return Unclear(
        f"{TITLE} was asked for offers too often today, and tells none until midnight UTC ({words_of(answer)}).",
        advice="Rent from another provider until then.",
    )


def code_of(answer: Answer) -> str:
    code = answer.content.get("error") if isinstance(answer.content, dict) else None
    return code if isinstance(code, str) else ""


def words_of(answer: Answer) -> str:
    """Any of the fields may be missing."""
    content = answer.content if isinstance(answer.content, dict) else {}
    found = [content[name] for name in ("error", "msg", "message", "detail") if isinstance(content.get(name), str)]
    return ": ".join(" ".join(each.split()) for each in found)[:300] or f"status {answer.status}"
