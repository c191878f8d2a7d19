"""What cannot be restored is named, and nothing is written."""

import json

import pytest

from registry_core.object_store.memory import MemoryStore
from registry_core.spec.digest import Digest
from registry_core.spec.errors import ManifestInvalid
from registry_core.spec.references import NamedReference
from registry_core.storage.restoring import CannotRestore
from registry_core.storage.stored_registry import StoredRegistry
from registry_core.storage.trash import TrashUnknown
from tests.support.content import (
    CONFIG,
    descriptor,
    image_manifest,
    push_image,
    push_manifest,
)

from .trashing import (
    APP,
    DIGEST,
    LAYER,
    LAYOUT,
    OF_CHILD,
    OF_INDEX,
    entries,
    forget_layers,
    push_index,
    restore,
    restore_only,
    uncached,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
def registry(memory: MemoryStore) -> StoredRegistry:
    """One without caches, so that each call shows what is stored."""
    return uncached(memory)


GONE = {
    "a layer": (Digest.of(LAYER), f"the content of the blob {Digest.of(LAYER)}"),
    "the config": (Digest.of(CONFIG), f"the content of the blob {Digest.of(CONFIG)}"),
    "the manifest": (DIGEST, f"the content of the manifest {DIGEST}"),
}


@pytest.mark.parametrize("what", GONE)
async def test_what_is_gone_is_named_and_nothing_is_written(
    memory: MemoryStore, registry: StoredRegistry, what: str
) -> None:
    digest, named = GONE[what]
    await push_image(registry, APP, "v1", [LAYER])
    await registry.delete_manifest(APP, DIGEST)
    await forget_layers(memory)
    await memory.delete(LAYOUT.content(digest))
    before = set(memory.objects)
    with pytest.raises(CannotRestore, match=f"cannot be restored: gone: {named}$"):
        await restore_only(registry)
    assert set(memory.objects) == before


async def test_an_index_whose_child_is_gone_names_it_and_writes_nothing(
    memory: MemoryStore, registry: StoredRegistry
) -> None:
    await push_index(registry, "multi")
    await registry.delete_manifest(APP, OF_INDEX)
    await registry.delete_manifest(APP, OF_CHILD)
    await registry.delete_manifest(APP, DIGEST)
    child = await registry.trash.find(NamedReference(APP, digest=OF_CHILD))
    await registry.trash.purge([child])
    before = set(memory.objects)
    gone = f"the manifest {OF_CHILD}, of which the trash has no record"
    with pytest.raises(CannotRestore, match=gone):
        await restore(registry, ":multi")
    assert set(memory.objects) == before


async def test_a_tag_whose_manifest_is_gone_without_a_record_names_it(
    registry: StoredRegistry,
) -> None:
    await push_image(registry, APP, "v1", [LAYER])
    await registry.delete_tag(APP, "v1")
    await registry.delete_manifest(APP, DIGEST)
    manifest = await registry.trash.find(NamedReference(APP, digest=DIGEST))
    await registry.trash.purge([manifest])
    with pytest.raises(CannotRestore, match=f"the manifest {DIGEST}, of which"):
        await restore(registry, ":v1")


async def test_an_error_names_a_few_of_many_digests(
    memory: MemoryStore, registry: StoredRegistry
) -> None:
    layers = [bytes([number]) for number in range(8)]
    await push_image(registry, APP, "v1", layers)
    await registry.delete_manifest(APP, Digest.of(image_manifest(*layers)))
    for layer in layers:
        await memory.delete(LAYOUT.content(Digest.of(layer)))
    with pytest.raises(CannotRestore, match=r"; and 3 more$"):
        await restore_only(registry)


async def test_a_record_that_was_purged_is_unknown(registry: StoredRegistry) -> None:
    await push_image(registry, APP, "v1", [LAYER])
    await registry.delete_tag(APP, "v1")
    (entry,) = await entries(registry)
    await registry.trash.purge([entry])
    with pytest.raises(TrashUnknown, match=entry.id):
        await registry.restoring.restore(entry.id)


async def test_a_manifest_that_settings_do_not_accept_any_more_is_refused_and_nothing_is_written(
    memory: MemoryStore,
) -> None:
    """A layer may not be fetched from elsewhere any more."""
    layer = descriptor(LAYER, "application/vnd.oci.image.layer.v1.tar") | {
        "urls": ["https://example.com/layer"]
    }
    content = image_manifest(layers=[layer])
    before = uncached(memory, foreign_urls=None)
    await push_image(before, APP, "v1", [LAYER])
    await push_manifest(before, APP, "v2", content)
    await before.delete_manifest(APP, Digest.of(content))
    await forget_layers(memory)
    paths = set(memory.objects)
    with pytest.raises(ManifestInvalid, match="this registry does not accept it"):
        await restore_only(uncached(memory))
    assert set(memory.objects) == paths


async def test_a_manifest_that_a_push_would_not_accept_is_refused_and_stays_in_the_trash(
    memory: MemoryStore, registry: StoredRegistry
) -> None:
    """Docker's schema 1, which CNCF distribution 2 took."""
    content = json.dumps({"schemaVersion": 1, "fsLayers": []}).encode()
    digest = Digest.of(content)
    await memory.put(LAYOUT.content(digest), content)
    await memory.put(LAYOUT.revision_link(APP, digest), str(digest).encode())
    await registry.delete_manifest(APP, digest)
    with pytest.raises(ManifestInvalid, match="schemaVersion is 1"):
        await restore_only(registry)
    assert len(await entries(registry)) == 1
