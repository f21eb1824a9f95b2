"""What the user allows to be spent, over all rentals; kept in a file beside the ledger."""

from __future__ import annotations

import json

from jupyter_gpu_bridge import settings
from jupyter_gpu_bridge.errors import BadRequest
from jupyter_gpu_bridge.files import replace_file
from jupyter_gpu_bridge.model import Money
from jupyter_gpu_bridge.rentals.ledger import Limits

_SUMS = ("per_day", "per_month", "per_hour_at_once")


def user_limits() -> Limits:
    """Raises `BadRequest` for a file that makes no sense: no limit is safer than a forgotten one."""
    path = settings.data_folder() / "limits.json"
    try:
        found = json.loads(path.read_bytes())
        sums = {name: Money.parse(found[name]) for name in _SUMS if found.get(name) is not None}
        at_once = found.get("live_at_once")
        return Limits(**sums, live_at_once=None if at_once is None else int(at_once))
    except FileNotFoundError:
        return Limits()
    except (ValueError, TypeError, KeyError, AttributeError):
        raise BadRequest(
            f"The limits in {path} cannot be read, so nothing is rented.",
            advice="Mend the file, or set them anew: jupyter gpu limits --help",
        ) from None


def set_limits(limits: Limits) -> None:
    described = {name: None if (sum_ := getattr(limits, name)) is None else str(sum_) for name in _SUMS}
    text = json.dumps({**described, "live_at_once": limits.live_at_once}, indent=1) + "\n"
    replace_file(settings.data_folder() / "limits.json", text.encode())
