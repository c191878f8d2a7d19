"""Repairs that are interrupted at any call, and repairs beside a registry that is in use."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest

from registry_core.object_store.errors import StoreUnavailable
from registry_core.object_store.memory import MemoryStore
from registry_core.spec import media_types
from registry_core.spec.digest import Digest
from registry_core.spec.endpoints import PageQuery
from registry_core.spec.errors import ManifestUnknown
from registry_core.storage.layout import Layout
from registry_core.storage.stored_registry import StoredRegistry
from tests.support.content import (
    CONFIG,
    descriptor,
    image_manifest,
    push_blob,
    push_image,
    push_manifest,
)

from .examining import examine_store, expect_problems

pytestmark = pytest.mark.anyio

LAYOUT = Layout()
LAYERS = (b"a layer", b"another")
IMAGE = image_manifest(*LAYERS)
MANIFEST = Digest.of(IMAGE)
REFERRER = image_manifest(subject=descriptor(IMAGE, media_types.OCI_MANIFEST))
NEW = image_manifest(LAYERS[0])

Action = Callable[[], Awaitable[object]]


async def store_of_distribution() -> MemoryStore:
    """Return a container as distribution v3 leaves it: append blobs, no markers, no referrers."""
    memory = MemoryStore()
    registry = StoredRegistry(memory)
    await push_image(registry, "a", "v1", LAYERS)
    await push_manifest(registry, "a", Digest.of(REFERRER), REFERRER)
    for path in list(memory.objects):
        if "/_referrers/" in path or "/_catalog/" in path:
            del memory.objects[path]
        elif path.endswith("/link"):
            await memory.append(path, memory.objects.pop(path).content)
    return memory


@dataclass
class InterruptedStore:
    """A store that runs an action before, or after, its call number ``at``."""

    inner: MemoryStore
    at: int
    action: Action
    after: bool = False
    methods: tuple[str, ...] = ("head", "get", "put", "delete", "list_page")
    calls: list[tuple[str, str]] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.inner, name)
        if name not in self.methods:
            return method

        async def call(*arguments: Any, **options: Any) -> Any:
            self.calls.append((name, arguments[0]))
            is_due = len(self.calls) == self.at
            if is_due and not self.after:
                await self.action()
            try:
                return await method(*arguments, **options)
            finally:
                if is_due and self.after:
                    await self.action()

        return call


async def number_of_calls() -> int:
    """Return how many calls an uninterrupted repair makes."""
    store = InterruptedStore(await store_of_distribution(), at=0, action=fail)
    report = await examine_store(store, repair=True)
    assert report.remaining == 0
    return len(store.calls)


async def fail() -> None:
    raise StoreUnavailable("the process was killed")


@pytest.mark.parametrize("after", [False, True])
async def test_a_repair_that_is_interrupted_at_any_call_is_completed_by_the_next(
    *, after: bool
) -> None:
    """Until then every tag can still be pulled."""
    calls = await number_of_calls()
    assert calls > 40
    for at in range(1, calls + 1):
        memory = await store_of_distribution()
        store = InterruptedStore(memory, at, fail, after)
        with pytest.raises(StoreUnavailable):
            await examine_store(store, repair=True)
        registry = StoredRegistry(memory)
        assert (await registry.get_manifest("a", "v1")).content == IMAGE, at

        report = await examine_store(memory, repair=True)

        assert report.remaining == 0, (at, report.findings)
        await expect_problems(memory)
        registry = StoredRegistry(memory)
        for content in LAYERS:
            await registry.open_blob("a", Digest.of(content))
        for digest in (MANIFEST, Digest.of(REFERRER)):
            await registry.get_manifest("a", digest)
        referrers = await registry.list_referrers("a", MANIFEST, None, PageQuery())
        assert [entry.digest for entry in referrers.entries] == [Digest.of(REFERRER)]


async def test_a_tag_that_is_moved_at_any_call_of_a_repair_stays_moved() -> None:
    for at in range(1, await number_of_calls() + 1):
        memory = await store_of_distribution()
        registry = StoredRegistry(memory)

        async def move(registry: StoredRegistry = registry) -> None:
            for content in (CONFIG, LAYERS[0]):
                await push_blob(registry, "a", content)
            await push_manifest(registry, "a", "v1", NEW)

        await examine_store(InterruptedStore(memory, at, move), repair=True)

        fresh = StoredRegistry(memory)
        assert (await fresh.get_manifest("a", "v1")).content == NEW, at
        assert (await examine_store(memory, repair=True)).remaining == 0
        await expect_problems(memory)
        assert (await fresh.get_manifest("a", "v1")).content == NEW, at


async def test_a_tag_that_is_deleted_at_any_call_of_a_repair_stays_deleted() -> None:
    """Except between the last look at its index link and the write of that link."""
    reappeared = []
    for at in range(1, await number_of_calls() + 1):
        memory = await store_of_distribution()
        registry = StoredRegistry(memory)

        async def delete(registry: StoredRegistry = registry) -> None:
            await registry.delete_tag("a", "v1")

        store = InterruptedStore(memory, at, delete)
        await examine_store(store, repair=True)
        with suppress(ManifestUnknown):
            await StoredRegistry(memory).get_manifest("a", "v1")
            reappeared.append(store.calls[at - 1])
    index = LAYOUT.tag_index_link("a", "v1", MANIFEST)
    assert reappeared == [("delete", index), ("put", index)]
