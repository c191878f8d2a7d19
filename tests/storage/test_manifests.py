"""Manifests and tags on the memory store: what is refused, and the order of writes."""

import pytest

from registry_core.globs import UrlGlobs
from registry_core.object_store.memory import MemoryStore
from registry_core.spec import media_types
from registry_core.spec.digest import Digest
from registry_core.spec.errors import (
    DigestInvalid,
    ManifestBlobUnknown,
    ManifestInvalid,
    ManifestUnknown,
    TagInvalid,
)
from registry_core.spec.foreign_urls import ForeignUrls
from registry_core.storage.layout import Layout
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

LAYER = b"a layer"
MANIFEST = image_manifest(LAYER)
DIGEST = Digest.of(MANIFEST)
LAYOUT = Layout()


async def test_content_is_written_first_and_the_tag_last(
    registry: StoredRegistry, store: CountingStore
) -> None:
    for content in (CONFIG, LAYER):
        await push_blob(registry, "a", content)
    store.calls.clear()
    await push_manifest(registry, "a", "v1", MANIFEST)
    looks, writes = store.calls[:4], store.calls[4:]
    assert {path for _, path in looks} == {
        LAYOUT.tag_link("a", "v1"),
        LAYOUT.catalog_marker("a"),
        *(LAYOUT.blob_link("a", Digest.of(content)) for content in (CONFIG, LAYER)),
    }
    marker = LAYOUT.catalog_marker("a")
    assert [method for method, _ in writes] == [*["put"] * 5, "head"]
    paths = [path for _, path in writes]
    assert set(paths[:2]) == {LAYOUT.content(DIGEST), marker}
    assert paths[2] == LAYOUT.revision_link("a", DIGEST)
    assert set(paths[3:5]) == {
        LAYOUT.tag_index_link("a", "v1", DIGEST),
        LAYOUT.tag_link("a", "v1"),
    }
    assert paths[5] == marker


async def test_a_manifest_whose_references_are_missing_is_refused_with_nothing_written(
    registry: StoredRegistry, memory: MemoryStore
) -> None:
    await push_blob(registry, "a", CONFIG)
    await push_blob(registry, "elsewhere", LAYER)
    before = dict(memory.objects)
    with pytest.raises(ManifestBlobUnknown) as error:
        await push_manifest(registry, "a", "v1", MANIFEST)
    assert [e.detail for e in error.value.errors] == [{"digest": str(Digest.of(LAYER))}]
    with pytest.raises(ManifestBlobUnknown):
        await push_manifest(registry, "a", "v1", image_index(MANIFEST))
    assert memory.objects == before


@pytest.mark.parametrize("foreign_urls", [ForeignUrls(UrlGlobs(("https://x/*",))), None])
async def test_layers_that_must_not_be_pushed_may_be_absent(
    memory: MemoryStore, foreign_urls: ForeignUrls | None
) -> None:
    registry = StoredRegistry(memory, foreign_urls=foreign_urls)
    foreign = descriptor(b"windows", media_types.DOCKER_FOREIGN_LAYER) | {"urls": ["https://x/y"]}
    await push_blob(registry, "a", CONFIG)
    await push_manifest(registry, "a", "v1", image_manifest(layers=[foreign]))


async def test_by_default_no_manifest_sends_clients_elsewhere(
    registry: StoredRegistry, memory: MemoryStore
) -> None:
    """Whatever it says of the layer, and even if the layer is there."""
    for content in (CONFIG, LAYER):
        await push_blob(registry, "a", content)
    before = dict(memory.objects)
    for media_type in (media_types.DOCKER_FOREIGN_LAYER, media_types.OCTET_STREAM):
        foreign = descriptor(LAYER, media_type) | {"urls": ["https://x/y"]}
        with pytest.raises(ManifestInvalid, match="accepts no urls"):
            await push_manifest(registry, "a", "v1", image_manifest(layers=[foreign]))
    assert memory.objects == before


