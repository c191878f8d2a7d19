"""Manifests, what they reference, the catalog's markers and the referrers lists."""

from __future__ import annotations

from datetime import timedelta

import pytest

from registry_core.maintenance.doctor import Problem
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
from tests.support.counting import CountingStore

from .examining import examine_store, expect_problems, expect_repaired, expect_unrepairable

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


async def test_a_manifest_whose_content_is_missing_is_not_repaired(
    memory: MemoryStore, registry: StoredRegistry
) -> None:
    await registry.delete_tag("a", "v1")
    await memory.delete(LAYOUT.content(MANIFEST))
    await expect_unrepairable(memory, Problem.MANIFEST_DANGLING)


@pytest.mark.parametrize("content", [b"{}", b"not JSON", bytes(5 * 2**20)])
async def test_an_invalid_manifest_is_not_repaired(memory: MemoryStore, content: bytes) -> None:
    digest = Digest.of(content)
    await memory.put(LAYOUT.content(digest), content)
    await memory.put(LAYOUT.revision_link("a", digest), str(digest).encode())
    await expect_unrepairable(memory, Problem.MANIFEST_INVALID)


async def test_a_blob_without_its_link_is_linked(
    memory: MemoryStore, registry: StoredRegistry
) -> None:
    await registry.delete_blob("a", BLOB)
    await expect_repaired(memory, Problem.BLOB_UNLINKED)
    fresh = StoredRegistry(memory)
    assert (await fresh.open_blob("a", BLOB)).descriptor.size == len(LAYER)


async def test_a_missing_blob_is_not_repaired(
    memory: MemoryStore, registry: StoredRegistry
) -> None:
    """One finding, however many manifests reference it."""
    other = image_manifest(LAYER, annotations={"other": "one"})
    await push_manifest(registry, "a", "v2", other)
    await registry.delete_blob("a", BLOB)
    await memory.delete(LAYOUT.content(BLOB))
    await expect_unrepairable(memory, Problem.BLOB_MISSING)


async def test_a_manifest_of_an_index_without_its_link_is_linked(
    memory: MemoryStore, registry: StoredRegistry
) -> None:
    """Then its own blobs are."""
    await push_manifest(registry, "a", "multi", image_index(IMAGE))
    await registry.delete_manifest("a", MANIFEST)
    await registry.delete_blob("a", BLOB)
    await expect_repaired(memory, Problem.CHILD_UNLINKED, Problem.BLOB_UNLINKED)


async def test_a_missing_manifest_of_an_index_is_not_repaired(
    memory: MemoryStore, registry: StoredRegistry
) -> None:
    await push_manifest(registry, "a", "multi", image_index(IMAGE))
    await registry.delete_manifest("a", MANIFEST)
    await memory.delete(LAYOUT.content(MANIFEST))
    await expect_unrepairable(memory, Problem.CHILD_MISSING)


@pytest.mark.parametrize("verify", [False, True])
async def test_a_manifest_that_does_not_match_its_digest_is_one_finding_for_all_repositories(
    memory: MemoryStore, *, verify: bool
) -> None:
    """With or without ``verify``. That it is missing, once moved away, is one for each."""
    await memory.put(LAYOUT.revision_link("b", MANIFEST), str(MANIFEST).encode())
    await memory.put(LAYOUT.catalog_marker("b"), b"")
    await memory.put(LAYOUT.content(MANIFEST), b"damaged")
    await expect_problems(memory, Problem.CONTENT_DAMAGED, verify=verify)
    report = await examine_store(memory, repair=True, verify=verify)
    assert report.repaired == {Problem.CONTENT_DAMAGED: 1}
    assert report.remaining == 2


async def test_a_damaged_blob_is_found_by_hashing_all_content(memory: MemoryStore) -> None:
    await memory.put(LAYOUT.content(BLOB), LAYER.upper())
    await expect_problems(memory)
    report = await expect_problems(memory, Problem.CONTENT_DAMAGED, verify=True)
    assert report.verified is not None
    assert (report.verified.number, report.verified.bytes) == (3, len(CONFIG + LAYER + IMAGE))


