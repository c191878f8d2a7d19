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


async def test_a_manifest_whose_content_is_missing_can_be_deleted(
    memory: MemoryStore, registry: StoredRegistry
) -> None:
    """As the documentation advises: a tag, or the manifest by its digest."""
    await push_blob(registry, "a", LAYER)
    untagged, tagged = image_manifest(), Digest.of(image_manifest(b"needed"))
    await push_manifest(registry, "a", Digest.of(untagged), untagged)
    for digest in (Digest.of(untagged), tagged):
        await memory.delete(LAYOUT.content(digest))
    await expect_problems(memory, Problem.MANIFEST_DANGLING, Problem.TAG_DANGLING)
    fresh = StoredRegistry(memory)
    await fresh.delete_tag("a", "v1")
    for digest in (Digest.of(untagged), tagged):
        await fresh.delete_manifest("a", digest)
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
    """A store in which something happens right before the link is deleted."""

    action: Callable[[], Awaitable[object]] | None = None

    async def delete(self, path: str, **options: Any) -> None:
        action, self.action = self.action, None
        if path == LINK and action:
            await action()
        await super().delete(path, **options)


async def test_a_blob_that_is_pushed_before_its_link_is_deleted_stays(memory: MemoryStore) -> None:
    pushed = []

    async def push() -> None:
        await push_blob(StoredRegistry(memory), "a", LAYER)
        pushed.append(memory.objects[LINK])

    report = await examine_store(Meanwhile(memory, action=push), repair=True)
    assert not report.repaired
    assert [memory.objects[LINK]] == pushed
    assert await read_blob(StoredRegistry(memory), "a", BLOB) == LAYER
    await expect_problems(memory)


async def test_a_blob_that_a_client_has_found_meanwhile_stays(memory: MemoryStore) -> None:
    """Another repository brings the content back; the client pushes a manifest that needs it."""
    another = StoredRegistry(memory)
    manifest = image_manifest(LAYER)

    async def push() -> None:
        await push_blob(StoredRegistry(memory), "b", LAYER)
        await another.resolve_blob("a", BLOB)

    await examine_store(Meanwhile(memory, action=push), repair=True)
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


async def test_a_link_costs_two_calls_to_report_and_five_to_delete(memory: MemoryStore) -> None:
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
