"""Indexes that list blobs, as BuildKit's caches do: blobs are never linked as manifests."""

from __future__ import annotations

import json
from typing import Any

import pytest

from registry_core.maintenance.doctor import Problem
from registry_core.maintenance.doctor.content import is_manifest
from registry_core.object_store.memory import MemoryStore
from registry_core.spec import media_types
from registry_core.spec.digest import Digest
from registry_core.spec.errors import ManifestUnknown
from registry_core.spec.manifest import MAX_MANIFEST_BYTES
from registry_core.storage.layout import Layout
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
    random_bytes,
    read_blob,
)
from tests.support.counting import CountingStore

from .examining import examine_store, expect_problems, expect_repaired, expect_unrepairable

pytestmark = pytest.mark.anyio

LAYOUT = Layout()
CACHED = b"a cached layer"
CACHE_CONFIG = b'{"layers":[{"blob":"sha256:..."}],"records":[]}'
CONTENTS = (CACHED, CACHE_CONFIG)
CACHE = image_index(
    manifests=[
        descriptor(CACHED, f"{LAYER}.tar+gzip"),
        descriptor(CACHE_CONFIG, "application/vnd.buildkit.cacheconfig.v0"),
    ]
)


@pytest.fixture(autouse=True)
async def cache(registry: StoredRegistry) -> None:
    for content in CONTENTS:
        await push_blob(registry, "a", content)
    await push_manifest(registry, "a", "cache", CACHE)


async def link_as_manifest(memory: MemoryStore, content: bytes) -> str:
    """Write the link of a manifest for content that is none. Returns its path."""
    digest = Digest.of(content)
    path = LAYOUT.revision_link("a", digest)
    await memory.put(path, str(digest).encode())
    return path


async def test_an_index_of_blobs_is_healthy(memory: MemoryStore) -> None:
    await expect_problems(memory)


async def test_a_blob_of_an_index_without_its_link_is_linked_as_a_blob(
    memory: MemoryStore, registry: StoredRegistry
) -> None:
    await registry.delete_blob("a", Digest.of(CACHED))
    await expect_repaired(memory, Problem.BLOB_UNLINKED)
    assert LAYOUT.revision_link("a", Digest.of(CACHED)) not in memory.objects
    assert await read_blob(StoredRegistry(memory), "a", Digest.of(CACHED)) == CACHED


async def test_a_missing_blob_of_an_index_is_reported_as_a_blob(
    memory: MemoryStore, registry: StoredRegistry
) -> None:
    await registry.delete_blob("a", Digest.of(CACHED))
    await memory.delete(LAYOUT.content(Digest.of(CACHED)))
    await expect_unrepairable(memory, Problem.BLOB_MISSING)


@pytest.mark.parametrize("has_layer_links", [True, False])
async def test_the_links_of_blobs_as_manifests_are_deleted(
    memory: MemoryStore, *, has_layer_links: bool
) -> None:
    """Repairs of earlier versions wrote them, for blobs with or without a link of their own."""
    paths = [await link_as_manifest(memory, content) for content in CONTENTS]
    unlinked = []
    if not has_layer_links:
        for content in CONTENTS:
            await memory.delete(LAYOUT.blob_link("a", Digest.of(content)))
            unlinked.append(Problem.BLOB_UNLINKED)
    await expect_repaired(memory, *[Problem.BLOB_AS_MANIFEST] * 2, *unlinked)
    assert not memory.objects.keys() & set(paths)
    registry = StoredRegistry(memory)
    for content in CONTENTS:
        assert await read_blob(registry, "a", Digest.of(content)) == content
        with pytest.raises(ManifestUnknown):
            await registry.get_manifest("a", Digest.of(content))
    assert (await registry.get_manifest("a", "cache")).content == CACHE


async def test_a_large_blob_that_is_linked_as_a_manifest_is_not_read(
    memory: MemoryStore, registry: StoredRegistry
) -> None:
    large = random_bytes(MAX_MANIFEST_BYTES + 1)
    await push_blob(registry, "a", large)
    await link_as_manifest(memory, large)
    await expect_repaired(memory, Problem.BLOB_AS_MANIFEST)


