"""A push and a deletion of the same manifest at the same time, each in one order of their calls.

The crash search goes through many orders; these are the ones in which a tag was once lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from registry_core.object_store.interface import ObjectStore
from registry_core.object_store.memory import MemoryStore
from registry_core.spec.digest import Digest
from registry_core.spec.errors import BlobUnknown, Unavailable
from registry_core.storage.layout import Layout
from registry_core.storage.stored_registry import StoredRegistry
from tests.support.content import image_manifest, push_blob, push_image, push_manifest

pytestmark = pytest.mark.anyio

LAYOUT = Layout()
MANIFEST = image_manifest(b"layer")
TAG = LAYOUT.tag_link("a", "v2")

Hook = Callable[[], Awaitable[object]]


@dataclass
class Hooked:
    """A store that runs a hook before the first call of a method on a path."""

    inner: MemoryStore
    before: dict[tuple[str, str], Hook] = field(default_factory=dict)

    def __getattr__(self, method: str) -> Any:
        async def call(path: str, *args: Any, **options: Any) -> Any:
            if hook := self.before.pop((method, path), None):
                await hook()
            return await getattr(self.inner, method)(path, *args, **options)

        return call


def uncached(store: object) -> StoredRegistry:
    return StoredRegistry(cast(ObjectStore, store), manifest_cache_bytes=0, membership_seconds=0)


@pytest.fixture
async def pushed(memory: MemoryStore) -> StoredRegistry:
    registry = uncached(memory)
    await push_image(registry, "a", "v1", [b"layer"])
    return registry


async def push(store: object) -> None:
    await push_manifest(uncached(store), "a", "v2", MANIFEST)


async def test_a_deletion_leaves_the_tag_of_a_push_that_began_after_it(
    memory: MemoryStore, pushed: StoredRegistry
) -> None:
    deleting = Hooked(memory)
    deleting.before["list_page", LAYOUT.tags("a")] = lambda: push(memory)
    with pytest.raises(Unavailable):
        await uncached(deleting).delete_manifest("a", Digest.of(MANIFEST))
    assert (await pushed.get_manifest("a", "v2")).content == MANIFEST
    assert (await pushed.get_manifest("a", Digest.of(MANIFEST))).content == MANIFEST


@pytest.mark.parametrize("method", ["head", "set_metadata", "delete"])
async def test_a_push_that_began_before_a_deletion_keeps_its_tag(
    memory: MemoryStore, pushed: StoredRegistry, method: str
) -> None:
    """It ends when the deletion is about to note the removal of the tag, or to remove it."""
    tag_is_set, may_end = asyncio.Event(), asyncio.Event()
    pushing = Hooked(memory)

    async def wait() -> None:
        tag_is_set.set()
        await may_end.wait()

    looks = 0

    async def before_the_last_look() -> None:
        nonlocal looks
        looks += 1
        if looks == 1:  # the first one is before anything is written
            pushing.before["head", LAYOUT.catalog_marker("a")] = before_the_last_look
        else:
            await wait()

    pushing.before["head", LAYOUT.catalog_marker("a")] = before_the_last_look
    task = asyncio.ensure_future(push(pushing))
    await tag_is_set.wait()

    async def end() -> None:
        may_end.set()
        await task

    deleting = Hooked(memory)
    deleting.before[method, TAG] = end
    with pytest.raises(Unavailable) as refused:
        await uncached(deleting).delete_manifest("a", Digest.of(MANIFEST))
    assert refused.value.message == "the manifest was pushed again during its deletion; try again"
    assert (await pushed.get_manifest("a", "v2")).content == MANIFEST
    assert (await pushed.get_manifest("a", Digest.of(MANIFEST))).content == MANIFEST


async def test_a_mount_does_not_rely_on_a_blob_that_another_instance_deleted(
    memory: MemoryStore,
) -> None:
    registry = StoredRegistry(memory)
    await push_blob(registry, "b", b"blob")
    await uncached(memory).delete_blob("b", Digest.of(b"blob"))
    with pytest.raises(BlobUnknown):
        await registry.mount_blob("a", Digest.of(b"blob"), "b")
