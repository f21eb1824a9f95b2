from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_gpu_bridge.agent.frames import CHUNK, FrameReader, Kind, WireError, frame, head

_FRAMES = st.lists(
    st.tuples(st.sampled_from(Kind), st.integers(0, 0xFFFF), st.binary(max_size=400)), min_size=1, max_size=12
)


@given(frames=_FRAMES, cuts=st.lists(st.integers(0, 6000), max_size=40))
def test_frames_come_out_as_they_went_in_however_the_bytes_are_cut(
    frames: list[tuple[Kind, int, bytes]], cuts: list[int]
) -> None:
    stream = b"".join(bytes(piece) for each in frames for piece in frame(*each))
    edges = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    reader = FrameReader()
    found: list[tuple[Kind, int, bytes]] = []
    data: dict[int, bytes] = {}
    for start, end in pairwise(edges):
        for kind, channel, _, payload in reader.feed(memoryview(stream[start:end])):
            if kind is Kind.DATA:
                data[channel] = data.get(channel, b"") + bytes(payload)
            else:
                found.append((kind, channel, bytes(payload)))
    assert found == [each for each in frames if each[0] is not Kind.DATA]
    expected: dict[int, bytes] = {}
    for kind, channel, said in frames:
        if kind is Kind.DATA and said:
            expected[channel] = expected.get(channel, b"") + said
    assert data == expected


@pytest.mark.parametrize(
    "nonsense",
    [b"\x00" * 8, b"\x09" + b"\x00" * 7, b"\xff" * 8, head(Kind.DATA, 1, CHUNK + 1), b"\x03\x02" + b"\x00" * 6],
)
@pytest.mark.parametrize("step", [1, 3, 8])
def test_nonsense_is_refused_at_its_header(nonsense: bytes, step: int) -> None:
    with pytest.raises(WireError):
        _read(nonsense, step)


def _read(data: bytes, step: int) -> None:
    reader = FrameReader()
    for at in range(0, len(data), step):
        list(reader.feed(memoryview(data[at : at + step])))
