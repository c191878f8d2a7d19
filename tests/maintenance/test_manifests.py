"""Manifests, what they reference, and the two indexes that are made of them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from registry_core.maintenance.doctor import Trouble
from registry_core.object_store.memory import MemoryStore
from registry_core.spec import media_types
from registry_core.spec.digest import Digest
from registry_core.spec.endpoints import PageQuery
from registry_core.storage.layout import Layout
from registry_core.storage.stored_registry import StoredRegistry
from tests.support.content import (
    CONFIG,
    descriptor,
    image_index,
    image_manifest,
    push_blob,
    push_image,
    push_manifest,
)

from .looking import cure, expect, leave, look

pytestmark = pytest.mark.anyio

LAYOUT = Layout()
LAYER = b"a layer"
BLOB = Digest.of(LAYER)
IMAGE = image_manifest(LAYER)
MANIFEST = Digest.of(IMAGE)
REFERRER = image_manifest(
    subject=descriptor(IMAGE, media_types.OCI_MANIFEST), annotations={"a": "b"}
)
ENTRY = LAYOUT.referrer_link("a", MANIFEST, Digest.of(REFERRER))


@pytest.fixture(autouse=True)
async def image(registry: StoredRegistry) -> None:
    await push_image(registry, "a", "v1", [LAYER])


async def push_referrer(registry: StoredRegistry) -> None:
    await push_manifest(registry, "a", Digest.of(REFERRER), REFERRER)


async def test_a_manifest_whose_content_is_missing_is_left(
    memory: MemoryStore, registry: StoredRegistry
) -> None:
    await registry.delete_tag("a", "v1")
    await memory.delete(LAYOUT.content(MANIFEST))
    await leave(memory, Trouble.MANIFEST_DANGLING)


@pytest.mark.parametrize("content", [b"{}", b"not JSON", bytes(5 * 2**20)])
async def test_a_manifest_that_is_none_is_left(memory: MemoryStore, content: bytes) -> None:
    digest = Digest.of(content)
    await memory.put(LAYOUT.content(digest), content)
    await memory.put(LAYOUT.revision_link("a", digest), str(digest).encode())
    await leave(memory, Trouble.MANIFEST_INVALID)


async def test_a_blob_that_is_not_the_repositorys_is_linked(
    memory: MemoryStore, registry: StoredRegistry
) -> None:
    await registry.delete_blob("a", BLOB)
    await cure(memory, Trouble.BLOB_UNLINKED)
    fresh = StoredRegistry(memory)
    assert (await fresh.open_blob("a", BLOB)).descriptor.size == len(LAYER)


async def test_a_blob_that_is_missing_is_left(
    memory: MemoryStore, registry: StoredRegistry
) -> None:
    """One finding, however many manifests reference it."""
    other = image_manifest(LAYER, annotations={"other": "one"})
    await push_manifest(registry, "a", "v2", other)
    await registry.delete_blob("a", BLOB)
    await memory.delete(LAYOUT.content(BLOB))
    await leave(memory, Trouble.BLOB_MISSING)


async def test_a_manifest_of_an_index_that_is_not_the_repositorys_is_linked(
    memory: MemoryStore, registry: StoredRegistry
) -> None:
    """And its own blobs after it."""
    await push_manifest(registry, "a", "multi", image_index(IMAGE))
    await registry.delete_manifest("a", MANIFEST)
    await registry.delete_blob("a", BLOB)
    await cure(memory, Trouble.CHILD_UNLINKED, Trouble.BLOB_UNLINKED)


async def test_a_manifest_of_an_index_that_is_missing_is_left(
    memory: MemoryStore, registry: StoredRegistry
) -> None:
    await push_manifest(registry, "a", "multi", image_index(IMAGE))
    await registry.delete_manifest("a", MANIFEST)
    await memory.delete(LAYOUT.content(MANIFEST))
    await leave(memory, Trouble.CHILD_MISSING)


@pytest.mark.parametrize("verify", [False, True])
async def test_a_manifest_that_does_not_hash_to_its_address_is_left(
    memory: MemoryStore, *, verify: bool
) -> None:
    """It is seen in any case, since manifests are read; in all repositories it is one finding."""
    await memory.put(LAYOUT.revision_link("b", MANIFEST), str(MANIFEST).encode())
    await memory.put(LAYOUT.catalog_marker("b"), b"")
    await memory.put(LAYOUT.content(MANIFEST), b"damaged")
    await leave(memory, Trouble.CONTENT_DAMAGED, verify=verify)


async def test_a_damaged_blob_is_seen_when_all_content_is_hashed(memory: MemoryStore) -> None:
    await memory.put(LAYOUT.content(BLOB), LAYER.upper())
    await expect(memory)
    report = await expect(memory, Trouble.CONTENT_DAMAGED, verify=True)
    assert report.verified is not None
    assert (report.verified.number, report.verified.bytes) == (3, len(CONFIG + LAYER + IMAGE))


async def test_a_missing_marker_is_written(memory: MemoryStore, registry: StoredRegistry) -> None:
    """As of a repository that another registry made."""
    await memory.delete(LAYOUT.catalog_marker("a"))
    await cure(memory, Trouble.MARKER_MISSING)
    assert (await registry.list_repositories(PageQuery())).entries == ("a",)


@pytest.mark.parametrize("name", ["gone", "blobs/only", "No Name"])
async def test_a_marker_without_manifests_is_deleted(
    memory: MemoryStore, registry: StoredRegistry, name: str
) -> None:
    await push_blob(registry, "blobs/only", CONFIG)
    await memory.put(LAYOUT.catalog_marker(name), b"")
    await cure(memory, Trouble.MARKER_STALE)
    assert LAYOUT.catalog_marker(name) not in memory.objects


async def test_a_missing_entry_is_written_among_the_referrers(
    memory: MemoryStore, registry: StoredRegistry
) -> None:
    await push_referrer(registry)
    before = await registry.list_referrers("a", MANIFEST, None, PageQuery())
    await memory.delete(ENTRY)
    await cure(memory, Trouble.REFERRER_MISSING)
    after = await registry.list_referrers("a", MANIFEST, None, PageQuery())
    assert after == before
    assert len(after.entries) == 1


async def test_an_entry_whose_manifest_is_gone_is_deleted(
    memory: MemoryStore, registry: StoredRegistry
) -> None:
    await push_referrer(registry)
    entry = memory.objects[ENTRY]
    await registry.delete_manifest("a", Digest.of(REFERRER))
    memory.objects[ENTRY] = entry
    await cure(memory, Trouble.REFERRER_STALE)
    assert ENTRY not in memory.objects


async def test_an_entry_that_may_just_be_pushed_is_not_judged(memory: MemoryStore) -> None:
    """A push writes it and the revision link at the same time."""
    await memory.put(ENTRY, str(Digest.of(REFERRER)).encode())
    assert not (await look(memory, grace=timedelta(hours=1))).found


async def test_an_entry_for_another_subject_is_deleted(
    memory: MemoryStore, registry: StoredRegistry
) -> None:
    await push_referrer(registry)
    wrong = LAYOUT.referrer_link("a", BLOB, Digest.of(REFERRER))
    await memory.put(wrong, str(Digest.of(REFERRER)).encode())
    await cure(memory, Trouble.REFERRER_STALE)
    assert (wrong in memory.objects, ENTRY in memory.objects) == (False, True)
