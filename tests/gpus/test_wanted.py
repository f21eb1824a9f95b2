from __future__ import annotations

import pytest

from jupyter_gpu_bridge.gpus import identify, models, models_wanted, titles_wanted
from jupyter_gpu_bridge.market.conditions import lacks
from jupyter_gpu_bridge.model import Money, Need, Offer


def _fits(wanted: str, title: str) -> bool:
    need = Need(gpus=(wanted,), gpu_titles=titles_wanted([wanted]))
    return not lacks(need, Offer("vast", "1", title, 1, 81_920, Money()))


@pytest.mark.parametrize(
    ("wanted", "fitting", "others"),
    [
        ("4090", ("RTX 4090",), ("RTX 4090 D", "RTX 4080")),
        ("h100", ("H100 SXM", "H100 PCIe", "H100 NVL", "H100 80GB", "H100"), ("GH200 96GB", "H800 SXM", "A100")),
        ("H100 SXM", ("H100 SXM",), ("H100 PCIe", "H100", "H100 80GB")),
        ("A100-80GB", ("A100 80GB SXM", "A100 80GB PCIe", "A100 80GB"), ("A100 40GB SXM", "A100", "A100 SXM")),
        ("A100", ("A100 80GB SXM", "A100 40GB PCIe", "A100", "A100 SXM", "A100 80GB"), ("A10", "A100X", "A800 80GB")),
        ("RTX PRO 6000", ("RTX PRO 6000 WS", "RTX PRO 6000"), ("RTX PRO 6000 Server MIG 1g.24gb", "RTX 6000 Ada")),
        ("NVIDIA GeForce RTX 4080 SUPER", ("RTX 4080 SUPER",), ("RTX 4080",)),
        ("Rubin X1", ("Rubin X1", "rubin x1"), ("RTX 4090", "Rubin")),
        ("pretend a100 80 gb", ("Pretend A100 80 GB",), ("A100 80GB", "A100 80GB SXM")),
        ("A100", (), ("Pretend A100 80 GB",)),
    ],
)
def test_a_name_means_what_its_user_means(wanted: str, fitting: tuple[str, ...], others: tuple[str, ...]) -> None:
    assert [title for title in fitting if not _fits(wanted, title)] == []
    assert [title for title in others if _fits(wanted, title)] == []


@pytest.mark.parametrize("name", ["Pretend A100 80 GB", "Pretend H100 80 GB", "Pretend L4 24 GB", "Pretend T4 16 GB"])
def test_a_pretence_of_the_sandbox_is_no_model(name: str) -> None:
    assert not identify(name).is_known
    assert titles_wanted([name]) == (name,)


def test_each_model_can_be_asked_for_alone() -> None:
    for model in models():
        assert titles_wanted([model.name]) == (model.name,)
        assert models_wanted([model.name]) == (model,)


def test_what_is_said_stays_what_is_said() -> None:
    need = Need(gpus=("h100",), gpu_titles=titles_wanted(["h100"]))
    assert lacks(need, Offer("vast", "1", "RTX 4090", 1, 24_576, Money())) == ("GPU h100",)
