"""What is deleted by one instance, as this one and others see it."""

import pytest

from registry_core.registry import Registry
from registry_core.spec.digest import Digest
from registry_core.spec.errors import BlobUnknown, ManifestUnknown
from registry_core.storage.caches import ExpiringCache
from registry_core.storage.memory import MemoryStore
from registry_core.storage.shelf import MEMBERSHIP_SECONDS, Shelf
from registry_core.storage.stored_registry import StoredRegistry
from tests.support.content import image_manifest, push_image

pytestmark = pytest.mark.anyio

LAYER = b"a layer"
BLOB, MANIFEST = Digest.of(LAYER), Digest.of(image_manifest(LAYER))


class Clock:
    """Time that passes when it is told to."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def instance(memory: MemoryStore, clock: Clock) -> StoredRegistry:
    """One of the instances that share a container."""
    return StoredRegistry(
        Shelf(
            memory,
            blobs=ExpiringCache(MEMBERSHIP_SECONDS, now=clock),
            manifests=ExpiringCache(MEMBERSHIP_SECONDS, now=clock),
            marked=ExpiringCache(MEMBERSHIP_SECONDS, now=clock),
        )
    )


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
        await registry.resolve_blob("a", BLOB)
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
