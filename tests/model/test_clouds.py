from __future__ import annotations

import pytest

from jupyter_gpu_bridge.model import PowerOff, Traits
from jupyter_gpu_bridge.providers.sandbox import Sandbox

GUARD = "Have the guard installed: jupyter gpu guard install"


def test_where_nothing_is_lacking_nothing_is_said() -> None:
    assert Traits("Far", removal=(PowerOff(),), limits_at_create=True).gaps() == ""
    assert Sandbox().traits.gaps() == ""


@pytest.mark.parametrize(
    ("traits", "said"),
    [
        (
            Traits("Far", bills_stopped=False),
            f"Far cannot end this machine by itself: if this computer is off, it runs until somebody ends it. {GUARD}",
        ),
        (
            Traits("Far"),
            "Far cannot end this machine by itself: if this computer is off, it runs until somebody ends it. "
            f"Switching it off does not end its bill. {GUARD}",
        ),
        (
            Traits("Far", limits_at_create=True, bills_stopped=False),
            "Far cannot end this machine by itself: if this computer is off, only the time limit at its provider does, "
            f"at the deadline. {GUARD}",
        ),
        (
            Traits("Far", removal=(PowerOff(),)),
            f"Far takes no time limit: if this computer is off, only the machine's own lease ends it. {GUARD}",
        ),
    ],
)
def test_what_a_cloud_cannot_promise_is_said_with_what_to_do(traits: Traits, said: str) -> None:
    assert traits.gaps() == said
