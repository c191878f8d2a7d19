"""Links of blobs whose content is missing: they are deleted, so that pushes upload it again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest

from registry_core.maintenance.doctor import Problem
from registry_core.object_store.interface import if_match
from registry_core.object_store.memory import MemoryStore
from registry_core.spec.digest import SHA512, Digest
from registry_core.spec.errors import BlobUnknown, ManifestBlobUnknown
from registry_core.storage.layout import Layout
from registry_core.storage.stored_registry import StoredRegistry
from tests.support.content import (
    image_manifest,
    push_blob,
    push_image,
    push_manifest,
    read_blob,
)
from tests.support.counting import CountingStore

from .examining import examine_store, expect_problems, expect_repaired

pytestmark = pytest.mark.anyio

LAYOUT = Layout()
LAYER = b"a layer"
BLOB = Digest.of(LAYER)
LINK = LAYOUT.blob_link("a", BLOB)
CONTENT = LAYOUT.content(BLOB)


@pytest.fixture(autouse=True)
async def collected(memory: MemoryStore, registry: StoredRegistry) -> None:
    """Leave a link without content, as CNCF distribution's ``garbage-collect`` does."""
    await push_image(registry, "a", "v1", [b"needed"])
    await push_blob(registry, "a", LAYER)
    await memory.delete(CONTENT)


async def test_the_link_is_deleted_and_the_next_push_uploads_the_blob(memory: MemoryStore) -> None:
    await expect_repaired(memory, Problem.BLOB_DANGLING)
    assert LINK not in memory.objects
    registry = StoredRegistry(memory)
    with pytest.raises(BlobUnknown):
        await registry.resolve_blob("a", BLOB)
    await push_image(registry, "a", "v2", [LAYER])
    assert await read_blob(StoredRegistry(memory), "a", BLOB) == LAYER
    await expect_problems(memory)


async def test_a_manifest_that_needs_the_blob_is_reported_before_and_after(
    memory: MemoryStore, registry: StoredRegistry
) -> None:
    """What is lost is not healthy, though the link is repaired."""
    await push_image(registry, "a", "v2", [LAYER])
    await memory.delete(CONTENT)
    await expect_problems(memory, Problem.BLOB_DANGLING, Problem.BLOB_MISSING)
    report = await examine_store(memory, repair=True)
    assert report.repaired == {Problem.BLOB_DANGLING: 1}
    await expect_problems(memory, Problem.BLOB_MISSING)
    await push_blob(StoredRegistry(memory), "a", LAYER)
    await expect_problems(memory)


async def test_a_link_under_another_digest_than_its_content_is_deleted(
    memory: MemoryStore,
) -> None:
    """CNCF distribution stores a blob pushed by its sha512 under its sha256."""
    path = LAYOUT.blob_link("a", Digest.of(LAYER, SHA512))
    await memory.put(path, str(BLOB).encode())
    await expect_repaired(memory, Problem.BLOB_DANGLING, Problem.BLOB_DANGLING)
    assert path not in memory.objects


@dataclass
class Meanwhile(CountingStore):
    """A store in which something happens before, or after, the link is deleted."""

    action: Callable[[], Awaitable[object]] | None = None
    after: bool = False

    async def delete(self, path: str, **options: Any) -> None:
        is_due = path == LINK and self.action is not None
        if is_due and not self.after:
            await self._act()
        await super().delete(path, **options)
        if is_due and self.after:
            await self._act()

    async def _act(self) -> None:
        action, self.action = self.action, None
        assert action
        await action()


async def test_a_blob_that_is_pushed_before_its_link_is_deleted_stays(memory: MemoryStore) -> None:
    async def push() -> None:
        await push_blob(StoredRegistry(memory), "a", LAYER)

    report = await examine_store(Meanwhile(memory, action=push), repair=True)
    assert not report.repaired
    assert await read_blob(StoredRegistry(memory), "a", BLOB) == LAYER
    await expect_problems(memory)


@pytest.mark.parametrize("after", [False, True])
async def test_a_manifest_whose_push_relies_on_the_link_is_refused_or_keeps_its_blob(
    memory: MemoryStore, *, after: bool
) -> None:
    """Another repository brings the content back; a client finds the blob in this one."""
    another = StoredRegistry(memory)
    manifest = image_manifest(LAYER)

    async def push() -> None:
        await push_blob(StoredRegistry(memory), "b", LAYER)
        with suppress(BlobUnknown):
            await another.resolve_blob("a", BLOB)

    await examine_store(Meanwhile(memory, action=push, after=after), repair=True)
    with suppress(ManifestBlobUnknown):
        await push_manifest(another, "a", "v2", manifest)
        assert await read_blob(StoredRegistry(memory), "a", BLOB) == LAYER
    await expect_problems(memory)


async def test_no_push_relies_on_a_deleted_link_that_it_has_found_before(
    memory: MemoryStore,
) -> None:
    """Its content was there then."""
    await push_blob(StoredRegistry(memory), "a", LAYER)
    another = StoredRegistry(memory)
    with suppress(ManifestBlobUnknown):
        await push_manifest(another, "a", "fails", image_manifest(LAYER, b"not pushed"))
    await memory.delete(CONTENT)
    await examine_store(memory, repair=True)
    with pytest.raises(ManifestBlobUnknown):
        await push_manifest(another, "a", "v2", image_manifest(LAYER))


async def test_a_link_that_says_another_size_is_rewritten(memory: MemoryStore) -> None:
    """Such a blob counts as incomplete, although its content is whole."""
    await push_blob(StoredRegistry(memory), "a", LAYER)
    found = memory.objects[LINK]
    metadata = {**found.properties.metadata, "size": "1000"}
    await memory.put(
        LINK, found.content, metadata=metadata, condition=if_match(found.properties.etag)
    )
    await expect_repaired(memory, Problem.LINK_TORN)
    assert await read_blob(StoredRegistry(memory), "a", BLOB) == LAYER


async def test_each_deleted_link_costs_six_calls(memory: MemoryStore) -> None:
    """Two look whether link and content are missing still; four write, announce and look."""
    store = CountingStore(memory)
    await examine_store(store, repair=True)
    of_the_blob = [call for call in store.calls if call[1] in (LINK, CONTENT)]
    assert of_the_blob == [
        ("head", CONTENT),
        ("head", LINK),
        ("head", CONTENT),
        ("delete", LINK),
        ("head", CONTENT),
    ]
    marker = LAYOUT.catalog_marker("a")
    assert [call for call in store.calls if call[1] == marker] == [
        ("head", marker),
        ("put", marker),
    ]
