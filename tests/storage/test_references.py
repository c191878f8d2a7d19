"""What a pushed manifest references is there, with its content, when the push is acknowledged."""

from collections.abc import Sequence

import pytest

from registry_core.object_store.memory import MemoryStore
from registry_core.spec import media_types
from registry_core.spec.digest import Digest
from registry_core.spec.errors import BlobUnknown, ManifestBlobUnknown, ManifestInvalid
from registry_core.storage.layout import Layout
from registry_core.storage.membership import MEMBERSHIP_SECONDS
from registry_core.storage.stored_registry import StoredRegistry
from tests.support.content import (
    CONFIG,
    descriptor,
    image_index,
    image_manifest,
    push_blob,
    push_image,
    push_manifest,
)
from tests.support.counting import CountingStore

pytestmark = pytest.mark.anyio

LAYOUT = Layout()
LAYER = b"a layer"
MANIFEST = image_manifest(LAYER)
CACHE_CONFIG = "application/vnd.buildkit.cacheconfig.v0"


async def push_blobs(registry: StoredRegistry, *contents: bytes) -> None:
    for content in contents:
        await push_blob(registry, "a", content)


def buildkit_cache(*media_types_: str, contents: Sequence[bytes] = (LAYER, CONFIG)) -> bytes:
    """Return an index that lists blobs, as BuildKit's cache does with image-manifest=false."""
    listed = [
        descriptor(content, kind) for content, kind in zip(contents, media_types_, strict=True)
    ]
    return image_index(manifests=listed)


@pytest.mark.parametrize(
    "kinds",
    [
        ("application/vnd.oci.image.layer.v1.tar+gzip", CACHE_CONFIG),
        (media_types.OCI_MANIFEST, media_types.DOCKER_MANIFEST),
    ],
    ids=["as BuildKit has them", "of manifests"],
)
async def test_an_index_may_list_blobs_of_the_repository_whatever_their_media_types(
    registry: StoredRegistry, kinds: tuple[str, str]
) -> None:
    await push_blobs(registry, LAYER, CONFIG)
    content = buildkit_cache(*kinds)
    await push_manifest(registry, "a", "cache", content)
    assert (await registry.get_manifest("a", "cache")).content == content


async def test_an_index_may_list_manifests_of_unknown_media_types(registry: StoredRegistry) -> None:
    await push_image(registry, "a", "v1", [LAYER])
    listed = [descriptor(MANIFEST, "application/vnd.example.unknown")]
    await push_manifest(registry, "a", "index", image_index(manifests=listed))


async def test_what_an_index_lists_must_be_in_the_repository_itself(
    registry: StoredRegistry,
) -> None:
    await push_image(registry, "elsewhere", "v1", [LAYER])
    with pytest.raises(ManifestBlobUnknown) as refused:
        await push_manifest(registry, "a", "index", image_index(MANIFEST))
    assert refused.value.detail == [str(Digest.of(MANIFEST))]


async def test_a_blob_whose_content_was_collected_is_not_relied_on(
    registry: StoredRegistry, memory: MemoryStore
) -> None:
    """CNCF distribution's garbage-collect deletes content, and leaves links."""
    await push_image(registry, "a", "v1", [LAYER])
    await memory.delete(LAYOUT.content(Digest.of(LAYER)))
    another = StoredRegistry(memory)
    with pytest.raises(BlobUnknown):
        await another.resolve_blob("a", Digest.of(LAYER))
    with pytest.raises(BlobUnknown):
        await another.mount_blob("b", Digest.of(LAYER), "a")
    with pytest.raises(ManifestBlobUnknown):
        await push_manifest(another, "a", "v2", MANIFEST)
    await push_blob(another, "a", LAYER)
    await push_manifest(another, "a", "v2", MANIFEST)


@pytest.mark.parametrize("left", [b"", MANIFEST[:-1]], ids=["emptied", "cut off"])
async def test_a_manifest_whose_content_is_incomplete_is_not_relied_on(
    registry: StoredRegistry, memory: MemoryStore, left: bytes
) -> None:
    await push_image(registry, "a", "v1", [LAYER])
    await memory.put(LAYOUT.content(Digest.of(MANIFEST)), left)
    with pytest.raises(ManifestBlobUnknown):
        await push_manifest(StoredRegistry(memory), "a", "index", image_index(MANIFEST))


async def test_a_blob_that_another_instance_deleted_is_not_relied_on(memory: MemoryStore) -> None:
    """Though this one has it cached, for readers: a deletion begins a new generation."""
    here, there = StoredRegistry(memory), StoredRegistry(memory)
    await push_image(here, "a", "v1", [LAYER])
    await push_image(here, "a", "v2", [b"another layer"])
    await there.delete_blob("a", Digest.of(LAYER))
    await here.resolve_blob("a", Digest.of(LAYER))
    with pytest.raises(ManifestBlobUnknown) as refused:
        await push_manifest(here, "a", "v3", image_manifest(LAYER, annotations={"a": "third"}))
    assert refused.value.detail == [str(Digest.of(LAYER))]


async def test_a_child_that_another_instance_deleted_is_not_relied_on(memory: MemoryStore) -> None:
    here, there = StoredRegistry(memory), StoredRegistry(memory)
    await push_image(here, "a", "v1", [LAYER])
    await push_image(here, "a", "v2", [b"another layer"])
    await there.delete_manifest("a", Digest.of(MANIFEST))
    with pytest.raises(ManifestBlobUnknown):
        await push_manifest(here, "a", "index", image_index(MANIFEST))


async def test_content_is_looked_at_in_each_membership_period_whatever_is_deleted_meanwhile(
    memory: MemoryStore,
) -> None:
    """Each deletion makes a push look at links again, which says nothing of their content."""
    seconds = 0.0
    here, there = StoredRegistry(memory, clock=lambda: seconds), StoredRegistry(memory)
    await push_blobs(here, LAYER, CONFIG)
    await push_manifest(here, "a", "v1", MANIFEST)
    await memory.delete(LAYOUT.content(Digest.of(LAYER)))
    for seconds in (20.0, 40.0):
        await push_blob(there, "a", b"another")
        await there.delete_blob("a", Digest.of(b"another"))
        if seconds < MEMBERSHIP_SECONDS:
            await push_manifest(here, "a", "v1", MANIFEST)
    with pytest.raises(ManifestBlobUnknown):
        await push_manifest(here, "a", "v1", MANIFEST)


async def test_a_manifest_has_a_limited_number_of_references(
    store: CountingStore,
) -> None:
    registry = StoredRegistry(store, max_references=3)
    layers = [b"1", b"2", b"3"]
    await push_blobs(registry, CONFIG, *layers)
    store.calls.clear()
    with pytest.raises(ManifestInvalid, match="references 4 blobs and manifests; at most 3"):
        await push_manifest(registry, "a", "v1", image_manifest(*layers))
    assert [path for method, path in store.calls if method == "put"] == []
    await push_manifest(registry, "a", "v1", image_manifest(*layers[:2], layers[0]))


async def test_made_up_references_are_not_all_looked_up(store: CountingStore) -> None:
    """A manifest that names 1,000 of them costs its author nothing."""
    registry = StoredRegistry(store)
    listed = [
        {"mediaType": media_types.OCI_MANIFEST, "digest": f"sha256:{number:064x}", "size": 2}
        for number in range(1000)
    ]
    with pytest.raises(ManifestBlobUnknown) as refused:
        await push_manifest(registry, "a", "v1", image_index(manifests=listed))
    assert len(refused.value.errors) == 21
    assert refused.value.errors[0].detail == {"digest": listed[0]["digest"]}
    assert len(store.calls) < 200
