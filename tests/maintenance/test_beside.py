"""Repairs that are cut off at any call, and repairs beside a registry that is in use."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest

from registry_core.object_store.interface import StoreUnavailable
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

from .looking import expect, look

pytestmark = pytest.mark.anyio

LAYOUT = Layout()
LAYERS = (b"a layer", b"another")
IMAGE = image_manifest(*LAYERS)
MANIFEST = Digest.of(IMAGE)
REFERRER = image_manifest(subject=descriptor(IMAGE, media_types.OCI_MANIFEST))
NEW = image_manifest(LAYERS[0])

Act = Callable[[], Awaitable[object]]


async def damaged() -> MemoryStore:
    """As distribution v3 leaves a container: append blobs, and neither markers nor referrers."""
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
class Interposed:
    """A store that does something before, or after, its call number ``at``."""

    inner: MemoryStore
    at: int
    act: Act
    after: bool = False
    methods: tuple[str, ...] = ("head", "get", "put", "delete", "list_page")
    seen: list[tuple[str, str]] = field(default_factory=list)

    @property
    def calls(self) -> int:
        return len(self.seen)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.inner, name)
        if name not in self.methods:
            return method

        async def call(*arguments: Any, **options: Any) -> Any:
            self.seen.append((name, arguments[0]))
            is_due = self.calls == self.at
            if is_due and not self.after:
                await self.act()
            try:
                return await method(*arguments, **options)
            finally:
                if is_due and self.after:
                    await self.act()

        return call


async def number_of_calls() -> int:
    store = Interposed(await damaged(), at=0, act=fail)
    report = await look(store, repair=True)
    assert report.left == 0
    return store.calls


async def fail() -> None:
    raise StoreUnavailable("it was killed")


@pytest.mark.parametrize("after", [False, True])
async def test_whichever_call_a_repair_is_cut_off_at_the_next_completes_it(*, after: bool) -> None:
    """And until then every tag can be pulled."""
    calls = await number_of_calls()
    assert calls > 40
    for at in range(1, calls + 1):
        memory = await damaged()
        store = Interposed(memory, at, fail, after)
        with pytest.raises(StoreUnavailable):
            await look(store, repair=True)
        registry = StoredRegistry(memory)
        assert (await registry.get_manifest("a", "v1")).content == IMAGE, at

        report = await look(memory, repair=True)

        assert report.left == 0, (at, report.findings)
        await expect(memory)
        registry = StoredRegistry(memory)
        for content in LAYERS:
            await registry.open_blob("a", Digest.of(content))
        for digest in (MANIFEST, Digest.of(REFERRER)):
            await registry.get_manifest("a", digest)
        referrers = await registry.list_referrers("a", MANIFEST, None, PageQuery())
        assert [entry.digest for entry in referrers.entries] == [Digest.of(REFERRER)]


async def test_a_tag_that_is_moved_at_any_call_of_a_repair_stays_moved() -> None:
    for at in range(1, await number_of_calls() + 1):
        memory = await damaged()
        registry = StoredRegistry(memory)

        async def move(registry: StoredRegistry = registry) -> None:
            for content in (CONFIG, LAYERS[0]):
                await push_blob(registry, "a", content)
            await push_manifest(registry, "a", "v1", NEW)

        await look(Interposed(memory, at, move), repair=True)

        fresh = StoredRegistry(memory)
        assert (await fresh.get_manifest("a", "v1")).content == NEW, at
        assert (await look(memory, repair=True)).left == 0
        await expect(memory)
        assert (await fresh.get_manifest("a", "v1")).content == NEW, at


async def test_a_tag_that_is_deleted_at_any_call_of_a_repair_stays_deleted() -> None:
    """But for the moment between the last look at its index link and writing that anew."""
    back = []
    for at in range(1, await number_of_calls() + 1):
        memory = await damaged()
        registry = StoredRegistry(memory)

        async def delete(registry: StoredRegistry = registry) -> None:
            await registry.delete_tag("a", "v1")

        store = Interposed(memory, at, delete)
        await look(store, repair=True)
        with suppress(ManifestUnknown):
            await StoredRegistry(memory).get_manifest("a", "v1")
            back.append(store.seen[at - 1])
    index = LAYOUT.tag_index_link("a", "v1", MANIFEST)
    assert back == [("delete", index), ("put", index)]