async def test_a_manifest_must_hash_to_its_digest(
    registry: StoredRegistry, memory: MemoryStore
) -> None:
    for content in (CONFIG, LAYER):
        await push_blob(registry, "a", content)
    before = dict(memory.objects)
    with pytest.raises(DigestInvalid):
        await push_manifest(registry, "a", Digest.of(b"other"), MANIFEST)
    with pytest.raises(ManifestInvalid):
        await push_manifest(registry, "a", "v1", MANIFEST, media_types.DOCKER_MANIFEST)
    assert memory.objects == before


async def test_links_of_another_registry_have_no_metadata_and_can_be_read(
    registry: StoredRegistry, memory: MemoryStore
) -> None:
    """Distribution's links are append blobs without metadata: the media type is in the manifest."""
    await memory.append(LAYOUT.content(DIGEST), MANIFEST)
    for path in (LAYOUT.revision_link("a", DIGEST), LAYOUT.tag_link("a", "v1")):
        await memory.append(path, str(DIGEST).encode())
    await memory.append(LAYOUT.content(Digest.of(LAYER)), LAYER)
    await memory.append(LAYOUT.blob_link("a", Digest.of(LAYER)), str(Digest.of(LAYER)).encode())
    for reference in ("v1", DIGEST):
        described = await registry.resolve_manifest("a", reference)
        assert (described.media_type, described.size) == (media_types.OCI_MANIFEST, len(MANIFEST))
        assert (await registry.get_manifest("a", reference)).descriptor == described
    assert (await registry.open_blob("a", Digest.of(LAYER))).descriptor.size == len(LAYER)


async def test_a_push_replaces_append_blobs_with_another_digest(
    registry: StoredRegistry, memory: MemoryStore
) -> None:
    for path in (LAYOUT.revision_link("a", DIGEST), LAYOUT.tag_link("a", "v1")):
        await memory.append(path, b"sha256:" + b"0" * 64)
    await push_image(registry, "a", "v1", [LAYER])
    assert (await registry.get_manifest("a", "v1")).content == MANIFEST
    assert not any(found.properties.is_append for found in memory.objects.values())


async def test_a_link_found_empty_is_read_again_until_it_is_filled(
    memory: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Distribution 3.0 creates a link and fills it in a second step."""
    registry = StoredRegistry(memory)
    await push_image(registry, "a", "v1", [LAYER])
    path = LAYOUT.tag_link("a", "v1")
    await memory.delete(path)
    await memory.append(path, b"")
    get, looks = memory.get, []

    async def fill_after_the_second_look(*args: object, **kwargs: object) -> object:
        looks.append(args)
        found = await get(*args, **kwargs)  # type: ignore[arg-type]
        if len(looks) == 2:
            await memory.append(path, str(DIGEST).encode())
        return found

    monkeypatch.setattr(memory, "get", fill_after_the_second_look)
    assert (await registry.get_manifest("a", "v1")).content == MANIFEST
    assert len(looks) == 3


@pytest.mark.parametrize("content", [b"not a digest", b"sha256:short", b"\xff\xfe"])
async def test_a_link_without_a_digest_counts_as_absent(
    registry: StoredRegistry, memory: MemoryStore, content: bytes
) -> None:
    await memory.put(LAYOUT.tag_link("a", "v1"), content)
    with pytest.raises(ManifestUnknown):
        await registry.get_manifest("a", "v1")


async def test_a_tag_that_ends_with_a_dot_can_be_read_but_not_set_or_deleted(
    registry: StoredRegistry, memory: MemoryStore
) -> None:
    """Another registry wrote it, on storage that keeps the dot. Azure strips it from paths."""
    await push_image(registry, "a", "v1", [b"layer"])
    pushed = await registry.get_manifest("a", "v1")
    await memory.put(LAYOUT.tag_link("a", "v1."), str(pushed.digest).encode())
    assert await registry.get_manifest("a", "v1.") == pushed
    before = dict(memory.objects)
    with pytest.raises(TagInvalid, match="ends with a dot"):
        await registry.push_manifest("a", pushed, ["v1."])
    with pytest.raises(TagInvalid, match="ends with a dot"):
        await registry.delete_tag("a", "v1.")
    assert memory.objects == before
    await registry.delete_manifest("a", pushed.digest)
    with pytest.raises(ManifestUnknown):
        await registry.get_manifest("a", "v1.")
