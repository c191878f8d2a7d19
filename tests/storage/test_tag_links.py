"""What a tag points to, whatever other registries, crashes and deletions left of its links."""

from datetime import UTC, datetime, timedelta

import pytest

from registry_core.object_store.errors import NotFound
from registry_core.object_store.interface import Properties
from registry_core.object_store.memory import MemoryStore
from registry_core.spec.digest import Digest
from registry_core.spec.errors import ManifestUnknown
from registry_core.storage.layout import Layout
from registry_core.storage.stored_registry import StoredRegistry
from tests.support.content import image_manifest, push_image
from tests.support.counting import CountingStore

LAYOUT = Layout()
LINK = LAYOUT.tag_link("a", "v1")
OLD, NEW = image_manifest(b"old"), image_manifest(b"new")


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every object is a second younger than the one before: storage counts in seconds."""
    write, times = MemoryStore._write, iter(range(10_000))

    def write_later(store: MemoryStore, path: str, *args: object, **options: object) -> str:
        etag = write(store, path, *args, **options)  # type: ignore[arg-type]
        found = store.objects[path].properties
        later = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=next(times))
        changed = Properties(found.etag, found.size, later, found.metadata, found.is_append)
        object.__setattr__(store.objects[path], "properties", changed)
        return etag

    monkeypatch.setattr(MemoryStore, "_write", write_later)


pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("now")]


async def pulled(registry: StoredRegistry) -> bytes:
    return (await registry.get_manifest("a", "v1")).content


async def test_a_tag_without_a_current_link_points_to_the_newest_entry_of_its_index(
    registry: StoredRegistry, memory: MemoryStore, store: CountingStore
) -> None:
    """That happens while a link is replaced, and after a push that was cut off."""
    await push_image(registry, "a", "v1", [b"old"])
    await push_image(registry, "a", "v1", [b"new"])
    await memory.delete(LINK)
    store.calls.clear()
    assert await pulled(registry) == NEW
    assert store.take() == ["get", "list_page"]
    await push_image(registry, "a", "v1", [b"old"])
    await memory.delete(LINK)
    assert await pulled(registry) == OLD


async def test_a_tag_does_not_fall_back_to_a_deleted_manifest(
    registry: StoredRegistry, memory: MemoryStore
) -> None:
    await push_image(registry, "a", "v1", [b"old"])
    new = await push_image(registry, "a", "v1", [b"new"])
    await memory.delete(LINK)
    await memory.delete(LAYOUT.revision_link("a", new.digest))
    registry.deletions.membership.manifests.forget(("a", new.digest))
    assert await pulled(registry) == OLD


async def test_only_the_newest_entries_of_an_index_are_looked_up(
    registry: StoredRegistry, memory: MemoryStore, store: CountingStore
) -> None:
    for number in range(40):
        digest = Digest.of(b"%d" % number)
        await memory.put(LAYOUT.tag_index_link("a", "v1", digest), str(digest).encode())
    with pytest.raises(ManifestUnknown):
        await pulled(registry)
    assert store.take() == ["get", "list_page", *["head"] * 16]


async def test_a_link_that_stays_empty_counts_as_missing(
    registry: StoredRegistry, memory: MemoryStore
) -> None:
    """Another registry was cut off between creating and filling it."""
    await push_image(registry, "a", "v1", [b"old"])
    await memory.delete(LINK)
    await memory.append(LINK, b"")
    assert await pulled(registry) == OLD
    await push_image(registry, "a", "v1", [b"new"])
    assert await pulled(registry) == NEW


async def test_an_append_blob_link_is_replaced_and_the_tag_exists_all_the_time(
    registry: StoredRegistry, memory: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = await push_image(registry, "a", "v1", [b"old"])
    await memory.delete(LINK)
    await memory.append(LINK, str(old.digest).encode())
    seen: list[bytes] = []
    delete = memory.delete

    async def delete_and_look(path: str, **options: object) -> None:
        await delete(path, **options)  # type: ignore[arg-type]
        with pytest.raises(NotFound):
            await memory.head(LINK)
        seen.append(await pulled(registry))

    monkeypatch.setattr(memory, "delete", delete_and_look)
    await push_image(registry, "a", "v1", [b"new"])
    assert seen == [NEW]
    assert not (await memory.head(LINK)).is_append


async def test_correct_links_that_are_append_blobs_are_not_replaced(
    registry: StoredRegistry, memory: MemoryStore, store: CountingStore
) -> None:
    """Nothing would stand in for a blob's or a manifest's link while it is replaced."""
    await push_image(registry, "a", "v1", [b"old"])
    links = [path for path in memory.objects if path.endswith("/link") and path != LINK]
    for path in links:
        content = memory.objects[path].content
        await memory.delete(path)
        await memory.append(path, content)
    store.calls.clear()
    await push_image(registry, "a", "v1", [b"old"])
    assert "delete" not in store.take()
    assert all([(await memory.head(path)).is_append for path in links])
    assert await pulled(registry) == OLD


async def test_a_deleted_tag_does_not_come_back_from_its_history(
    registry: StoredRegistry, memory: MemoryStore
) -> None:
    await push_image(registry, "a", "v1", [b"old"])
    new = await push_image(registry, "a", "v1", [b"new"])
    await push_image(registry, "a", "v2", [b"new"])
    await registry.delete_manifest("a", new.digest)
    for tag in ("v1", "v2"):
        with pytest.raises(ManifestUnknown):
            await registry.get_manifest("a", tag)
    await push_image(registry, "a", "v1", [b"new"])
    await registry.delete_tag("a", "v1")
    with pytest.raises(ManifestUnknown):
        await registry.get_manifest("a", "v1")
    with pytest.raises(ManifestUnknown):
        await registry.delete_tag("a", "v1")
    assert not [path for path in memory.objects if "/tags/" in path]


async def test_deletion_can_be_repeated_after_it_was_cut_off(
    registry: StoredRegistry, memory: MemoryStore
) -> None:
    await push_image(registry, "a", "v1", [b"old"])
    await memory.delete(LINK)
    await registry.delete_tag("a", "v1")
    assert not [path for path in memory.objects if "/tags/" in path]
    digest = Digest.of(OLD)
    await memory.delete(LAYOUT.revision_link("a", digest))
    with pytest.raises(ManifestUnknown):
        await registry.delete_manifest("a", digest)
    assert LAYOUT.catalog_marker("a") not in memory.objects
