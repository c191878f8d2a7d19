"""Repairs that delete links and move content, interrupted at any call, and beside pushes."""

from __future__ import annotations

import pytest

from registry_core.maintenance.doctor import Problem
from registry_core.object_store.errors import StoreUnavailable
from registry_core.object_store.memory import MemoryStore
from registry_core.spec.digest import Digest
from registry_core.spec.errors import BlobUnknown
from registry_core.storage.layout import Layout
from registry_core.storage.layout_parse import Kind
from registry_core.storage.stored_registry import StoredRegistry
from tests.support.content import (
    CONFIG,
    LAYER,
    descriptor,
    image_index,
    image_manifest,
    push_blob,
    push_image,
    push_manifest,
    read_blob,
)

from .examining import examine_store, expect_problems
from .test_interrupted_repairs import InterruptedStore, fail

pytestmark = pytest.mark.anyio

LAYOUT = Layout()
COLLECTED = b"a layer whose content was collected"
CACHED = b"a cached layer"
CACHE = image_index(manifests=[descriptor(CACHED, f"{LAYER}.tar+gzip")])
ONE, ANOTHER = b"content that was damaged", b"another that was damaged"
DAMAGED = b"what is there instead...", b"what is there instead, 2"
METHODS = (
    *("head", "get", "get_range", "put", "delete", "copy", "list_page", "uncommitted_blocks"),
    *("stage", "commit"),
)


async def store_with_problems() -> MemoryStore:
    """Return a container with a link without content, a blob as manifest, and damaged content."""
    memory = MemoryStore()
    registry = StoredRegistry(memory)
    await push_image(registry, "a", "v1", [b"a layer"])
    for content in (COLLECTED, CACHED):
        await push_blob(registry, "a", content)
    await push_manifest(registry, "a", "cache", CACHE)
    await memory.delete(LAYOUT.content(Digest.of(COLLECTED)))
    cached = Digest.of(CACHED)
    await memory.put(LAYOUT.revision_link("a", cached), str(cached).encode())
    await memory.put(LAYOUT.content(Digest.of(ONE)), DAMAGED[0])
    await memory.append(LAYOUT.content(Digest.of(ANOTHER)), DAMAGED[1])
    return memory


async def number_of_calls() -> int:
    """Return how many calls an uninterrupted repair makes."""
    store = InterruptedStore(await store_with_problems(), 0, fail, methods=METHODS)
    report = await examine_store(store, repair=True, verify=True)
    assert report.repaired == {
        Problem.BLOB_DANGLING: 1,
        Problem.BLOB_AS_MANIFEST: 1,
        Problem.CONTENT_DAMAGED: 2,
    }
    assert report.remaining == 0
    return len(store.calls)


@pytest.mark.parametrize("after", [False, True])
async def test_a_repair_that_is_interrupted_at_any_call_is_completed_by_the_next(
    *, after: bool
) -> None:
    """Until then everything that could be pulled can be pulled, and no damaged byte is lost."""
    calls = await number_of_calls()
    assert calls > 40
    for at in range(1, calls + 1):
        memory = await store_with_problems()
        store = InterruptedStore(memory, at, fail, after, METHODS)
        with pytest.raises(StoreUnavailable):
            await examine_store(store, repair=True, verify=True)
        await _expect_images(memory)

        report = await examine_store(memory, repair=True, verify=True)

        assert report.remaining == 0, (at, report.findings)
        report = await expect_problems(memory, verify=True)
        await _expect_images(memory)
        assert report.objects[Kind.QUARANTINED].block == 2
        quarantined = [o.content for path, o in memory.objects.items() if "_quarantine" in path]
        assert sorted(quarantined) == sorted(DAMAGED)
        assert not memory.staged


async def _expect_images(memory: MemoryStore) -> None:
    registry = StoredRegistry(memory)
    assert (await registry.get_manifest("a", "v1")).content == image_manifest(b"a layer")
    assert (await registry.get_manifest("a", "cache")).content == CACHE
    for content in (CONFIG, b"a layer", CACHED):
        assert await read_blob(registry, "a", Digest.of(content)) == content


@pytest.mark.parametrize("elsewhere", [False, True])
async def test_an_image_that_is_pushed_at_any_call_of_a_repair_can_be_pulled(
    *, elsewhere: bool
) -> None:
    """As clients push: what they find they do not send; also after a push elsewhere brought it."""
    layers = (COLLECTED, ONE, ANOTHER)
    manifest = image_manifest(*layers)
    for at in range(1, await number_of_calls() + 1):
        memory = await store_with_problems()

        async def push(memory: MemoryStore = memory) -> None:
            for content in layers if elsewhere else ():
                await push_blob(StoredRegistry(memory), "b", content)
            registry = StoredRegistry(memory)
            for content in (CONFIG, *layers):
                try:
                    await registry.resolve_blob("a", Digest.of(content))
                except BlobUnknown:
                    await push_blob(registry, "a", content)
            await push_manifest(registry, "a", "v2", manifest)

        store = InterruptedStore(memory, at, push, methods=METHODS)
        await examine_store(store, repair=True, verify=True)

        registry = StoredRegistry(memory)
        assert (await registry.get_manifest("a", "v2")).content == manifest
        for content in layers:
            assert await read_blob(registry, "a", Digest.of(content)) == content, at
