from __future__ import annotations

import errno
import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jupyter_gpu_bridge.agent.channel import Channel, pack_frames, unpack_frames
from jupyter_gpu_bridge.agent.frames import WireError
from jupyter_gpu_bridge.agent.journal import Journal
from jupyter_gpu_bridge.agent.outbox import Outbox
from jupyter_gpu_bridge.agent.spool import Record
from tests.agent.broken_line import BrokenLine, End


class Side:
    """A channel, what came out of it, and a reader that takes over as late as it likes."""

    def __init__(self, outbox: Outbox) -> None:
        self.heard: list[bytes] = []
        self.numbers: list[int] = []
        self.taken = 0
        self.channel = Channel(outbox, self._received)

    def take(self, number: int) -> None:
        self.taken = max(self.taken, number)
        self.channel.take(number)

    def be_reborn(self, outbox: Outbox) -> None:
        """As after a kill: what was not taken is forgotten here."""
        del self.heard[self.taken :], self.numbers[self.taken :]
        self.channel = Channel(outbox, self._received, have=self.taken)

    def _received(self, number: int, age: float, record: memoryview) -> None:
        assert age >= 0
        self.numbers.append(number)
        self.heard.append(bytes(record))


def _record(chance: random.Random) -> bytes:
    return chance.randbytes(chance.choice((0, 1, 23, 24, 25, 300, 5000)))


