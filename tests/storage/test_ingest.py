"""Blocks: received, in flight within a budget, and given up when the client hangs up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_core.aio import Budget
from registry_core.object_store.interface import Buffer
from registry_core.object_store.memory import MemoryStore
from registry_core.registry import Chunk
from registry_core.spec.digest import Digest
from registry_core.storage import ingest
from registry_core.storage.ingest import BLOCK, GROWS_TO, ReceivedBlock
from registry_core.storage.stored_registry import StoredRegistry
from tests.support.content import chunk, random_bytes

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


@dataclass
class SlowStore(MemoryStore):
    """Blocks are in flight until ``arrive`` is set."""

    arrive: asyncio.Event = field(default_factory=asyncio.Event)
    in_flight: int = 0
    most: int = 0
    cancelled: int = 0

    async def has_in_flight(self, size: int) -> None:
        """Wait until so many bytes are in flight."""
        while self.in_flight < size:  # noqa: ASYNC110 - a test waits for milliseconds
            await asyncio.sleep(0.001)

    async def stage(self, path: str, block_id: str, content: Buffer, *, md5: bytes) -> None:
        size = memoryview(content).nbytes
        self.in_flight += size
        self.most = max(self.most, self.in_flight)
        try:
            await self.arrive.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.in_flight -= size
        await super().stage(path, block_id, content, md5=md5)


class HungUp(Exception):
    """The client has disconnected."""


@pytest.mark.anyio
@pytest.mark.parametrize("method", ["PATCH", "PUT"])
async def test_the_blocks_of_a_client_that_hangs_up_are_cancelled(method: str) -> None:
    store = SlowStore()
    registry = StoredRegistry(store)

    async def body() -> AsyncIterator[bytes]:
        yield random_bytes(3 * BLOCK + 1)
        await store.has_in_flight(3 * BLOCK)
        raise HungUp

    upload, before = await registry.start_upload("a"), asyncio.all_tasks()
    pushing: Coroutine[Any, Any, object] = registry.append_upload(upload, Chunk(body()))
    if method == "PUT":
        pushing.close()
        pushing = registry.finish_upload(upload, Digest.of(b"any"), Chunk(body()))
    with pytest.raises(HungUp):
        await pushing
    assert (store.cancelled, store.in_flight) == (3, 0)
    assert asyncio.all_tasks() == before, "nothing goes on"
    assert not store.objects
    store.arrive.set()
    upload = await registry.append_upload(upload, chunk(random_bytes(3 * BLOCK)))
    assert upload.offset == 3 * BLOCK


@pytest.mark.anyio
async def test_an_upload_that_is_cancelled_ends_what_it_began() -> None:
    """As when the server stops, or gives up a request."""
    store = SlowStore()
    registry = StoredRegistry(store)
    upload, before = await registry.start_upload("a"), asyncio.all_tasks()
    content = random_bytes(2 * BLOCK)
    pushing = asyncio.ensure_future(
        registry.finish_upload(upload, Digest.of(content), chunk(content))
    )
    await store.has_in_flight(2 * BLOCK)
    pushing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await pushing
    assert (store.cancelled, asyncio.all_tasks()) == (2, before)


@pytest.mark.anyio
async def test_large_blocks_in_flight_take_no_more_memory_than_small_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Several uploads that have come to blocks of 64 MiB, scaled down."""
    monkeypatch.setattr(ingest, "BLOCK", 64)
    monkeypatch.setattr(ingest, "_LARGE_BLOCK", 512)
    monkeypatch.setattr(ingest, "_LARGE_FROM", 128)
    store, budget = SlowStore(), Budget(1024)

    async def push(number: int) -> None:
        target = ingest.Target.at(f"upload {number}")
        await ingest.ingest(store, target, chunk(random_bytes(4000)), None, budget)

    pushes = [asyncio.ensure_future(push(number)) for number in range(4)]
    await store.has_in_flight(513)
    store.arrive.set()
    await asyncio.gather(*pushes)
    assert store.most <= 1024
