"""Immutable tags: set once, then neither moved nor deleted (`REGISTRY_TAGS_IMMUTABLE`)."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from registry_core.globs import TagGlobs
from registry_core.object_store.memory import MemoryStore
from registry_core.spec.digest import Digest
from registry_core.spec.errors import Denied, ManifestBlobUnknown, ManifestUnknown, Unavailable
from registry_core.storage.layout import Layout
from registry_core.storage.stored_registry import StoredRegistry
from tests.support.content import (
    CONFIG,
    image_index,
    image_manifest,
    push_image,
    push_manifest,
    read_blob,
)
from tests.support.counting import CountingStore

pytestmark = pytest.mark.anyio

LAYOUT = Layout()
LINK = LAYOUT.tag_link("a", "v1")


@pytest.fixture
def registry(store: CountingStore) -> StoredRegistry:
    return StoredRegistry(store, immutable_tags=TagGlobs.parse("a:v*"))


async def test_an_immutable_tag_is_set_again_to_the_same_and_to_nothing_else(
    registry: StoredRegistry, memory: MemoryStore
) -> None:
    first = await push_image(registry, "a", "v1", [b"first"])
    assert await push_image(registry, "a", "v1", [b"first"]) == first
    await push_image(registry, "a", "latest", [b"second"])
    before = dict(memory.objects)
    with pytest.raises(Denied, match=f"v1 of a is immutable and points to {first.digest}") as no:
        await push_manifest(registry, "a", "v1", image_manifest(b"second"))
    assert no.value.http_status == 409
    assert memory.objects == before
    assert await registry.resolve_manifest("a", "v1") == first


async def test_of_several_tags_one_that_is_taken_refuses_all(
    registry: StoredRegistry, memory: MemoryStore
) -> None:
    await push_image(registry, "a", "v1", [b"first"])
    await push_image(registry, "a", "latest", [b"second"])
    before = dict(memory.objects)
    manifest = image_manifest(b"second")
    with pytest.raises(Denied):
        await push_manifest(registry, "a", "v2", manifest, tags=["latest", "v1"])
    assert memory.objects == before


async def test_other_tags_and_the_tags_of_other_repositories_move(registry: StoredRegistry) -> None:
    for repository, tag in (("a", "latest"), ("b", "v1")):
        await push_image(registry, repository, tag, [b"first"])
        second = await push_image(registry, repository, tag, [b"second"])
        assert await registry.resolve_manifest(repository, tag) == second
        await registry.delete_tag(repository, tag)


async def test_an_immutable_tag_cannot_be_deleted_nor_its_manifest(
    registry: StoredRegistry, memory: MemoryStore
) -> None:
    first = await push_image(registry, "a", "v1", [b"first"])
    second = await push_image(registry, "a", "latest", [b"second"])
    before = dict(memory.objects)
    with pytest.raises(Denied, match="tag v1 of a is immutable"):
        await registry.delete_tag("a", "v1")
    with pytest.raises(Denied, match="tag v1 of a is immutable"):
        await registry.delete_manifest("a", first.digest)
    for path in (LAYOUT.catalog_marker("a"), LAYOUT.revision_link("a", first.digest)):
        del before[path]  # a deletion announces itself there before it looks for tags
    assert before.items() <= memory.objects.items()
    await registry.delete_manifest("a", second.digest)
    with pytest.raises(ManifestUnknown):
        await registry.delete_tag("a", "v9")


async def test_of_many_concurrent_pushes_of_a_tag_exactly_one_wins(memory: MemoryStore) -> None:
    layers = [f"layer {number}".encode() for number in range(16)]

    async def push(layer: bytes) -> bytes | None:
        registry = StoredRegistry(YieldingStore(memory), immutable_tags=TagGlobs.parse("*:*"))
        try:
            await push_image(registry, "a", "v1", [layer])
        except Denied:
            return None
        return layer

    winners = [layer for layer in await asyncio.gather(*map(push, layers)) if layer]
    assert len(winners) == 1
    registry = StoredRegistry(memory)
    assert (await registry.get_manifest("a", "v1")).content == image_manifest(winners[0])


class YieldingStore(CountingStore):
    """A store that lets other tasks run before every put."""

    async def put(self, *args: object, **options: object) -> str:
        await asyncio.sleep(0)
        return await super().put(*args, **options)  # type: ignore[arg-type]


async def test_a_link_that_distribution_wrote_counts(
    registry: StoredRegistry, memory: MemoryStore
) -> None:
    first = await push_image(registry, "a", "v1", [b"first"])
    await memory.delete(LINK)
    await memory.append(LINK, str(first.digest).encode())
    assert await push_image(registry, "a", "v1", [b"first"]) == first
    with pytest.raises(Denied):
        await push_image(registry, "a", "v1", [b"second"])
    assert (await memory.head(LINK)).is_append


async def test_a_push_that_was_cut_off_does_not_set_an_immutable_tag(
    registry: StoredRegistry, memory: MemoryStore
) -> None:
    """The tag exists once its current link does: no client has seen it before."""
    await push_image(registry, "a", "v1", [b"first"])
    await memory.delete(LINK)
    with pytest.raises(ManifestUnknown):
        await registry.get_manifest("a", "v1")
    second = await push_image(registry, "a", "v1", [b"second"])
    assert await registry.resolve_manifest("a", "v1") == second


async def test_a_link_that_stays_empty_is_overwritten(
    registry: StoredRegistry, memory: MemoryStore
) -> None:
    await memory.append(LINK, b"")
    first = await push_image(registry, "a", "v1", [b"first"])
    assert await registry.resolve_manifest("a", "v1") == first


async def test_a_link_without_a_digest_is_not_overwritten(
    registry: StoredRegistry, memory: MemoryStore
) -> None:
    await memory.append(LINK, b"no digest")
    with pytest.raises(Denied, match="immutable, and damaged"):
        await push_image(registry, "a", "v1", [b"first"])


async def push_index(registry: StoredRegistry, tag: str) -> None:
    """Push an index of two images under a tag."""
    await push_image(registry, "a", Digest.of(image_manifest(b"amd64")), [b"amd64"])
    await push_image(registry, "a", Digest.of(image_manifest(b"arm64")), [b"arm64"])
    index = image_index(image_manifest(b"amd64"), image_manifest(b"arm64"))
    await push_manifest(registry, "a", tag, index)


async def test_nothing_that_an_immutable_tag_needs_is_deleted(registry: StoredRegistry) -> None:
    await push_index(registry, "v1")
    for blob in (b"amd64", b"arm64", CONFIG):
        with pytest.raises(Denied, match="an immutable tag of a needs") as refused:
            await registry.delete_blob("a", Digest.of(blob))
        assert refused.value.http_status == 409
    with pytest.raises(Denied, match="an immutable tag of a needs"):
        await registry.delete_manifest("a", Digest.of(image_manifest(b"arm64")))
    assert (await registry.get_manifest("a", Digest.of(image_manifest(b"arm64")))).content


async def test_what_only_other_tags_need_is_deleted(registry: StoredRegistry) -> None:
    await push_index(registry, "latest")
    await push_image(registry, "a", "v2", [b"other"])
    await registry.delete_blob("a", Digest.of(b"amd64"))
    await registry.delete_manifest("a", Digest.of(image_manifest(b"arm64")))
    with pytest.raises(Denied):
        await registry.delete_blob("a", Digest.of(b"other"))


async def test_a_damaged_manifest_does_not_keep_others_from_being_deleted(
    registry: StoredRegistry, memory: MemoryStore
) -> None:
    await push_index(registry, "v1")
    await memory.put(LAYOUT.content(Digest.of(image_manifest(b"amd64"))), b"")
    another = StoredRegistry(memory, immutable_tags=TagGlobs.parse("a:v*"))
    await another.delete_blob("a", Digest.of(b"amd64"))
    with pytest.raises(Denied):
        await another.delete_blob("a", Digest.of(b"arm64"))


@pytest.fixture
def overtaken(memory: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that has an immutable tag pushed just before a link is deleted."""
    delete = memory.delete

    def push_before(path: str, content: bytes) -> None:
        async def overtaken(at: str, **options: Any) -> None:
            if at == path:
                monkeypatch.setattr(memory, "delete", delete)
                other = StoredRegistry(memory, immutable_tags=TagGlobs.parse("a:v*"))
                await push_manifest(other, "a", "v1", content)
            await delete(at, **options)

        monkeypatch.setattr(memory, "delete", overtaken)

    return push_before


