"""What makes no sense, asked for as users ask: `jupyter gpu` says what is wrong in a sentence, and rents nothing."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing

import pytest

from jupyter_gpu_bridge.migrations import VERSION_TABLE
from tests.rentals.renting.command import Ran, ran
from tests.rentals.renting.world import Renting

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(180)]

PROVIDER = ("--provider", "sandbox")
NONSENSE = {
    "--budget -1": "budget of",
    "--budget 0": "buys nothing",
    "--max-price a-lot": "a-lot",
    "--for 1s": "is not between a minute and 30 days",
    "--for 400d": "is not between a minute and 30 days",
    "--idle 0s": "The idle limit of",
    "--lease 1s": "The lease of",
    "--gpus -1": "Less than nothing",
    "--disk -5": "Less than nothing",
    "--name ../etc": "name",
}


def _refused(answer: Ran, *patterns: str) -> None:
    assert answer.status in (1, 2), answer
    assert "Traceback" not in answer.err, answer
    for pattern in patterns:
        assert re.search(pattern, answer.err), answer


async def test_what_makes_no_sense_is_refused_with_a_sentence_and_nothing_is_asked_of_a_cloud(world: Renting) -> None:
    before = len(world.cloud.log())
    for words, said in NONSENSE.items():
        option, _, value = words.partition(" ")
        answer = await ran("rent", *PROVIDER, f"{option}={value}")
        _refused(answer, re.escape(said))
        assert "The best offer" not in answer.err
    assert len(world.cloud.log()) == before
    assert not world.wardens()


async def test_an_order_that_nothing_meets_says_which_requirement_excludes_how_many(world: Renting) -> None:
    answer = await ran("rent", *PROVIDER, "--gpu", "H900", "--max-price", "0.01")
    _refused(answer, r"None of \d+ offers fits:", r"GPU H900 excludes \d+", r"at most \$0\.01 per hour excludes \d+")
    _refused(await ran("rent", "--provider", "sandbx"), "There is no provider 'sandbx'.*sandbox")
    assert world.created() == 0


async def test_a_ledger_that_cannot_be_used_rents_nothing_and_is_named(
    world: Renting, monkeypatch: pytest.MonkeyPatch
) -> None:
    (world.home.folder / "letter.db").write_text("This is a letter to my aunt. " * 99)
    for place, said in (("letter.db", "is not a ledger"), ("letter.db/deeper.db", "ledger")):
        monkeypatch.setenv("JUPYTER_GPU_BRIDGE_LEDGER", f"sqlite:///{world.home.folder}/{place}")
        _refused(await ran("rent", *PROVIDER), said)
        _refused(await ran("ls"), said)
    assert world.created() == 0


async def test_a_ledger_of_a_newer_version_rents_nothing_and_ends_everything(world: Renting) -> None:
    standing = await world.rent()
    with closing(sqlite3.connect(world.home.bridge / "ledger.db", timeout=30)) as database, database:
        database.execute(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")  # noqa: S608 - our own name
    world.kill_wardens()
    _refused(await ran("rent", *PROVIDER), "written by a newer version", "Nothing new was rented")
    assert world.created() == 1
    listed = await ran("ls")
    assert (listed.status, standing.wish.wish_id[:8] in listed.out) == (0, True), listed
    stopped = await ran("stop", standing.wish.wish_id[:8])
    assert stopped.status == 0, stopped
    assert world.billed() == []
