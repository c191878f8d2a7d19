"""What tests of the trash share."""

import json
from datetime import UTC, datetime
from typing import Any

from registry_core.object_store.memory import MemoryStore
from registry_core.spec.digest import Digest
from registry_core.spec.errors import ManifestUnknown
from registry_core.spec.references import NamedReference
from registry_core.storage.layout import Layout
from registry_core.storage.restoring import Restoration
from registry_core.storage.stored_registry import StoredRegistry
from registry_core.storage.trash import TrashEntry, TrashRecord
from tests.support.content import CONFIG, image_index, image_manifest, push_image, push_manifest

LAYOUT = Layout()
APP = "team/app"
LAYER, OTHER_LAYER = b"a layer", b"another layer"
MANIFEST = image_manifest(LAYER)
DIGEST = Digest.of(MANIFEST)
CHILD = image_manifest(OTHER_LAYER)
INDEX = image_index(MANIFEST, CHILD)
OF_CHILD, OF_INDEX = Digest.of(CHILD), Digest.of(INDEX)
NAMED = frozenset({DIGEST, Digest.of(LAYER), Digest.of(CONFIG)})
"""What the manifest names, itself among them."""
WHEN = datetime(2026, 11, 28, 9, 42, 22, tzinfo=UTC)


def registry_at(memory: MemoryStore, when: datetime = WHEN, **options: Any) -> StoredRegistry:
    """Return a registry whose clock stands still."""
    return StoredRegistry(memory, now=when.timestamp, **options)


def uncached(memory: MemoryStore, **options: Any) -> StoredRegistry:
    """Return a registry without caches, so that each call shows what is stored."""
    return StoredRegistry(memory, membership_seconds=0, manifest_cache_bytes=0, **options)


async def push_index(registry: StoredRegistry, *tags: str) -> None:
    """Push `INDEX` and what it lists."""
    await push_image(registry, APP, DIGEST, [LAYER])
    await push_image(registry, APP, OF_CHILD, [OTHER_LAYER])
    await push_manifest(registry, APP, OF_INDEX, INDEX, tags=tags)


async def restore(registry: StoredRegistry, reference: str, **options: bool) -> Restoration:
    """Undo the newest deletion of a tag or manifest of `APP`."""
    entry = await registry.trash.find(NamedReference.parse(f"{APP}{reference}"))
    return await registry.restoring.restore(entry.id, **options)


async def entries(registry: StoredRegistry) -> list[TrashEntry]:
    """Return what the trash lists, the oldest first."""
    return [entry async for entry in registry.trash.list()]


async def only_record(registry: StoredRegistry) -> TrashRecord:
    """Return the one record in the trash."""
    (entry,) = await entries(registry)
    return await registry.trash.read(entry.id)


async def restore_only(registry: StoredRegistry) -> dict[str, object]:
    """Undo the one deletion in the trash. Return its tags that were set, and those that stay."""
    (entry,) = await entries(registry)
    done = await registry.restoring.restore(entry.id)
    (restored,) = done.restored
    return {"tags": restored.tags, "kept": dict(restored.kept)}


async def target(registry: StoredRegistry, tag: str, repository: str = APP) -> Digest | None:
    """Return what a tag points to; None if it does not exist."""
    try:
        return (await registry.resolve_manifest(repository, tag)).digest
    except ManifestUnknown:
        return None


async def forget_layers(memory: MemoryStore, repository: str = APP) -> None:
    """Delete all layer links of a repository, as a collection of garbage does in time."""
    prefix = f"{LAYOUT.repository(repository)}/_layers/"
    for path in [path for path in memory.objects if path.startswith(prefix)]:
        await memory.delete(path)


def body_of(memory: MemoryStore, ident: str) -> dict[str, object]:
    """Return the content of a record."""
    document: dict[str, object] = json.loads(memory.objects[LAYOUT.trashed(ident)].content)
    return document
