"""Objects in the archive tier: reported once each, and not taken for damage."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest

from registry_core.maintenance.doctor import Problem
from registry_core.object_store.errors import StoreRefused
from registry_core.object_store.interface import UNCONDITIONAL, Condition, StoredObject, StoredRange
from registry_core.object_store.memory import MemoryStore
from registry_core.spec.digest import Digest
from registry_core.storage.layout import Layout
from registry_core.storage.stored_registry import StoredRegistry
from tests.support.content import CONFIG, image_index, image_manifest, push_image, push_manifest

from .examining import examine_store, expect_problems, expect_unrepairable

pytestmark = pytest.mark.anyio

LAYOUT = Layout()


@dataclass
class ArchivingStore(MemoryStore):
    """A store whose objects can be archived, as Azure does it."""

    def archive(self, path: str, **changes: Any) -> None:
        """Move an object to the archive tier, unless ``changes`` of its properties name another."""
        found = self.objects[path]
        self.objects[path] = replace(
            found, properties=replace(found.properties, **{"tier": "Archive", **changes})
        )

    async def get(
        self, path: str, *, limit: int, condition: Condition = UNCONDITIONAL
    ) -> StoredObject:
        self._refuse(path)
        return await super().get(path, limit=limit, condition=condition)

    async def get_range(
        self, path: str, offset: int, length: int, *, condition: Condition = UNCONDITIONAL
    ) -> StoredRange:
        self._refuse(path)
        return await super().get_range(path, offset, length, condition=condition)

    def _refuse(self, path: str) -> None:
        if path in self.objects and self.objects[path].properties.archived:
            raise StoreRefused(f"get {path}: 409 BlobArchived")


@pytest.fixture
def store() -> ArchivingStore:
    return ArchivingStore()


async def test_an_archived_manifest_of_an_index_is_not_taken_for_a_blob(
    store: ArchivingStore,
) -> None:
    """Nor is it linked before it can be read."""
    registry = StoredRegistry(store)
    pushed = await push_image(registry, "a", "v1", [b"layer"])
    await push_manifest(registry, "a", "multi", image_index(image_manifest(b"layer")))
    await registry.delete_manifest("a", pushed.digest)
    store.archive(LAYOUT.content(pushed.digest))
    await expect_unrepairable(store, Problem.ARCHIVED)


async def test_what_is_being_rehydrated_is_reported_with_its_progress(
    store: ArchivingStore,
) -> None:
    pushed = await push_image(StoredRegistry(store), "a", "v1", [b"layer"])
    status = "rehydrate-pending-to-hot"
    store.archive(LAYOUT.content(pushed.digest), archive_status=status)
    report = await expect_problems(store, Problem.ARCHIVED)
    assert status in report.findings[0].message


async def test_objects_are_counted_by_their_access_tier(store: ArchivingStore) -> None:
    """A rule that archives what is old makes it cool first, as a rule."""
    await push_image(StoredRegistry(store), "a", "v1", [b"layer"])
    for content, tier in ((b"layer", "Cool"), (CONFIG, "Hot")):
        store.archive(LAYOUT.content(Digest.of(content)), tier=tier)
    document = (await expect_problems(store)).to_json()
    assert document["tiers"] == {
        "Cool": {"number": 1, "bytes": len(b"layer")},
        "Hot": {"number": 1, "bytes": len(CONFIG)},
    }


@pytest.mark.parametrize("verify", [False, True])
async def test_archived_content_is_reported_and_not_judged(
    store: ArchivingStore, *, verify: bool
) -> None:
    pushed = await push_image(StoredRegistry(store), "a", "v1", [b"layer"])
    for digest in (pushed.digest, Digest.of(CONFIG), Digest.of(b"layer")):
        store.archive(LAYOUT.content(digest))
    await expect_unrepairable(store, *[Problem.ARCHIVED] * 3, verify=verify)


async def test_archived_links_whose_metadata_are_missing_are_not_taken_for_torn(
    store: ArchivingStore,
) -> None:
    """Links of CNCF distribution have no metadata."""
    pushed = await push_image(StoredRegistry(store), "a", "v1", [b"layer"])
    digest = pushed.digest
    links = [
        LAYOUT.revision_link("a", digest),
        LAYOUT.tag_link("a", "v1"),
        LAYOUT.tag_index_link("a", "v1", digest),
        LAYOUT.blob_link("a", Digest.of(b"layer")),
    ]
    for path in links:
        store.archive(path, metadata={})
    await expect_unrepairable(store, *[Problem.ARCHIVED] * len(links))


async def test_a_repair_that_storage_refuses_does_not_end_the_examination() -> None:
    store = WriteOnceStore()
    await push_image(StoredRegistry(store), "a", "v1", [b"layer"])
    torn = LAYOUT.blob_link("a", Digest.of(b"layer"))
    await store.delete(torn)
    await store.put(torn, b"")
    store.is_locked = True
    report = await examine_store(store, repair=True)
    [finding] = report.findings
    assert (finding.problem, finding.repairable, finding.repaired) == (
        Problem.LINK_TORN,
        True,
        "",
    )
    assert "storage refuses the repair (immutable)" in finding.message
    assert not report.stopped


@dataclass
class WriteOnceStore(MemoryStore):
    """A store that, once locked, lets nobody replace an object."""

    is_locked: bool = False

    async def put(self, path: str, content: Any, **options: Any) -> str:
        if self.is_locked:
            raise StoreRefused("immutable")
        return await super().put(path, content, **options)
