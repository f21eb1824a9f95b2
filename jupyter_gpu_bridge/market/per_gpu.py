"""What one GPU of an offer costs, which is what models are compared by."""

from __future__ import annotations

from jupyter_gpu_bridge.model import Money, Offer


def has_gpu(offer: Offer) -> bool:
    """Whether there is a GPU, and a price that makes sense."""
    return bool(offer.gpu) and offer.gpu_count > 0 and offer.price >= Money()


def per_gpu(offer: Offer) -> Money:
    """For an hour; to the nearest micro-dollar."""
    return shared(offer.price, offer.gpu_count)


def shared(sum_: Money, by: int) -> Money:
    """To the nearest micro-dollar; a half counts up."""
    return Money((2 * sum_.micros + by) // (2 * by))