async def test_a_missing_marker_is_written(memory: MemoryStore, registry: StoredRegistry) -> None:
    """As for a repository that another registry created."""
    await memory.delete(LAYOUT.catalog_marker("a"))
    await expect_repaired(memory, Problem.MARKER_MISSING)
    assert (await registry.list_repositories(PageQuery())).entries == ("a",)


@pytest.mark.parametrize("name", ["gone", "blobs/only", "No Name"])
async def test_a_marker_without_manifests_is_deleted(
    memory: MemoryStore, registry: StoredRegistry, name: str
) -> None:
    await push_blob(registry, "blobs/only", CONFIG)
    await memory.put(LAYOUT.catalog_marker(name), b"")
    await expect_repaired(memory, Problem.MARKER_STALE)
    assert LAYOUT.catalog_marker(name) not in memory.objects


async def test_a_missing_referrers_entry_is_written(
    memory: MemoryStore, registry: StoredRegistry
) -> None:
    await push_referrer(registry)
    before = await registry.list_referrers("a", MANIFEST, None, PageQuery())
    await memory.delete(ENTRY)
    await expect_repaired(memory, Problem.REFERRER_MISSING)
    after = await registry.list_referrers("a", MANIFEST, None, PageQuery())
    assert after == before
    assert len(after.entries) == 1


async def test_a_referrers_entry_that_is_an_append_blob_is_replaced(
    memory: MemoryStore, registry: StoredRegistry
) -> None:
    """By one that describes the referrer, as a push writes it."""
    await push_referrer(registry)
    before = memory.objects.pop(ENTRY)
    await memory.append(ENTRY, before.content)
    await expect_repaired(memory, Problem.LINK_APPEND)
    assert memory.objects[ENTRY].properties.metadata == before.properties.metadata


async def test_a_referrers_entry_with_its_descriptor_in_its_content_is_in_order(
    memory: MemoryStore, registry: StoredRegistry
) -> None:
    """Such as one with long annotations. Without a descriptor in it, it is written anew."""
    subject = descriptor(IMAGE, media_types.OCI_MANIFEST)
    referrer = image_manifest(subject=subject, annotations={"long": "x" * 9000})
    await push_manifest(registry, "a", Digest.of(referrer), referrer)
    entry = LAYOUT.referrer_link("a", MANIFEST, Digest.of(referrer))
    before = memory.objects[entry]
    store = CountingStore(memory)
    await expect_problems(store)
    assert ("get", entry) not in store.calls
    await memory.put(entry, b"short", metadata=before.properties.metadata)
    await expect_repaired(memory, Problem.LINK_TORN)
    after = memory.objects[entry]
    assert (after.content, after.properties.metadata) == (
        before.content,
        before.properties.metadata,
    )


async def test_a_referrers_entry_whose_manifest_is_gone_is_deleted(
    memory: MemoryStore, registry: StoredRegistry
) -> None:
    await push_referrer(registry)
    entry = memory.objects[ENTRY]
    await registry.delete_manifest("a", Digest.of(REFERRER))
    memory.objects[ENTRY] = entry
    await expect_repaired(memory, Problem.REFERRER_STALE)
    assert ENTRY not in memory.objects


async def test_a_referrers_entry_that_may_be_in_the_middle_of_a_push_is_not_judged(
    memory: MemoryStore,
) -> None:
    """A push writes it and the revision link at the same time."""
    await memory.put(ENTRY, str(Digest.of(REFERRER)).encode())
    assert not (await examine_store(memory, grace=timedelta(hours=1))).found


async def test_a_referrers_entry_for_another_subject_is_deleted(
    memory: MemoryStore, registry: StoredRegistry
) -> None:
    await push_referrer(registry)
    wrong = LAYOUT.referrer_link("a", BLOB, Digest.of(REFERRER))
    await memory.put(wrong, str(Digest.of(REFERRER)).encode())
    await expect_repaired(memory, Problem.REFERRER_STALE)
    assert (wrong in memory.objects, ENTRY in memory.objects) == (False, True)