async def test_a_large_blob_that_an_index_lists_as_a_manifest_is_not_read(
    memory: MemoryStore, registry: StoredRegistry
) -> None:
    large = random_bytes(MAX_MANIFEST_BYTES + 1)
    await push_blob(registry, "a", large)
    await push_manifest(registry, "a", "large", image_index(large))
    store = CountingStore(memory)
    assert not (await examine_store(store)).found
    assert ("get", LAYOUT.content(Digest.of(large))) not in store.calls


async def test_a_link_that_is_written_again_meanwhile_stays(memory: MemoryStore) -> None:
    link = await link_as_manifest(memory, CACHED)

    class WrittenMeanwhile(CountingStore):
        async def delete(self, path: str, **options: Any) -> None:
            if path == link:
                await link_as_manifest(memory, CACHED)
            await super().delete(path, **options)

    report = await examine_store(WrittenMeanwhile(memory), repair=True)
    assert (report.found, report.remaining) == ({Problem.BLOB_AS_MANIFEST: 1}, 1)
    assert link in memory.objects


async def test_what_a_tag_leads_to_stays_linked(memory: MemoryStore) -> None:
    await link_as_manifest(memory, CACHED)
    await memory.put(LAYOUT.tag_link("a", "odd"), str(Digest.of(CACHED)).encode())
    await expect_unrepairable(memory, Problem.MANIFEST_INVALID)


async def test_a_tag_that_leads_to_a_blob_does_not_make_it_a_manifest(memory: MemoryStore) -> None:
    await memory.put(LAYOUT.tag_link("a", "odd"), str(Digest.of(CACHED)).encode())
    await expect_unrepairable(memory, Problem.TAG_UNLINKED, Problem.MANIFEST_INVALID)


async def test_content_that_an_index_lists_as_a_manifest_is_linked_only_if_it_is_one(
    memory: MemoryStore, registry: StoredRegistry
) -> None:
    """A blob of the repository may be listed so; of anything else nothing is known."""
    await push_blob(registry, "a", b"of the repository")
    await push_manifest(registry, "a", "odd", image_index(b"of the repository"))
    await expect_problems(memory)
    await registry.delete_blob("a", Digest.of(b"of the repository"))
    await expect_unrepairable(memory, Problem.MANIFEST_INVALID)


async def test_a_manifest_that_is_also_a_blob_is_linked_as_a_manifest(
    memory: MemoryStore, registry: StoredRegistry
) -> None:
    """Clients that choose a platform of the index get it as a manifest."""
    image = image_manifest(b"layer")
    pushed = await push_image(registry, "a", "v1", [b"layer"])
    await push_manifest(registry, "a", "multi", image_index(image))
    await push_blob(registry, "a", image)
    await registry.delete_manifest("a", pushed.digest)
    await expect_repaired(memory, Problem.CHILD_UNLINKED)


@pytest.mark.parametrize(
    "content",
    [
        {"schemaVersion": 1, "fsLayers": []},
        {"schemaVersion": 2, "mediaType": media_types.OCI_MANIFEST, "annotations": {"k": None}},
    ],
)
async def test_a_manifest_that_only_another_registry_accepts_stays_linked(
    memory: MemoryStore, registry: StoredRegistry, content: dict[str, object]
) -> None:
    """Even if it is a blob of the repository, too."""
    document = json.dumps(content).encode()
    await push_blob(registry, "a", document)
    await link_as_manifest(memory, document)
    await expect_unrepairable(memory, Problem.MANIFEST_INVALID)


@pytest.mark.parametrize(
    "content, expected",
    [
        (image_manifest(), True),
        (CACHE, True),
        (b'{"schemaVersion":1}', True),
        (CONFIG, False),
        (b'{"config":{"Env":[]},"rootfs":{}}', False),  # of an image
        (CACHE_CONFIG, False),
        (b'{"schemaVersion":2}', False),
        (b"[]", False),
        (b"\x1f\x8b\x08\x00", False),
    ],
)
async def test_a_document_is_a_manifest_by_its_fields(content: bytes, *, expected: bool) -> None:
    assert is_manifest(content) is expected
