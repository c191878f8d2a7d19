"""Objects larger than what they should be: damaged, and never read whole into memory."""

from __future__ import annotations

import pytest

from registry_core.object_store.memory import MemoryStore
from registry_core.spec import media_types
from registry_core.spec.descriptor import Descriptor
from registry_core.spec.digest import Digest
from registry_core.spec.errors import ManifestInvalid, ManifestUnknown
from registry_core.spec.manifest import MAX_MANIFEST_BYTES, Manifest
from registry_core.storage.layout import Layout
from registry_core.storage.links import MAX_LINK_BYTES, Link, put_link
from registry_core.storage.stored_registry import StoredRegistry
from tests.support.content import image_manifest, push_blob, push_image

pytestmark = pytest.mark.anyio

LAYOUT = Layout()
LAYER = b"a layer"
MANIFEST = image_manifest(LAYER)
DIGEST = Digest.of(MANIFEST)
LARGE_LINK = str(DIGEST).encode().ljust(MAX_LINK_BYTES + 1)
LARGE = image_manifest(LAYER, annotations={"long": "x" * MAX_MANIFEST_BYTES})


async def test_a_link_of_the_largest_size_is_read(
    memory: MemoryStore, registry: StoredRegistry
) -> None:
    await push_image(registry, "a", "v1", [LAYER])
    await memory.put(LAYOUT.tag_link("a", "v1"), LARGE_LINK[:-1])
    assert (await registry.get_manifest("a", "v1")).content == MANIFEST


async def test_a_link_that_is_too_large_counts_as_missing(
    memory: MemoryStore, registry: StoredRegistry
) -> None:
    await push_image(registry, "a", "v1", [LAYER])
    await memory.put(LAYOUT.tag_link("a", "v1"), LARGE_LINK)
    assert (await registry.get_manifest("a", "v1")).content == MANIFEST, "as its index says"
    await memory.delete(LAYOUT.tag_index_link("a", "v1", DIGEST))
    with pytest.raises(ManifestUnknown):
        await registry.get_manifest("a", "v1")


async def test_an_append_blob_that_is_too_large_for_a_link_is_replaced(memory: MemoryStore) -> None:
    path = LAYOUT.revision_link("a", DIGEST)
    await memory.append(path, LARGE_LINK)
    await put_link(memory, path, Link(DIGEST))
    assert memory.objects[path].content == str(DIGEST).encode()


async def test_content_that_is_too_large_for_a_manifest_is_unknown(
    memory: MemoryStore, registry: StoredRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    digest = (await push_blob(registry, "a", LARGE)).digest
    await put_link(memory, LAYOUT.revision_link("a", digest), Link(digest))
    await put_link(memory, LAYOUT.tag_link("a", "v1"), Link(digest))
    for reference in (digest, "v1"):
        with pytest.raises(ManifestUnknown):
            await registry.get_manifest("a", reference)
    with pytest.raises(ManifestUnknown):
        await registry.resolve_manifest("a", "v1")
    assert f"{LAYOUT.content(digest)} is too large to be a manifest" in caplog.text


async def test_a_manifest_that_could_not_be_read_again_is_not_pushed(
    memory: MemoryStore, registry: StoredRegistry
) -> None:
    await push_blob(registry, "a", LAYER)
    before = dict(memory.objects)
    descriptor = Descriptor(media_types.OCI_MANIFEST, Digest.of(LARGE), len(LARGE))
    with pytest.raises(ManifestInvalid, match=f"more than {MAX_MANIFEST_BYTES}"):
        await registry.push_manifest("a", Manifest(descriptor, LARGE), ["v1"])
    assert memory.objects == before
