"""Writes that meet others, and what is only staged: whatever storage answers, nothing is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from registry_core.aio import for_each
from registry_core.object_store.azure import AzureBlobStore, session
from registry_core.object_store.batches import MAX_BATCH
from registry_core.object_store.errors import ConditionFailed
from registry_core.object_store.interface import IF_ABSENT, ObjectStore, exists, if_match
from registry_core.spec.digest import Digest
from registry_core.storage.layout import Layout
from registry_core.storage.stored_registry import StoredRegistry
from tests.contracts.object_store import CONTENT, content_of, stage
from tests.live.account import Account, stage_foreign
from tests.live.conftest import Note
from tests.support.content import push_blob, random_bytes, read_blob

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]

LARGE = random_bytes(8 * 2**20)


async def put_if_absent(store: ObjectStore, path: str, content: bytes) -> bool:
    """Put an object unless there is one. Returns whether that was done."""
    try:
        await store.put(path, content, condition=IF_ABSENT)
    except ConditionFailed:
        return False
    return True


async def test_one_of_two_large_puts_at_the_same_time_takes_place(
    store: AzureBlobStore, note: Note
) -> None:
    """Needs Azure to show whether the loser is refused while nothing can be read yet (P3b)."""
    refused_early = 0
    for number in range(10):
        path = f"large/{number}"

        async def put_and_look(path: str) -> tuple[bool, bool]:
            done = await put_if_absent(store, path, LARGE)
            return done, await exists(store, path)

        results = await asyncio.gather(put_and_look(path), put_and_look(path))
        assert sorted(done for done, _ in results) == [False, True]
        refused_early += any(not done and not found for done, found in results)
        assert (await store.get(path, limit=len(LARGE))).content == LARGE
    note("puts if absent, refused before the other's object could be read", f"{refused_early}/10")


async def test_two_pushes_of_one_blob_at_the_same_time_succeed(store: AzureBlobStore) -> None:
    """Needs Azure, where a put that is under way may refuse another before it can be read (P3b)."""
    registries = [StoredRegistry(store), StoredRegistry(store)]
    for number in range(5):
        content = number.to_bytes(1, "big") + LARGE[1:]
        pushes = [push_blob(registry, f"r{i}", content) for i, registry in enumerate(registries)]
        await asyncio.gather(*pushes)
        for i, registry in enumerate(registries):
            assert await read_blob(registry, f"r{i}", Digest.of(content)) == content


async def test_a_put_that_is_cut_off_in_its_middle_leaves_nothing_behind(
    store: AzureBlobStore, note: Note, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Needs Azure to show how long the path is blocked for a put if absent (P3b)."""
    half_sent = asyncio.Event()

    async def send_half(body: session.Body) -> AsyncIterator[memoryview]:
        yield body._content[: len(body._content) // 2]
        half_sent.set()
        await asyncio.Event().wait()

    with monkeypatch.context() as patched:
        patched.setattr(session.Body, "__aiter__", send_half)
        cut_off = asyncio.create_task(store.put("a", LARGE, condition=IF_ABSENT))
        await half_sent.wait()
        cut_off.cancel()
        await asyncio.gather(cut_off, return_exceptions=True)
    assert not await exists(store, "a")
    began = asyncio.get_running_loop().time()
    while not await put_if_absent(store, "a", CONTENT):
        blocked = asyncio.get_running_loop().time() - began
        assert blocked < 120, "the path is blocked for a put if absent"
        await asyncio.sleep(0.5)
    blocked = asyncio.get_running_loop().time() - began
    note("a put cut off blocks puts if absent for seconds", f"{blocked:.1f}")
    assert await content_of(store, "a") == CONTENT


async def test_what_is_only_staged_blocks_no_unconditional_write(
    store: AzureBlobStore, note: Note
) -> None:
    """Needs Azure to show whether `If-None-Match: *` is refused, as Azurite does it (P3)."""
    await store.put("source", CONTENT)
    for path in ("put", "copy"):
        await stage(store, path, "1", b"one")
    await stage_foreign(store, "put by another", "short", b"theirs")
    done = await put_if_absent(store, "put", CONTENT)
    note("a put if absent over staged blocks", "done" if done else "refused")
    try:
        await store.copy("copy", "source", size=10, metadata={"a": "b"}, condition=IF_ABSENT)
        note("a copy if absent over staged blocks", "done")
    except ConditionFailed:
        note("a copy if absent over staged blocks", "refused")
    await store.put("put", CONTENT)
    await store.put("put by another", CONTENT)
    await store.copy("copy", "source", size=10, metadata={"a": "b"})
    for path in ("put", "put by another", "copy"):
        assert await content_of(store, path) == CONTENT
        left = await store.uncommitted_blocks(path)
        note(f"blocks left uncommitted after a {path}", left.number)


async def test_a_blob_is_pushed_although_blocks_of_others_are_at_its_address(
    store: AzureBlobStore,
) -> None:
    """Needs Azure for its own answer to a put if absent over staged blocks (P3, P10)."""
    registry = StoredRegistry(store)
    for content in (b"small", LARGE + b"more than one block"):
        for name, block_id in (("ours", "1" * 23), ("foreign", "short")):
            pushed = content + name.encode()
            digest = Digest.of(pushed)
            await stage_foreign(store, Layout().content(digest), block_id, b"wrong")
            await push_blob(registry, "r", pushed)
            assert await read_blob(registry, "r", digest) == pushed


async def test_a_copy_is_whole_whoever_reads_its_source(
    account: Account, container_name: str, note: Note
) -> None:
    """Needs Azure behind a firewall, where storage may not read its own blobs (D10)."""
    async with account.opened(container_name) as store:
        await store.put("source", LARGE)
        await store.copy("a", "source", size=len(LARGE), metadata={"a": "b"})
        assert (await store.get("a", limit=len(LARGE))).content == LARGE
        relays = store._copier._relays_until > asyncio.get_running_loop().time()
        note("copies", "pass through the registry" if relays else "are made by storage")


async def test_a_full_batch_of_conditional_deletions(store: AzureBlobStore, note: Note) -> None:
    """Needs Azure to show how long it takes, and that an identity may do it."""
    paths = [f"batch/{number:03}" for number in range(MAX_BATCH)]
    etags = await for_each(paths, lambda path: store.put(path, CONTENT), limit=16)
    changed = await store.set_metadata(paths[7], {"a": "b"})
    items = [(path, if_match(etag)) for path, etag in zip(paths, etags, strict=True)]
    loop = asyncio.get_running_loop()
    began = loop.time()
    deleted = await store.delete_batch(items)
    note("a batch of 256 deletions, seconds", f"{loop.time() - began:.1f}")
    assert deleted == [path != paths[7] for path in paths]
    assert (await store.head(paths[7])).etag == changed
