"""Each fault of storage at each operation: the operation succeeds and takes place once."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from registry_core.object_store.azure import AzureBlobStore, Limits
from registry_core.object_store.errors import ConditionFailed, NotFound, StoreUnavailable
from registry_core.object_store.interface import IF_ABSENT, UNCONDITIONAL, if_match
from registry_core.serve.azurite import Azurite
from tests.contracts.object_store import CONTENT, content_of, make_block_id, stage
from tests.support.azurite import opened, opened_at
from tests.support.faults import Fault, FaultyStorage, faulty_storage, nth

pytestmark = pytest.mark.anyio

NEW = b"new content"
METADATA = {"digest": "sha256:0"}
LIMITS = Limits(silence=0.4, first_delay=0.005, total=20, copy=0.4)
COPY_FAULTS = [fault for fault in Fault if fault is not Fault.SLOW]
OTHER = if_match('"0x1"')


@pytest.fixture
async def storage(azurite: Azurite) -> AsyncIterator[FaultyStorage]:
    async with faulty_storage(azurite.port) as storage:
        yield storage


@pytest.fixture
async def remote(storage: FaultyStorage, container_name: str) -> AsyncIterator[AzureBlobStore]:
    """A store that reaches Azurite through the proxy."""
    async with opened_at(storage.port, container_name, limits=LIMITS) as store:
        yield store


@pytest.fixture
async def store(azurite: Azurite, container_name: str) -> AsyncIterator[AzureBlobStore]:
    """A store over the same container that has no faults."""
    async with opened(azurite, container_name) as store:
        yield store


def inject(storage: FaultyStorage, fault: Fault) -> None:
    """Inject a fault into the next request."""
    storage.choose = nth(len(storage.requests) + 1, fault)


CHANGES: dict[str, Callable[[AzureBlobStore, str, str], Awaitable[str]]] = {
    "put": lambda s, p, _: s.put(p + "a", NEW, metadata=METADATA),
    "put if absent": lambda s, p, _: s.put(p + "b", NEW, metadata=METADATA, condition=IF_ABSENT),
    "put if match": lambda s, p, e: s.put(p + "a", NEW, condition=if_match(e)),
    "put no bytes": lambda s, p, _: s.put(p + "b", b"", condition=IF_ABSENT),
    "set metadata": lambda s, p, _: s.set_metadata(p + "a", METADATA),
    "set metadata if match": lambda s, p, e: s.set_metadata(
        p + "a", METADATA, condition=if_match(e)
    ),
    "commit": lambda s, p, _: s.commit(p + "blocks", [make_block_id("1")], metadata=METADATA),
    "commit if absent": lambda s, p, _: s.commit(
        p + "blocks", [make_block_id("1"), make_block_id("2")], condition=IF_ABSENT
    ),
    "commit if match": lambda s, p, e: s.commit(
        p + "a", [make_block_id("1"), make_block_id("2")], condition=if_match(e)
    ),
    "copy": lambda s, p, _: s.copy(p + "b", p + "a", size=1, metadata=METADATA),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_a_change_takes_place_once_whatever_happens_to_the_first_answer(
    storage: FaultyStorage, remote: AzureBlobStore, store: AzureBlobStore, change: str
) -> None:
    for fault in COPY_FAULTS if change == "copy" else Fault:
        folder = f"{fault.name}/"
        await stage(store, folder + "a", "1", CONTENT)
        etag = await store.commit(folder + "a", [make_block_id("1")])
        for path, block in (("a", "2"), ("blocks", "1"), ("blocks", "2")):
            await stage(store, folder + path, block, NEW)
        inject(storage, fault)
        changed = await CHANGES[change](remote, folder, etag)
        path = folder + storage.requests[-1].target.partition("?")[0].rpartition("/")[2]
        assert (await store.head(path)).etag == changed, fault
        assert storage.injected[fault] == 1


@pytest.mark.parametrize("conditional", [False, True])
async def test_a_deletion_takes_place_once(
    *, storage: FaultyStorage, remote: AzureBlobStore, store: AzureBlobStore, conditional: bool
) -> None:
    for fault in Fault:
        etag = await store.put("a", CONTENT)
        inject(storage, fault)
        await remote.delete("a", condition=if_match(etag) if conditional else UNCONDITIONAL)
        assert storage.injected[fault] == 1
        with pytest.raises(NotFound):
            await store.head("a")


@pytest.mark.parametrize("conditional", [False, True])
async def test_a_batch_of_deletions_takes_place_once(
    *, storage: FaultyStorage, remote: AzureBlobStore, store: AzureBlobStore, conditional: bool
) -> None:
    """What has changed since is neither deleted nor counted, whatever the first answer was."""
    for fault in Fault:
        etags = {path: await store.put(path, CONTENT) for path in "abc"}
        theirs = await store.put("c", NEW)
        inject(storage, fault)
        items = [
            (path, if_match(etag) if conditional or path == "c" else UNCONDITIONAL)
            for path, etag in etags.items()
        ]
        assert await remote.delete_batch(items) == [True, True, False], fault
        assert storage.injected[fault] == 1
        [left] = (await store.list_page("")).entries
        assert (left.path, (await store.head("c")).etag) == ("c", theirs)


async def test_deleting_a_missing_object_is_not_taken_for_success(
    storage: FaultyStorage, remote: AzureBlobStore
) -> None:
    """Storage says that it did not execute the first request, so the second finds no object.

    Only a 429 says so: after a 503 the request may have been executed.
    """
    inject(storage, Fault.THROTTLED)
    with pytest.raises(NotFound):
        await remote.delete("a")


CONDITIONAL_CHANGES: list[Callable[[AzureBlobStore], Awaitable[object]]] = [
    lambda s: s.put("a", NEW, condition=IF_ABSENT),
    lambda s: s.put("a", CONTENT, metadata=METADATA, condition=IF_ABSENT),
    lambda s: s.put("a", NEW, condition=OTHER),
    lambda s: s.set_metadata("a", METADATA, condition=OTHER),
    lambda s: s.commit("blocks", [make_block_id("2")], condition=IF_ABSENT),
    lambda s: s.commit("a", [], condition=OTHER),
    lambda s: s.delete("a", condition=OTHER),
    lambda s: s.copy("a", "blocks", size=9, metadata=METADATA, condition=IF_ABSENT),
]


@pytest.mark.parametrize("fault", Fault)
async def test_the_write_of_another_is_not_taken_for_its_own(
    storage: FaultyStorage, remote: AzureBlobStore, store: AzureBlobStore, fault: Fault
) -> None:
    theirs = await store.put("a", CONTENT)
    await stage(store, "blocks", "1", CONTENT)
    await store.commit("blocks", [make_block_id("1")])
    await stage(store, "blocks", "2", NEW)
    changes = CONDITIONAL_CHANGES if fault in COPY_FAULTS else CONDITIONAL_CHANGES[:-1]
    for change in changes:
        inject(storage, fault)
        with pytest.raises(ConditionFailed):
            await change(remote)
    assert storage.injected[fault] == len(changes)
    assert (await store.head("a")).etag == theirs


READS: dict[str, Callable[[AzureBlobStore], Awaitable[object]]] = {
    "head": lambda s: s.head("a"),
    "get": lambda s: s.get("a", limit=10),
    "get a part": lambda s: s.get_range("a", 2, 3),
    "get an empty object": lambda s: s.get("empty", limit=10),
    "committed blocks": lambda s: s.committed_blocks("a"),
    "list": lambda s: s.list_page("", metadata=True),
    "list by folder": lambda s: s.list_page("", by_folder=True),
}


@pytest.mark.parametrize("read", READS)
async def test_a_read_is_complete_whatever_happens_to_the_first_answer(
    storage: FaultyStorage, remote: AzureBlobStore, store: AzureBlobStore, read: str
) -> None:
    await store.put("a", CONTENT, metadata=METADATA)
    await store.put("empty", b"")
    expected = await READS[read](store)
    for fault in Fault:
        inject(storage, fault)
        assert await READS[read](remote) == expected, fault
        assert storage.injected[fault] == 1


async def test_a_block_is_staged_whatever_happens_to_the_first_answer(
    storage: FaultyStorage, remote: AzureBlobStore, store: AzureBlobStore
) -> None:
    content = CONTENT * 2**18
    for fault in COPY_FAULTS:
        inject(storage, fault)
        await remote.stage("a", make_block_id("1"), content, md5=hashlib.md5(content).digest())
        await store.put("b", CONTENT)
        inject(storage, fault)
        await remote.stage_from("a", make_block_id("2"), "b")
        assert storage.injected[fault] == 2
        await store.commit("a", [make_block_id("1"), make_block_id("2")])
        assert await content_of(store, "a") == content + CONTENT


async def test_a_silent_copy_is_given_up_after_its_time_limit(
    storage: FaultyStorage, remote: AzureBlobStore, store: AzureBlobStore
) -> None:
    """A copy is silent until it is done, so it may be silent until its time limit."""
    await store.put("a", CONTENT)
    inject(storage, Fault.SLOW)
    with pytest.raises(StoreUnavailable, match="no answer in"):
        await remote.copy("b", "a", size=1, metadata=METADATA)


async def test_a_denied_call_is_not_retried(storage: FaultyStorage, container_name: str) -> None:
    """As with 403 for a wrong clock, a replaced key or an expired signature."""
    async with opened_at(storage.port, container_name, key="bm90IHRoZSBrZXk=") as store:
        with pytest.raises(StoreUnavailable, match="403"):
            await store.head("a")
    assert len(storage.requests) == 1


@pytest.mark.parametrize("fault", Fault)
async def test_attempts_are_limited(
    storage: FaultyStorage, remote: AzureBlobStore, fault: Fault
) -> None:
    storage.choose = lambda _: fault
    with pytest.raises(StoreUnavailable, match="put a"):
        await remote.put("a", CONTENT)
    # aiohttp itself repeats a request once that breaks off before the response begins.
    assert 1 + LIMITS.retries <= storage.injected[fault] <= 2 * (1 + LIMITS.retries)