@pytest.fixture(autouse=True)
def small_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that what goes to disk goes there in several pieces, and some records are large."""
    monkeypatch.setattr("jupyter_gpu_bridge.agent.outbox.SEGMENT", 1500)
    monkeypatch.setattr("jupyter_gpu_bridge.agent.channel.JOINED", 250)
    monkeypatch.setattr("jupyter_gpu_bridge.agent.channel.SET_ASIDE", 200)


@settings(
    max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 2**32), spooled=st.booleans())
def test_every_record_arrives_once_and_in_order_whatever_the_line_does(
    seed: int, spooled: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    chance = random.Random(seed)
    folder = tmp_path_factory.mktemp("spool")
    memory = 2000 if spooled else 1 << 20
    left, right = Side(Outbox(spool=folder / "l", memory=memory)), Side(Outbox(spool=folder / "r", memory=memory))
    line = BrokenLine(left.channel, right.channel, chance)
    said: dict[Side, list[bytes]] = {left: [], right: []}
    stalled = [False, False]
    for _ in range(chance.randint(5, 60)):
        what = chance.random()
        side = chance.choice((left, right))
        if what < 0.45:
            record = _record(chance)
            said[side].append(record)
            side.channel.send([record[:2], record[2:]])
        elif what < 0.55:
            line.cut()
        elif what < 0.65 and not line.is_up:
            line.mend()
        elif what < 0.7:
            stalled[chance.randint(0, 1)] ^= True
        elif what < 0.8 and side.numbers:
            side.channel.take(chance.choice(side.numbers))
        else:
            line.carry(stalled=lambda end: stalled[end])
    line.cut()
    line.mend()
    line.drain()
    assert right.heard == said[left]
    assert left.heard == said[right]
    for one, other in ((left, right), (right, left)):
        one.channel.take(len(said[other]))
    line.drain()
    assert left.channel.outbox.held == right.channel.outbox.held == 0


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 2**32))
def test_nothing_is_lost_or_doubled_when_one_side_is_killed_again_and_again(
    seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    chance = random.Random(seed)
    path = tmp_path_factory.mktemp("journal") / "j"
    link, keeper = Side(Outbox(journal=Journal(path))), Side(Outbox())
    line = BrokenLine(link.channel, keeper.channel, chance)
    said: dict[Side, list[bytes]] = {link: [], keeper: []}
    for _ in range(chance.randint(5, 80)):
        what = chance.random()
        side = chance.choice((link, keeper))
        if what < 0.4:
            said[side].append(_record(chance))
            side.channel.send([said[side][-1]])
        elif what < 0.5:
            line.cut()
        elif what < 0.65 and not line.is_up:
            line.mend()
        elif what < 0.75 and side.numbers:
            side.take(chance.choice(side.numbers))
        elif what < 0.8:
            line.cut()
            before = link.channel
            before.outbox.close()
            link.be_reborn(Outbox(journal=Journal(path)))
            line.replace(before, link.channel)
        else:
            line.carry()
    line.cut()
    line.mend()
    line.drain()
    assert keeper.heard == said[link]
    assert link.heard == said[keeper]
    link.channel.outbox.close()


def test_what_was_received_but_not_handed_on_is_kept_at_the_other_side() -> None:
    left, right = Side(Outbox()), Side(Outbox())
    line = BrokenLine(left.channel, right.channel, random.Random(1))
    line.mend()
    for word in (b"one", b"two", b"three"):
        left.channel.send([word])
    line.drain()
    right.take(1)
    line.cut()
    line.mend()
    line.drain()
    assert left.channel.outbox.acknowledged == 1
    before = right.channel
    right.be_reborn(Outbox())
    line.replace(before, right.channel)
    line.cut()
    line.mend()
    line.drain()
    assert right.heard == [b"one", b"two", b"three"]


class FullDisk(Journal):
    """A journal whose disk can be full."""

    is_full = False

    def append(self, record: Record) -> None:
        if self.is_full:
            raise OSError(errno.ENOSPC, "No space left on device")
        super().append(record)

    def rewrite(self, acknowledged: int, left: Sequence[Record]) -> None:
        if self.is_full:
            raise OSError(errno.ENOSPC, "No space left on device")
        super().rewrite(acknowledged, left)


def test_a_full_disk_loses_no_record_and_leaves_no_hole_in_the_journal(tmp_path: Path) -> None:
    journal = FullDisk(tmp_path / "j")
    outbox = Outbox(journal=journal)
    outbox.put([b"one"])
    journal.is_full = True
    outbox.put([b"two"])
    outbox.put([b"three"])
    assert outbox.disk_error is not None
    assert [record.number for record in (outbox.next(), outbox.next(), outbox.next()) if record] == [1, 2, 3]
    outbox.acknowledge(1)
    journal.is_full = False
    outbox.put([b"four"])
    again = Outbox(journal=Journal(tmp_path / "j"))
    kept = [again.next() for _ in range(4)]
    assert [(each.number, b"".join(each.pieces)) for each in kept if each] == [(2, b"two"), (3, b"three"), (4, b"four")]


def test_a_journal_does_not_grow_for_ever_while_something_waits(tmp_path: Path) -> None:
    outbox = Outbox(journal=Journal(tmp_path / "j"))
    for _ in range(200):
        outbox.put([bytes(1 << 20)])
        outbox.next()
        outbox.acknowledge(outbox.last - 2)
    assert (tmp_path / "j").stat().st_size < 24 << 20
    outbox.acknowledge(outbox.last)
    assert (tmp_path / "j").stat().st_size < 1 << 10


def test_what_was_accepted_survives_the_end_of_its_process(tmp_path: Path) -> None:
    first = Outbox(journal=Journal(tmp_path / "j"))
    for word in (b"one", b"two", b"three"):
        first.put([word])
    first.acknowledge(1)
    again = Outbox(journal=Journal(tmp_path / "j"))
    kept = [again.next(), again.next()]
    assert [(record.number, b"".join(record.pieces)) for record in kept if record] == [(2, b"two"), (3, b"three")]
    assert again.put([b"four"]) == 4


def test_numbers_go_on_after_everything_was_acknowledged_and_the_process_ended(tmp_path: Path) -> None:
    first = Outbox(journal=Journal(tmp_path / "j"))
    first.put([b"one"])
    first.acknowledge(1)
    assert Outbox(journal=Journal(tmp_path / "j")).put([b"two"]) == 2


def test_a_torn_end_of_the_journal_is_cut_off(tmp_path: Path) -> None:
    first = Outbox(journal=Journal(tmp_path / "j"))
    first.put([b"one"])
    first.put([b"two"])
    data = (tmp_path / "j").read_bytes()
    (tmp_path / "j").write_bytes(data[:-2])
    again = Outbox(journal=Journal(tmp_path / "j"))
    assert again.last == 1
    assert again.put([b"two again"]) == 2


def test_a_side_that_lost_its_memory_goes_on_behind_what_the_other_has() -> None:
    left, right = Side(Outbox()), Side(Outbox())
    line = BrokenLine(left.channel, right.channel, random.Random(1))
    line.mend()
    left.channel.send([b"before"])
    line.drain()
    right.channel.take(1)
    line.drain()
    reborn = Side(Outbox())
    line = BrokenLine(reborn.channel, right.channel, random.Random(2))
    line.mend()
    line.drain()
    reborn.channel.send([b"after"])
    line.drain()
    assert right.heard == [b"before", b"after"]


@pytest.mark.parametrize(
    "words",
    [
        b"\x00" * 24,
        b"\x02" + b"\x00" * 23,
        b"\x01\x00\x00\x00" + b"\x00" * 12 + b"\xff" * 8,
        b"\x01\x00\x00\x00" + b"\x00" * 12 + b"\x02" + b"\x00" * 7 + b"[]",
        b"\x01\x00\x00\x00" + b"\x00" * 12 + b"\x04" + b"\x00" * 7 + b"{{{{",
        b"\xff" * 64,
    ],
)
def test_what_no_honest_peer_says_is_refused(words: bytes) -> None:
    side = Side(Outbox())
    side.channel.connect(End(side.channel))
    with pytest.raises(WireError):
        side.channel.push(memoryview(words))


@given(st.lists(st.binary(max_size=300), max_size=12))
def test_a_message_keeps_its_parts(parts: list[bytes]) -> None:
    record = memoryview(b"".join(bytes(piece) for piece in pack_frames(parts)))
    assert [bytes(part) for part in unpack_frames(record)] == parts


@given(st.binary(max_size=200))
def test_garbage_is_no_message(data: bytes) -> None:
    try:
        parts = unpack_frames(memoryview(data))
    except WireError:
        return
    assert b"".join(bytes(piece) for piece in pack_frames(parts)) == data
