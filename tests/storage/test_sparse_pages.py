"""Listings with empty and short pages: the registry behaves as with full ones.

Source: REST "List Blobs": a page may have fewer rows than requested, or none, and be continued.
"""

from __future__ import annotations

import pytest

from registry_core.object_store.memory import MemoryStore
from registry_core.registry import Listing
from registry_core.spec.digest import Digest
from registry_core.spec.endpoints import ALL
from registry_core.spec.errors import ManifestUnknown, NameUnknown
from registry_core.storage.root import LEADING_SLASH, PLAIN, RootAmbiguous, find_root
from registry_core.storage.stored_registry import StoredRegistry
from tests.support.content import image_manifest, push_image
from tests.support.listings import SparsePages

pytestmark = pytest.mark.anyio

FIRST, SECOND = image_manifest(b"first"), image_manifest(b"second")


@pytest.fixture
def memory() -> MemoryStore:
    return SparsePages()


@pytest.mark.parametrize("root", [PLAIN, LEADING_SLASH])
async def test_the_root_in_use_is_found(memory: MemoryStore, root: str) -> None:
    await push_image(StoredRegistry(memory, root=root), "a", "v1", [b"first"])
    assert await find_root(memory, setting="X") == root


async def test_two_roots_are_found(memory: MemoryStore) -> None:
    for root in (PLAIN, LEADING_SLASH):
        await push_image(StoredRegistry(memory, root=root), "a", "v1", [b"first"])
    with pytest.raises(RootAmbiguous):
        await find_root(memory, setting="X")


async def test_a_repository_stays_in_the_catalog_until_its_last_manifest_is_deleted(
    registry: StoredRegistry,
) -> None:
    await push_image(registry, "a", "v1", [b"first"])
    await push_image(registry, "a", "v2", [b"second"])
    await registry.delete_manifest("a", Digest.of(FIRST))
    assert await registry.list_repositories(ALL) == Listing(("a",))
    await registry.delete_manifest("a", Digest.of(SECOND))
    assert await registry.list_repositories(ALL) == Listing(())


async def test_a_manifest_is_deleted_with_all_its_tags(registry: StoredRegistry) -> None:
    for number in range(5):
        await push_image(registry, "a", f"v{number}", [b"first"])
    deleted = await registry.delete_manifest("a", Digest.of(FIRST))
    assert deleted.tags == tuple(f"v{number}" for number in range(5))
    with pytest.raises(NameUnknown):
        await registry.list_tags("a", ALL)


async def test_a_repository_without_tags_is_known(registry: StoredRegistry) -> None:
    await push_image(registry, "a", "v1", [b"first"])
    await registry.delete_tag("a", "v1")
    assert (await registry.list_tags("a", ALL)).entries == ()
    with pytest.raises(ManifestUnknown):
        await registry.delete_tag("a", "v1")


async def test_a_tag_without_a_current_link_is_read_from_its_index(
    memory: MemoryStore, registry: StoredRegistry
) -> None:
    await push_image(registry, "a", "v1", [b"first"])
    path = next(path for path in memory.objects if path.endswith("/current/link"))
    await memory.delete(path)
    assert (await registry.get_manifest("a", "v1")).content == FIRST
