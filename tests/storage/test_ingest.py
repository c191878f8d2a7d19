"""Blocks that are being received."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from registry_core.storage.ingest import BLOCK, GROWS_TO, ReceivedBlock
from tests.support.content import random_bytes

MIB = 2**20


@given(st.lists(st.binary(max_size=9), max_size=20), st.integers(1, 40))
def test_a_block_has_what_arrived_as_far_as_there_is_room(
    pieces: Sequence[bytes], size: int
) -> None:
    block, left = ReceivedBlock(size), b""
    for piece in pieces:
        left += block.add(memoryview(piece))
    whole = b"".join(pieces)
    assert bytes(block.content()) + left == whole
    assert len(left) == max(0, len(whole) - size)


def test_a_large_block_is_allocated_once() -> None:
    block, content = ReceivedBlock(BLOCK), random_bytes(BLOCK - 1)
    buffers = []
    for start in range(0, len(content), MIB // 4):
        block.add(memoryview(content)[start : start + MIB // 4])
        buffers.append(block.buffer)
    small = GROWS_TO // (MIB // 4)
    assert all(buffer is buffers[-1] for buffer in buffers[small:])
    assert block.content() == content


def test_a_small_block_takes_no_more_memory_than_arrived() -> None:
    block = ReceivedBlock(BLOCK)
    block.add(memoryview(b"config"))
    assert len(block.buffer) == len(b"config")
