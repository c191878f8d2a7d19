"""Deletions by one instance, as this one and others see them, and what they return."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from registry_core.object_store.interface import Properties
from registry_core.object_store.memory import MemoryStore
from registry_core.registry import DeletedManifest, Registry
from registry_core.spec import media_types
from registry_core.spec.digest import Digest
from registry_core.spec.endpoints import ALL
from registry_core.spec.errors import BlobUnknown, ManifestUnknown
from registry_core.storage.layout import Layout
from registry_core.storage.membership import MEMBERSHIP_SECONDS
from registry_core.storage.stored_registry import StoredRegistry
from tests.support.content import descriptor, image_manifest, push_image, push_manifest

pytestmark = pytest.mark.anyio

LAYOUT = Layout()
LAYER = b"a layer"
BLOB, MANIFEST = Digest.of(LAYER), Digest.of(image_manifest(LAYER))

Put = Callable[..., Awaitable[str]]


class Clock:
    """A clock that tests set."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def instance(memory: MemoryStore, clock: Clock) -> StoredRegistry:
    """Return one of the instances that share a container."""
    return StoredRegistry(memory, clock=clock)


async def has(registry: Registry) -> dict[str, bool]:
    """Return what is found in the repository."""
    found = {}
    for reference in ("v1", MANIFEST):
        try:
            await registry.resolve_manifest("a", reference)
            await registry.get_manifest("a", reference)
            found[str(reference)] = True
        except ManifestUnknown:
            found[str(reference)] = False
    try:
        await registry.open_blob("a", BLOB)
        found[str(BLOB)] = True
    except BlobUnknown:
        found[str(BLOB)] = False
    return found


async def test_another_instance_notices_a_deletion_when_its_cache_expires(
    memory: MemoryStore,
) -> None:
    """The deleting instance notices at once, and every instance that a tag is gone."""
    clock = Clock()
    here, there = instance(memory, clock), instance(memory, clock)
    await push_image(here, "a", "v1", [LAYER])
    everything = {"v1": True, str(MANIFEST): True, str(BLOB): True}
    assert await has(here) == await has(there) == everything
    await here.delete_manifest("a", MANIFEST)
    await here.delete_blob("a", BLOB)
    nothing = dict.fromkeys(everything, False)
    assert await has(here) == nothing
    assert await has(there) == {"v1": False, str(MANIFEST): True, str(BLOB): True}
    clock.seconds = MEMBERSHIP_SECONDS
    assert await has(there) == nothing


async def test_a_repository_that_another_instance_emptied_comes_back_to_the_catalog(
    memory: MemoryStore,
) -> None:
    """Even if this instance has cached that the catalog has it."""
    clock = Clock()
    here, there = instance(memory, clock), instance(memory, clock)
    await push_image(there, "a", "v1", [LAYER])
    await here.delete_manifest("a", MANIFEST)
    assert (await here.list_repositories(ALL)).entries == ()
    await push_image(there, "a", "v1", [LAYER])
    assert (await here.list_repositories(ALL)).entries == ("a",)


