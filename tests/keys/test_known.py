"""What is said of the providers that we know agrees with their adapters."""

from __future__ import annotations

import pytest

from jupyter_gpu_bridge import keys
from jupyter_gpu_bridge.keys import KeyPlace
from jupyter_gpu_bridge.providers import clouds


@pytest.mark.parametrize("name", clouds._OURS)
def test_every_adapter_of_ours_has_its_place_in_the_table(name: str) -> None:
    place = getattr(clouds._maker(name), "key", None)
    assert place is None or isinstance(place, KeyPlace)
    assert place is keys.place_of(name)


def test_users_find_their_variables_under_the_names_that_they_know() -> None:
    known = {place.provider: place.variables for place in keys.places()}
    assert known["runpod"] == ("RUNPOD_API_KEY",)
    assert known["vast"] == ("VAST_API_KEY", "VASTAI_API_KEY", "VAST_AI_API_KEY")
    assert known["lambda"][0] == "LAMBDA_API_KEY"
    for place in keys.places():
        assert place.advice.startswith("Make one ")
