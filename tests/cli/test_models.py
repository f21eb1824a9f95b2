from __future__ import annotations

from jupyter_gpu_bridge.gpus import groups, models, models_wanted
from tests.cli.calls import Call


def _names(table: str) -> list[str]:
    """The first column of a table, whose cells may hold single spaces."""
    return [line.split("  ")[0] for line in table.splitlines()[1:]]


def test_all_models_are_shown_the_fastest_first(call: Call) -> None:
    shown = _names(call("models").out)
    assert shown == [model.name for model in sorted(models(), key=lambda each: (-each.figures.raw, each.name))]
    data = call("models", "--json").data["models"]
    assert [each["name"] for each in data] == shown
    raw = [each["raw"] for each in data]
    assert raw == sorted(raw, reverse=True)


def test_a_row_says_all_that_is_known_of_a_model(call: Call) -> None:
    (row,) = call("models", "--gpu", "b200").out.splitlines()[1:]
    assert row.split() == [
        "B200", "180", "datacenter", "Blackwell", "10.0", "2250", "8000", "yes", "150", "(capped)",
    ]  # fmt: skip
    assert call("models", "--gpu", "H100 SXM").out.rstrip().endswith("yes  150")
    assert "Arm host" in call("models", "--gpu", "GH200").out
    assert "older toolkit only; two GPUs a board" in call("models", "--gpu", "K80").out
    assert "11.8 FP32" in call("models", "--gpu", "P40").out
    assert "8/16" in call("models", "--gpu", "RTX 4060 Ti").out
    assert "needs CUDA 12.8 or later" in call("models", "--gpu", "5090").out
    (data,) = call("models", "--gpu", "4090", "--json").data["models"]
    assert data == {
        "name": "RTX 4090",
        "family": "RTX 4090",
        "memory_gib": 24,
        "other_memory_gib": [],
        "category": "consumer",
        "architecture": "Ada",
        "capability": "8.9",
        "tflops": 165.2,
        "tflops_of": "matrix",
        "bandwidth": 1008,
        "fp8": True,
        "arm_host": False,
        "score": 100,
        "raw": 100.0,
        "needs": "",
        "note": "",
    }


def test_models_are_chosen_and_ordered(call: Call) -> None:
    words = ("models", "--gpu", "h100", "--gpu", "A100-80GB", "--sort", "name")
    assert _names(call(*words).out) == ["A100 80GB PCIe", "A100 80GB SXM", "H100 NVL", "H100 PCIe", "H100 SXM"]
    largest = _names(call("models", "--category", "professional", "--min-memory", "48", "--sort", "memory").out)
    assert largest[:3] == ["RTX PRO 6000 WS", "RTX PRO 6000 Max-Q", "RTX PRO 6000 Server"]
    assert "Quadro RTX 6000" not in largest
    assert call("models", "--category", "consumer", "--min-memory", "96").out == "No model is like that.\n"
    assert call("models", "--min-memory", "much").status == 2


def test_a_name_is_explained_in_everybodys_words_and_in_those_of_each_provider(call: Call) -> None:
    answer = call("models", "A100")
    assert answer.status == 0
    assert "'A100' is A100 (score 118, by the lowest figures of these, variant unknown: one of 4)." in answer.out
    assert "At modal: A100 40GB SXM (score 118) (may have 80 GB)." in answer.out
    assert "At paperspace: A100 40GB PCIe (score 118)." in answer.out
    data = call("models", "gpu_8x_a100", "--json").data
    assert (data["title"], data["count"], data["variant_unknown"]) == ("A100", 8, True)
    assert data["providers"]["lambda"]["title"] == "A100 40GB SXM"
    assert "a part of a card" in call("models", "PRO 6000 MIG 24GB").out
    assert "At paperspace: a machine without a GPU" in call("models", "C5").out


def test_a_name_of_several_words_needs_no_quotes(call: Call) -> None:
    assert call("models", "RTX", "4090", "D").out == call("models", "RTX 4090 D").out
    assert "'RTX 4090 D' is RTX 4090 D" in call("models", "RTX", "4090", "D").out


def test_an_unknown_name_is_answered_with_those_near_it(call: Call) -> None:
    answer = call("models", "RTX 4900")
    assert answer.status == 1
    assert "'RTX 4900' is no GPU that is known." in answer.out
    assert "Near it: RTX 4090, " in answer.out
    data = call("models", "RTX 4900", "--json").data
    assert (data["models"], data["score"], data["near"][0]) == ([], None, "RTX 4090")
    refused = call("models", "--gpu", "RTX 4900")
    assert (refused.status, "jupyter gpu models 'RTX 4900'" in refused.err) == (1, True)


def test_what_a_shell_completes_is_a_model_or_a_family(call: Call) -> None:
    words = call("completion", "--names", "gpus").out.splitlines()
    assert {"RTX-4090", "A100-80GB-SXM", "A100", "H100-80GB"} <= set(words)
    assert len(words) == len(models()) + len(groups())
    assert [word for word in words if " " in word or not models_wanted([word])] == []
