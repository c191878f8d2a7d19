"""Content is read in ranges, as far ahead as a reader keeps up."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import pytest

from registry_core.object_store.interface import StoredRange
from registry_core.object_store.memory import MemoryStore
from registry_core.storage import ranged_reads
from registry_core.storage.ranged_reads import read_pieces

pytestmark = pytest.mark.anyio

CONTENT = bytes(range(26))
RANGE = 8


class InPieces(MemoryStore):
    """Returns ranges byte by byte, and notes where they begin."""

    def __init__(self) -> None:
        super().__init__()
        self.starts: list[int] = []

    async def get_range(self, path: str, offset: int, length: int, **options: Any) -> StoredRange:
        self.starts.append(offset)
        found = await super().get_range(path, offset, length, **options)
        return StoredRange(found.properties, [bytes([byte]) for byte in found.content])


@pytest.fixture
async def store(monkeypatch: pytest.MonkeyPatch) -> InPieces:
    monkeypatch.setattr(ranged_reads, "RANGE", RANGE)
    store = InPieces()
    await store.put("a", CONTENT)
    return store


@pytest.mark.parametrize("offset", [0, 1, 8, 25])
@pytest.mark.parametrize("length", [1, 7, 8, 9, 16, 17, 26])
async def test_the_ranges_make_the_content(store: InPieces, offset: int, length: int) -> None:
    length = min(length, len(CONTENT) - offset)
    pieces = await read_pieces(store, "a", offset=offset, length=length)
    assert b"".join([piece async for piece in pieces]) == CONTENT[offset : offset + length]
    assert store.starts == list(range(offset, offset + length, RANGE))


@pytest.mark.parametrize("taken, begun", [(0, 1), (4, 1), (5, 2), (12, 2), (13, 3), (26, 4)])
async def test_the_next_range_is_read_once_half_of_one_is_taken(
    store: InPieces, taken: int, begun: int
) -> None:
    pieces = await read_pieces(store, "a", offset=0, length=len(CONTENT))
    async with aclosing(pieces):
        for _ in range(taken):
            await anext(pieces)
            await asyncio.sleep(0)  # a read that was begun
        assert len(store.starts) == begun


async def test_a_reader_that_hangs_up_ends_the_read_ahead(
    store: InPieces, monkeypatch: pytest.MonkeyPatch
) -> None:
    pieces = await read_pieces(store, "a", offset=0, length=len(CONTENT))
    ended: list[str] = []

    async def never(*_: Any, **__: Any) -> StoredRange:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("ended")
        raise AssertionError

    monkeypatch.setattr(store, "get_range", never)
    for _ in range(RANGE // 2 + 1):
        await anext(pieces)
    await asyncio.sleep(0)
    assert ended == []
    await pieces.aclose()
    assert ended == ["ended"]
