from __future__ import annotations

import shlex
from dataclasses import replace

from jupyter_gpu_bridge.model import Money, Offer
from tests.bridges import ScriptedBridge
from tests.cli.calls import Call

CHEAP = Offer("vast", "17", "RTX 4090", 1, 24_564, Money.parse("0.35"), "US", reliability=0.995)
FAST = Offer("runpod", "h100@US-1", "H100 SXM", 8, 81_920, Money.parse("19.60"), tier="secure")
ODD = Offer("vast", "18", "Rubin X1", 1, 300_000, Money.parse("0.30"), is_spot=True)


def test_offers_are_shown_the_best_first_and_how_many_there_are(bridge: ScriptedBridge, call: Call) -> None:
    bridge.market = [FAST, CHEAP, ODD]
    shown = call("search")
    assert shown.status == 0
    titles, first, second = shown.out.splitlines()
    assert titles.split()[:2] == ["OFFER", "GPU"]
    assert first.split() == ["vast:17", "RTX", "4090", "24", "GiB", "$0.35", "100", "99.5", "%", "US", "on", "demand"]
    assert second.startswith("runpod:h100@US-1")
    assert "150" in second
    assert shown.err == (
        "1 to 2 of 2 that fit, of 3 offers. Rent the first: jupyter gpu rent --offer vast:17 --max-price 0.35\n"
    )


def test_what_rents_the_first_is_said_in_full_and_can_be_pasted(bridge: ScriptedBridge, call: Call) -> None:
    bridge.market = [replace(FAST, offer_id="SECURE:2:NVIDIA H100 80GB", price=Money.parse("4.98"))]
    shown = call("search", "--gpus", "2", "--disk", "100", "--gpu", "H100", "--max-price", "9")
    assert shown.status == 1, "its disk is not known"
    bridge.market = [replace(bridge.market[0], disk_gib=100)]
    said = call("search", "--gpus", "2", "--disk", "100").err.partition("Rent the first: jupyter gpu ")[2]
    words = [
        "rent",
        "--offer",
        "runpod:SECURE:2:NVIDIA H100 80GB",
        "--max-price",
        "4.98",
        "--gpus",
        "2",
        "--disk",
        "100",
    ]
    assert shlex.split(said) == words


def test_words_and_options_say_what_is_looked_for(bridge: ScriptedBridge, call: Call) -> None:
    bridge.market = [FAST, CHEAP, ODD]

    def found(*words: str) -> list[str]:
        return [each["name"] for each in call("search", *words, "--json").data["offers"]]

    assert found("fastest") == ["runpod:h100@US-1", "vast:17"]
    assert found("fastest under $2") == ["vast:17"]
    assert found("cheapest", "or", "spot") == ["vast:18", "vast:17", "runpod:h100@US-1"]
    assert found("--sort", "performance", "--spot") == ["runpod:h100@US-1", "vast:17", "vast:18"]
    assert found("--reliability", "99%") == ["vast:17"]
    assert found("--offer", "vast:18", "--only-spot") == ["vast:18"]
    assert found("--gpu", "h100", "--tier", "Secure", "--gpus", "4") == ["runpod:h100@US-1"]
    assert found("--rows", "1", "--page", "2") == ["runpod:h100@US-1"]


def test_nothing_that_fits_is_explained_and_so_is_a_page_that_is_not_there(bridge: ScriptedBridge, call: Call) -> None:
    bridge.market = [FAST, CHEAP]
    empty = call("search", "--max-price", "0.10", "--region", "US")
    assert empty.status == 1
    assert empty.out == (
        "None of 2 offers fits: at most $0.10 per hour excludes 2 (1 by this alone); region US excludes 1 "
        "(1 do not say).\n"
    )
    assert call("search", "--max-price", "0.10", "--json").data["excluded"] == [
        {"phrase": "at most $0.10 per hour", "count": 2, "alone": 2, "unsaid": 0}
    ]
    beyond = call("search", "--page", "9")
    assert beyond.status == 0
    assert beyond.out == "2 offers fit; there is no page 9.\n"


def test_a_pretence_says_so(bridge: ScriptedBridge, call: Call) -> None:
    bridge.market = [replace(CHEAP, provider="sandbox", is_pretend=True)]
    assert "on demand, pretended" in call("search").out


def test_an_offer_that_needs_an_image_of_ones_own_is_marked(bridge: ScriptedBridge, call: Call) -> None:
    bridge.market = [replace(CHEAP, needs_image=True)]
    assert "needs an --image" in call("search").out
    (offer,) = call("search", "--json").data["offers"]
    assert offer["needs_image"]


def test_what_makes_no_sense_is_refused_with_an_example(call: Call) -> None:
    assert "no share; write for example 0.98 or 98%" in call("search", "--reliability", "very").err
    refused = call("search", "gimme")
    assert refused.status == 1
    assert "'gimme' is not understood. For example: cheapest with 24 GB" in refused.err
    assert call("search", "--page", "0").status == 2


def test_what_a_provider_says_does_nothing_to_the_terminal(bridge: ScriptedBridge, call: Call) -> None:
    bridge.market = [replace(CHEAP, region="US\x1b[2J\x1b]0;mine\x07")]
    shown = call("search")
    assert "US [2J ]0;mine " in shown.out
    assert "\x1b" not in shown.out + shown.err
