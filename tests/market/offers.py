"""Offers as clouds may make them, for hypothesis: with everything that is not known left open, and with ties."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from hypothesis import strategies as st

from jupyter_gpu_bridge.model import Money, Need, Offer

_GPUS = ("H100 SXM", "H100", "A100 80GB PCIe", "RTX 4090", "RTX 3090", "L4", "Rubin X1", "MI300X", "")
_NUMBERS = st.sampled_from([0, 1, 2, 8])
_PRICES = st.sampled_from([0, 250_000, 400_001, 1_000_000, 2_490_000, 19_000_000]).map(Money)
_REGIONS = st.sampled_from(["", "US", "us", "EU-1"])
_VERSIONS = st.sampled_from(["", "12.4", "12.10", "11.8", "8.9", "9.0", "gfx942", "newest"])
_SHARES = st.one_of(st.none(), st.sampled_from([Decimal("0.9"), Decimal("0.985"), Decimal("0.999")]))
_SPANS = st.one_of(st.none(), st.sampled_from([timedelta(hours=1), timedelta(days=3)]))

offers = st.builds(
    Offer,
    provider=st.sampled_from(["vast", "runpod"]),
    offer_id=st.integers(0, 10**6).map(str),
    gpu=st.sampled_from(_GPUS),
    gpu_count=_NUMBERS,
    gpu_memory_mib=st.sampled_from([0, 24_564, 81_920]),
    price=_PRICES,
    region=_REGIONS,
    is_spot=st.booleans(),
    host=st.sampled_from(["", "host-7", "host-8"]),
    cpus=_NUMBERS,
    memory_mib=st.sampled_from([0, 65_536]),
    disk_gib=st.sampled_from([0, 100]),
    tier=st.sampled_from(["", "secure", "Community"]),
    stock=st.sampled_from(["", "low", "medium", "high"]),
    is_verified=st.sampled_from([None, True, False]),
    reliability=_SHARES.map(lambda share: None if share is None else float(share)),
    lasts=_SPANS,
    down_mbps=st.sampled_from([None, 100, 1000]),
    up_mbps=st.sampled_from([None, 100]),
    cuda=_VERSIONS,
    compute_capability=_VERSIONS,
    needs_image=st.booleans(),
)

_SUMS = st.one_of(st.none(), _PRICES)
needs = st.builds(
    Need,
    gpus=st.sampled_from([(), ("h100",), ("4090", "L4"), ("rubin x1",)]),
    gpu_count=_NUMBERS,
    gpu_memory_mib=st.sampled_from([0, 24_000]),
    categories=st.sampled_from([(), ("datacenter",), ("consumer", "professional")]),
    score=st.sampled_from([0, 90]),
    min_price=_SUMS,
    max_price=_SUMS,
    providers=st.sampled_from([(), ("vast",)]),
    regions=st.sampled_from([(), ("US",), ("eu-1", "us")]),
    tiers=st.sampled_from([(), ("community",)]),
    stock=st.sampled_from(["", "medium"]),
    allows_spot=st.booleans(),
    only_spot=st.booleans(),
    reliability=_SHARES,
    must_be_verified=st.booleans(),
    cpus=_NUMBERS,
    memory_mib=st.sampled_from([0, 1024]),
    disk_gib=st.sampled_from([0, 50]),
    down_mbps=st.sampled_from([0, 200]),
    up_mbps=st.sampled_from([0, 50]),
    cuda=st.sampled_from(["", "12.4", "12.9"]),
    compute_capability=st.sampled_from(["", "8.0", "9.0"]),
    lasts=_SPANS,
    must_last=_SPANS,
    for_usual_image=st.booleans(),
)