async def test_a_blob_stays_that_an_immutable_tag_comes_to_need_while_it_is_deleted(
    registry: StoredRegistry, overtaken: Callable[..., None]
) -> None:
    await push_image(registry, "a", "latest", [b"first"])
    blob = Digest.of(b"first")
    overtaken(LAYOUT.blob_link("a", blob), image_manifest(b"first"))
    await registry.delete_blob("a", blob)
    assert await read_blob(registry, "a", blob) == b"first"


async def test_what_an_immutable_index_comes_to_need_while_it_is_deleted_stays(
    registry: StoredRegistry, overtaken: Callable[..., None]
) -> None:
    """The blobs of the manifests that it lists."""
    await push_image(registry, "a", "latest", [b"first"])
    index, blob = image_index(image_manifest(b"first")), Digest.of(b"first")
    overtaken(LAYOUT.blob_link("a", blob), index)
    await registry.delete_blob("a", blob)
    assert await read_blob(registry, "a", blob) == b"first"


async def test_a_manifest_stays_that_an_immutable_index_comes_to_list_while_it_is_deleted(
    registry: StoredRegistry, overtaken: Callable[..., None]
) -> None:
    first = await push_image(registry, "a", "latest", [b"first"])
    index = image_index(image_manifest(b"first"))
    overtaken(LAYOUT.revision_link("a", first.digest), index)
    with pytest.raises(Unavailable):
        await registry.delete_manifest("a", first.digest)
    with pytest.raises(Denied):
        await registry.delete_manifest("a", first.digest)
    assert await registry.resolve_manifest("a", first.digest) == first


async def test_a_push_of_an_immutable_tag_is_refused_if_what_it_needs_is_gone_by_then(
    registry: StoredRegistry, memory: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then the client pushes that again, and the manifest: its tag has been set meanwhile."""
    await push_image(registry, "a", "latest", [b"first"])
    put = memory.put

    async def delete_first(path: str, *args: Any, **options: Any) -> str:
        if path == LINK:
            monkeypatch.setattr(memory, "put", put)
            await registry.delete_blob("a", Digest.of(b"first"))
        return await put(path, *args, **options)

    monkeypatch.setattr(memory, "put", delete_first)
    with pytest.raises(ManifestBlobUnknown):
        await push_manifest(registry, "a", "v1", image_manifest(b"first"))
    await push_image(registry, "a", "v1", [b"first"])


async def test_a_push_of_an_immutable_tag_looks_at_each_reference_once_more(
    registry: StoredRegistry, store: CountingStore
) -> None:
    await push_image(registry, "a", "latest", [b"first"])
    manifest = image_manifest(b"first")
    counts = []
    for tag in ("first", "second", "v1"):
        store.calls.clear()
        await push_manifest(registry, "a", tag, manifest)
        counts.append(len(store.take()))
    assert counts[2] == counts[1] + 2
