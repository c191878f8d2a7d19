"""Pages of a listing that are short or empty, but not the last, hide nothing.

Azure has such pages where many objects were deleted: learn.microsoft.com/rest/api/storageservices/
list-blobs, "Remarks".
"""

from __future__ import annotations

import pytest

from registry_core.object_store.memory import MemoryStore
from registry_core.spec.digest import Digest
from registry_core.spec.endpoints import ALL, PageQuery
from registry_core.spec.errors import NameUnknown
from registry_core.storage.layout import Layout
from registry_core.storage.root import LEADING_SLASH, RootAmbiguous, find_root
from registry_core.storage.stored_registry import StoredRegistry
from tests.maintenance.examining import examine_store
from tests.support.content import image_manifest, push_image
from tests.support.listings import joined, pages_by_last, pages_by_link, put_tag, tags_of

pytestmark = pytest.mark.anyio

TAGS = ["a", "a-b", "a.b", "b", "latest", "v1", "v1-rc", "v1.0"]


@pytest.fixture
def memory() -> MemoryStore:
    return MemoryStore(sparse_pages=True)


@pytest.fixture
def registry(memory: MemoryStore) -> StoredRegistry:
    return StoredRegistry(memory)


async def test_a_registry_under_the_other_root_is_found(memory: MemoryStore) -> None:
    await memory.put(Layout(LEADING_SLASH).tag_link("a", "v1"), b"")
    assert await find_root(memory, setting="ROOT") == LEADING_SLASH
    await memory.put(Layout().tag_link("a", "v1"), b"")
    with pytest.raises(RootAmbiguous):
        await find_root(memory, setting="ROOT")


async def test_a_repository_stays_in_the_catalog_while_it_has_a_manifest(
    registry: StoredRegistry,
) -> None:
    await push_image(registry, "a", "v1", [b"first"])
    await push_image(registry, "a", "v2", [b"second"])
    await registry.delete_manifest("a", Digest.of(image_manifest(b"first")))
    assert (await registry.list_repositories(ALL)).entries == ("a",)
    await registry.delete_manifest("a", Digest.of(image_manifest(b"second")))
    assert (await registry.list_repositories(ALL)).entries == ()


async def test_a_repository_without_tags_is_known(registry: StoredRegistry) -> None:
    await push_image(registry, "a", Digest.of(image_manifest(b"layer")), [b"layer"])
    assert (await registry.list_tags("a", ALL)).entries == ()


@pytest.mark.parametrize("n", [1, 2, 3, 100])
async def test_every_tag_is_listed_once(memory: MemoryStore, n: int) -> None:
    for tag in TAGS:
        await put_tag(memory, tag)
    assert joined(await pages_by_link(tags_of(memory), PageQuery(n))) == TAGS
    assert joined(await pages_by_last(tags_of(memory), n)) == TAGS


async def test_every_repository_and_manifest_is_listed(registry: StoredRegistry) -> None:
    for name in ("a", "b", "c"):
        await push_image(registry, name, "v1", [name.encode()])
    assert (await registry.list_repositories(ALL)).entries == ("a", "b", "c")
    manifests = await registry.list_manifests("b", ALL)
    assert [str(found.digest) for found in manifests.entries] == [
        str(Digest.of(image_manifest(b"b")))
    ]


async def test_the_doctor_finds_nothing_wrong(
    memory: MemoryStore, registry: StoredRegistry
) -> None:
    await push_image(registry, "a", "v1", [b"layer"])
    report = await examine_store(memory)
    assert not report.findings


async def test_a_manifest_is_deleted_with_all_its_tags(registry: StoredRegistry) -> None:
    for number in range(5):
        await push_image(registry, "a", f"v{number}", [b"layer"])
    deleted = await registry.delete_manifest("a", Digest.of(image_manifest(b"layer")))
    assert deleted.tags == tuple(f"v{number}" for number in range(5))
    with pytest.raises(NameUnknown):
        await registry.list_tags("a", ALL)


async def test_a_tag_without_a_current_link_is_read_from_its_index(
    memory: MemoryStore, registry: StoredRegistry
) -> None:
    await push_image(registry, "a", "v1", [b"layer"])
    await memory.delete(Layout().tag_link("a", "v1"))
    assert (await registry.get_manifest("a", "v1")).content == image_manifest(b"layer")