async def test_a_manifest_that_is_deleted_while_its_tag_is_written_is_restored(
    memory: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another instance deletes it between the push's revision link and its tag."""
    clock = Clock()
    here, there = instance(memory, clock), instance(memory, clock)
    for first_push in (True, False):
        await push_image(here, "a", MANIFEST, [LAYER])
        put = memory.put
        deleted: list[str] = []

        async def delete_first(
            path: str,
            *args: object,
            put: Put = put,
            deleted: list[str] = deleted,
            **options: object,
        ) -> str:
            if path == LAYOUT.tag_link("a", "v1") and not deleted:
                deleted.append(path)
                await there.delete_manifest("a", MANIFEST)
            return await put(path, *args, **options)

        monkeypatch.setattr(memory, "put", delete_first)
        await push_image(here, "a", "v1", [LAYER])
        monkeypatch.setattr(memory, "put", put)
        assert deleted, first_push
        assert await has(instance(memory, clock)) == dict.fromkeys(
            ["v1", str(MANIFEST), str(BLOB)], True
        )
        assert (await there.list_repositories(ALL)).entries == ("a",)
        await here.delete_manifest("a", MANIFEST)


async def test_a_deletion_that_meets_a_push_leaves_nothing_of_a_later_deletion(
    memory: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A referrer is pushed again at the end of one deletion, and deleted by another."""
    one, other = StoredRegistry(memory), StoredRegistry(memory)
    await push_image(one, "a", "v1", [LAYER])
    subject = descriptor(image_manifest(LAYER), media_types.OCI_MANIFEST)
    referrer = image_manifest(LAYER, subject=subject)
    digest = Digest.of(referrer)
    await push_manifest(one, "a", digest, referrer)
    path = LAYOUT.revision_link("a", digest)
    delete, put = memory.delete, memory.put
    steps = [push_manifest(other, "a", digest, referrer), other.delete_manifest("a", digest)]

    async def delete_then_push(at: str, **options: Any) -> None:
        await delete(at, **options)
        if at == path:
            monkeypatch.setattr(memory, "delete", delete)
            await steps.pop(0)
            monkeypatch.setattr(memory, "put", delete_and_put)

    async def delete_and_put(at: str, *args: Any, **options: Any) -> str:
        if "/_referrers/" in at and steps:
            await steps.pop(0)
        return await put(at, *args, **options)

    monkeypatch.setattr(memory, "delete", delete_then_push)
    await one.delete_manifest("a", digest)
    for step in steps:
        await step
    assert (await one.list_referrers("a", MANIFEST, None, ALL)).entries == ()


async def test_a_referrer_is_pushed_while_other_manifests_are_deleted_all_the_time(
    memory: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whenever the push looks at the repository's generation, it finds another one."""
    registry = StoredRegistry(memory)
    await push_image(registry, "a", "v1", [LAYER])
    marker = LAYOUT.catalog_marker("a")
    head = memory.head

    async def find_another(path: str) -> Properties:
        if path == marker:
            await memory.put(marker, b"")
        return await head(path)

    monkeypatch.setattr(memory, "head", find_another)
    subject = descriptor(image_manifest(LAYER), media_types.OCI_MANIFEST)
    referrer = image_manifest(LAYER, subject=subject)
    await push_manifest(registry, "a", Digest.of(referrer), referrer)
    [listed] = (await registry.list_referrers("a", MANIFEST, None, ALL)).entries
    assert listed.digest == Digest.of(referrer)


async def test_a_deletion_returns_what_was_deleted(memory: MemoryStore) -> None:
    registry = StoredRegistry(memory)
    pushed = await push_image(registry, "a", "v1", [LAYER])
    for tag in ("v3", "v2"):
        await push_image(registry, "a", tag, [LAYER])
    await push_image(registry, "a", "other", [b"another layer"])
    assert await registry.delete_tag("a", "v3") == MANIFEST
    deleted = await registry.delete_manifest("a", MANIFEST)
    assert deleted == DeletedManifest(MANIFEST, pushed, ("v1", "v2"))


async def test_what_another_registry_wrote_is_returned_as_well(memory: MemoryStore) -> None:
    """Its links say nothing: they are read, and the manifest is."""
    registry = StoredRegistry(memory)
    pushed = await push_image(registry, "a", "v1", [LAYER])
    await push_image(registry, "a", "v2", [LAYER])
    for path, found in list(memory.objects.items()):
        await memory.delete(path)
        if "/_catalog/" not in path:
            await memory.append(path, found.content)
    assert await StoredRegistry(memory).delete_tag("a", "v2") == MANIFEST
    deleted = await StoredRegistry(memory).delete_manifest("a", MANIFEST)
    assert deleted == DeletedManifest(MANIFEST, pushed, ("v1",))


async def test_a_manifest_whose_content_is_lost_is_deleted_all_the_same(
    memory: MemoryStore,
) -> None:
    await push_image(StoredRegistry(memory), "a", "v1", [LAYER])
    await memory.delete(LAYOUT.content(MANIFEST))
    path = LAYOUT.revision_link("a", MANIFEST)
    await memory.delete(path)
    await memory.append(path, str(MANIFEST).encode())
    deleted = await StoredRegistry(memory).delete_manifest("a", MANIFEST)
    assert deleted == DeletedManifest(MANIFEST, None, ("v1",))


async def test_a_tag_that_is_moved_while_it_is_deleted_stays(
    memory: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The result is as if the deletion had come first: the push was acknowledged."""
    registry = StoredRegistry(memory)
    await push_image(registry, "a", "v1", [LAYER])
    moved = await push_image(registry, "a", "v2", [b"another layer"])
    delete = memory.delete

    async def move_first(path: str, **options: Any) -> None:
        monkeypatch.undo()
        await push_image(registry, "a", "v1", [b"another layer"])
        await delete(path, **options)

    monkeypatch.setattr(memory, "delete", move_first)
    assert await registry.delete_tag("a", "v1") == MANIFEST
    assert await registry.resolve_manifest("a", "v1") == moved


async def test_a_damaged_tag_is_deleted_once(memory: MemoryStore) -> None:
    """Its link holds no digest, and it has no history."""
    registry = StoredRegistry(memory)
    await push_image(registry, "a", "v1", [LAYER])
    await memory.put(LAYOUT.tag_link("a", "damaged"), b"garbage")
    assert await registry.delete_tag("a", "damaged") is None
    with pytest.raises(ManifestUnknown):
        await registry.delete_tag("a", "damaged")
    assert (await registry.resolve_manifest("a", "v1")).digest == MANIFEST
