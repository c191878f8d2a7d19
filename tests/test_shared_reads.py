"""Reads shared by concurrent callers: as fresh as own ones, few, and independent of each other."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest

from registry_core.aio import SharedReads
from registry_core.object_store.interface import StoredObject
from registry_core.object_store.memory import MemoryStore
from registry_core.storage.stored_registry import StoredRegistry
from tests.support.content import push_image
from tests.support.eventually import eventually

pytestmark = pytest.mark.anyio


class Source:
    """What is read: each read returns its number, when `release` lets it end.

    ``begun`` has the keys of the reads in the order in which they began.
    """

    def __init__(self) -> None:
        self.begun: list[str] = []
        self._ends: list[asyncio.Future[None]] = []

    async def read(self, key: str) -> int:
        number = len(self.begun)
        self.begun.append(key)
        self._ends.append(asyncio.get_running_loop().create_future())
        await self._ends[number]
        return number

    async def has_begun_twice(self) -> bool:
        return len(self.begun) == 2

    def release(self, number: int, error: Exception | None = None) -> None:
        """Let a read end."""
        if error is None:
            self._ends[number].set_result(None)
        else:
            self._ends[number].set_exception(error)


async def settle() -> None:
    """Let all tasks run until they wait."""
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def reads(source: Source) -> SharedReads[str, int]:
    return SharedReads(source.read, patience=60)


def entries(reads: SharedReads[str, int]) -> int:
    return len(reads._next) + len(reads._under_way)


async def test_a_call_gets_a_read_that_begins_after_it(
    source: Source, reads: SharedReads[str, int]
) -> None:
    first = asyncio.create_task(reads.get("a"))
    await settle()
    assert source.begun == ["a"]
    second = asyncio.create_task(reads.get("a"))
    await settle()
    assert source.begun == ["a"]  # waits for its turn
    source.release(0)
    await settle()
    assert source.begun == ["a", "a"]
    assert await first == 0
    assert not second.done()
    source.release(1)
    assert await second == 1


async def test_whoever_calls_while_a_read_is_under_way_shares_the_next_one(
    source: Source, reads: SharedReads[str, int]
) -> None:
    calls = [asyncio.create_task(reads.get("a"))]
    await settle()
    for _ in range(5):
        calls.append(asyncio.create_task(reads.get("a")))
        await settle()
    source.release(0)
    await settle()
    late = asyncio.create_task(reads.get("a"))
    await settle()
    source.release(1)
    await settle()
    source.release(2)
    assert await asyncio.gather(*calls, late) == [0, 1, 1, 1, 1, 1, 2]
    assert len(source.begun) == 3


@pytest.mark.parametrize("arrival", ["together", "one by one"])
async def test_sixteen_concurrent_calls_cost_at_most_three_reads(arrival: str) -> None:
    begun = 0

    async def read(_key: str) -> int:
        nonlocal begun
        begun += 1
        for _turn in range(40):
            await asyncio.sleep(0)
        return begun

    reads = SharedReads(read, patience=60)
    calls = []
    for _ in range(16):
        calls.append(asyncio.create_task(reads.get("a")))
        if arrival == "one by one":
            await asyncio.sleep(0)
    await asyncio.gather(*calls)
    assert begun <= (1 if arrival == "together" else 3)


async def test_keys_do_not_wait_for_each_other(
    source: Source, reads: SharedReads[str, int]
) -> None:
    calls = [asyncio.create_task(reads.get(key)) for key in ("a", "b", "c")]
    await settle()
    assert source.begun == ["a", "b", "c"]
    source.release(2)
    assert await calls[2] == 2
    assert not calls[0].done()
    source.release(0)
    source.release(1)
    assert await asyncio.gather(*calls) == [0, 1, 2]


async def test_a_slow_read_does_not_keep_the_next_one_from_beginning(source: Source) -> None:
    reads = SharedReads(source.read, patience=0)
    first = asyncio.create_task(reads.get("a"))
    await settle()
    second = asyncio.create_task(reads.get("a"))
    await eventually(source.has_begun_twice)
    source.release(1)
    assert await second == 1
    assert not first.done()
    source.release(0)
    assert await first == 0
    await settle()
    assert entries(reads) == 0


@pytest.mark.parametrize("cancelled", [0, 1, 2])
async def test_a_cancelled_caller_harms_no_other(
    source: Source, reads: SharedReads[str, int], cancelled: int
) -> None:
    """The first reads, the second has begun to wait for the next read, and the third shares it."""
    calls = []
    for _ in range(3):
        calls.append(asyncio.create_task(reads.get("a")))
        await settle()
    calls[cancelled].cancel()
    await settle()
    assert calls[cancelled].cancelled()
    source.release(0)
    await settle()
    source.release(1)
    await settle()
    results = [call.result() for call in calls if not call.cancelled()]
    assert results == [number for index, number in enumerate([0, 1, 1]) if index != cancelled]
    assert entries(reads) == 0


async def test_a_read_whose_callers_are_all_cancelled_ends_and_leaves_nothing(
    source: Source, reads: SharedReads[str, int]
) -> None:
    """An exception that nobody waits for is not reported as never retrieved, either."""
    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    calls = [asyncio.create_task(reads.get("a")) for _ in range(2)]
    await settle()
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    source.release(0, ValueError("nobody waits for it"))
    await settle()
    assert entries(reads) == 0
    del calls, call
    gc.collect()
    assert reported == []
    later = asyncio.create_task(reads.get("a"))
    await settle()
    source.release(1)
    assert await later == 1


async def test_an_exception_reaches_all_who_share_a_read_and_nobody_else(
    source: Source, reads: SharedReads[str, int]
) -> None:
    first = asyncio.create_task(reads.get("a"))
    await settle()
    sharing = [asyncio.create_task(reads.get("a")) for _ in range(3)]
    await settle()
    source.release(0, KeyError("first"))
    await settle()
    source.release(1, ValueError("second"))
    with pytest.raises(KeyError):
        await first
    for result in await asyncio.gather(*sharing, return_exceptions=True):
        assert isinstance(result, ValueError)
    later = asyncio.create_task(reads.get("a"))
    await settle()
    source.release(2)
    assert await later == 2


@pytest.mark.parametrize("error", [None, ValueError("failed")])
async def test_nothing_remains_afterwards(
    source: Source, reads: SharedReads[str, int], error: Exception | None
) -> None:
    calls = [asyncio.create_task(reads.get(f"{number % 10}")) for number in range(100)]
    await settle()
    for number in range(10):
        source.release(number, error)
    await asyncio.gather(*calls, return_exceptions=True)
    await settle()
    assert entries(reads) == 0
    assert len(source.begun) == 10


class SlowTags(MemoryStore):
    """A store whose reads of links show what was there when they began, and end when let go."""

    def __init__(self) -> None:
        super().__init__()
        self.let_go = asyncio.Event()
        self.let_go.set()
        self.links_read = 0

    async def get(self, path: str, **options: Any) -> StoredObject:
        found = await super().get(path, **options)
        if path.endswith("/current/link"):
            self.links_read += 1
            await self.let_go.wait()
        return found


async def test_a_reader_who_begins_after_an_acknowledged_push_sees_it() -> None:
    """While a reader from before the push still waits for its answer, which is the old one."""
    store = SlowTags()
    registry = StoredRegistry(store)
    old = await push_image(registry, "r", "v1", [b"old"])
    store.let_go.clear()
    store.links_read = 0
    before = asyncio.create_task(registry.resolve_manifest("r", "v1"))
    await settle()
    assert store.links_read == 1
    same = MemoryStore(store.objects, store.staged, _versions=store._versions)
    new = await push_image(StoredRegistry(same), "r", "v1", [b"new"])  # by another instance
    after = asyncio.create_task(registry.resolve_manifest("r", "v1"))
    await settle()
    store.let_go.set()
    assert await before == old
    assert await after == new
    assert store.links_read == 2
