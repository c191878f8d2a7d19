"""What is deleted by one instance, as this one and others see it."""

from collections.abc import Awaitable, Callable

import pytest

from registry_core.object_store.memory import MemoryStore
from registry_core.registry import Registry
from registry_core.spec.digest import Digest
from registry_core.spec.endpoints import ALL
from registry_core.spec.errors import BlobUnknown, ManifestUnknown
from registry_core.storage.layout import Layout
from registry_core.storage.membership import MEMBERSHIP_SECONDS
from registry_core.storage.stored_registry import StoredRegistry
from tests.support.content import image_manifest, push_image

pytestmark = pytest.mark.anyio

LAYOUT = Layout()
LAYER = b"a layer"
BLOB, MANIFEST = Digest.of(LAYER), Digest.of(image_manifest(LAYER))

Put = Callable[..., Awaitable[str]]


class Clock:
    """Time that passes when it is told to."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def instance(memory: MemoryStore, clock: Clock) -> StoredRegistry:
    """One of the instances that share a container."""
    return StoredRegistry(memory, monotonic=clock)


async def has(registry: Registry) -> dict[str, bool]:
    """What is found in the repository."""
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


async def test_another_instance_forgets_what_is_deleted_when_its_memory_ends(
    memory: MemoryStore,
) -> None:
    """The deleting one at once, and a tag is gone for all; the other's memory is bounded."""
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
    """Also when this one remembers that the catalog had it."""
    clock = Clock()
    here, there = instance(memory, clock), instance(memory, clock)
    await push_image(there, "a", "v1", [LAYER])
    await here.delete_manifest("a", MANIFEST)
    assert (await here.list_repositories(ALL)).entries == ()
    await push_image(there, "a", "v1", [LAYER])
    assert (await here.list_repositories(ALL)).entries == ("a",)


async def test_a_manifest_that_is_deleted_while_its_tag_is_written_is_there_again(
    memory: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By another instance, between the push's look at the manifest and its tag."""
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
