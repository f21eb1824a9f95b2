"""Searching a hundred thousand offers: how long a page takes once they are there, and what they take in memory."""

from __future__ import annotations

import argparse
import json
import random
import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal

from benchmarks.report import line, percentile, spread_ms
from jupyter_gpu_bridge import gpus
from jupyter_gpu_bridge.market.browse import sift
from jupyter_gpu_bridge.market.columns import Columns
from jupyter_gpu_bridge.market.conditions import conditions
from jupyter_gpu_bridge.market.intent import completed
from jupyter_gpu_bridge.market.lessons import Lessons
from jupyter_gpu_bridge.model import Money, Need, Offer, Place, Ranking, Reputation
from jupyter_gpu_bridge.model.query import Query

BAR = "100,000 offers, 6 filters, sorted, the first page: p95 <= 20 ms once data is there; <= 150 MB"
_MS, _MB = 20.0, 150.0
_PROVIDERS = ("runpod", "vast", "lambda")
_REGIONS = ("US", "CA", "DE", "SE", "JP", "")


def offers(count: int, chance: random.Random) -> list[Offer]:
    models = gpus.models()
    seen = datetime.now(timezone.utc)
    return [_offer(number, models[chance.randrange(len(models))], seen, chance) for number in range(count)]


def _offer(number: int, model: gpus.Model, seen: datetime, chance: random.Random) -> Offer:
    return Offer(
        _PROVIDERS[number % len(_PROVIDERS)],
        str(10_000_000 + number),
        model.name,
        chance.choice((1, 1, 1, 2, 4, 8)),
        model.gib * 1024,
        Money(chance.randrange(50_000, 30_000_000)),
        chance.choice(_REGIONS),
        is_spot=chance.random() < 0.3,
        cpus=chance.randrange(4, 128),
        memory_mib=chance.randrange(16, 2048) * 1024,
        disk_gib=chance.randrange(20, 4000),
        host=str(chance.randrange(20_000)),
        sold_as=model.name,
        tier=chance.choice(("secure", "community")),
        is_verified=chance.random() < 0.8,
        reliability=chance.uniform(0.9, 1.0),
        benchmark=chance.uniform(1, 900),
        lasts=timedelta(hours=chance.randrange(1, 2000)),
        down_mbps=chance.randrange(50, 10_000),
        up_mbps=chance.randrange(50, 10_000),
        down_price=Money(chance.randrange(30_000)),
        up_price=Money(chance.randrange(30_000)),
        cuda=chance.choice(("12.2", "12.4", "12.8", "13.0")),
        compute_capability=model.capability,
        seen=seen,
    )


def _queries(chance: random.Random, count: int) -> list[Query]:
    """Six filters each, from those that leave much to those that leave little."""
    several = []
    for _ in range(count):
        need = Need(
            gpus=chance.choice((("H100", "A100"), ("RTX 4090", "RTX 3090", "RTX 5090"), ("L40S",))),
            max_price=Money(chance.randrange(500_000, 30_000_000)),
            reliability=Decimal(chance.randrange(90, 99)) / 100,
            memory_mib=chance.randrange(16, 256) * 1024,
            cuda=chance.choice(("12.2", "12.4")),
            down_mbps=chance.randrange(50, 1000),
            gpu_count=0,
            allows_spot=True,
        )
        if chance.random() < 0.3:
            need = replace(need, gpus=(), categories=("datacenter",))
        several.append(Query(need, chance.choice(list(Ranking)), count=50))
    return several


def _lessons(chance: random.Random) -> Lessons:
    """Another one for each search, as when somebody rents meanwhile: of fifty hosts that fail, and a hundred times."""
    places = [Place(chance.choice(_PROVIDERS), str(chance.randrange(20_000))) for _ in range(50)]
    models = gpus.models()
    times = {(chance.choice(_PROVIDERS), chance.choice(models).name): timedelta(minutes=2) for _ in range(100)}
    return Lessons(dict.fromkeys(places, Reputation(tries=3, failures=2)), times)


def _page(query: Query, shelves: Sequence[Columns], lessons: Lessons) -> float:
    began = time.perf_counter()
    asked = conditions(completed(query.need))
    assert len(asked) >= 6
    sift(query, asked, shelves, lessons)
    return time.perf_counter() - began


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.search", description=BAR)
    parser.add_argument("--offers", type=int, default=100_000)
    parser.add_argument("--pages", type=int, default=300)
    options = parser.parse_args()
    chance = random.Random(11)
    made = offers(options.offers, chance)
    began = time.perf_counter()
    shelves = [Columns(offer for offer in made if offer.provider == name) for name in _PROVIDERS]
    sorting = time.perf_counter() - began
    del made
    seconds = [_page(query, shelves, _lessons(chance)) for query in _queries(chance, options.pages)]
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "linux" else 1024**2)
    figures = {
        **spread_ms(seconds),
        "first_ms": round(seconds[0] * 1000, 1),
        "sorting_ms": round(sorting * 1000, 1),
        "memory_mb": round(memory, 1),
    }
    holds = percentile(seconds, 95) * 1000 <= _MS and memory <= _MB
    print(json.dumps(line("search", BAR, {"market": figures}, {"market": holds})))
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
