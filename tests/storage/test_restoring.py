"""Restoring a deletion brings back all that was deleted, and overwrites nothing."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from registry_core.globs import TagGlobs
from registry_core.object_store.memory import MemoryStore
from registry_core.spec import media_types
from registry_core.spec.digest import SHA512, Digest
from registry_core.spec.endpoints import ALL
from registry_core.spec.errors import BlobUnknown, ManifestUnknown, Unavailable
from registry_core.storage.condemnation import condemn, is_condemned
from registry_core.storage.stored_registry import StoredRegistry
from registry_core.storage.trash import TrashKind
from tests.support.content import (
    CONFIG,
    descriptor,
    image_index,
    image_manifest,
    push_blob,
    push_image,
    push_manifest,
    read_blob,
)

from .trashing import (
    APP,
    CHILD,
    DIGEST,
    INDEX,
    LAYER,
    LAYOUT,
    MANIFEST,
    OF_CHILD,
    OF_INDEX,
    OTHER_LAYER,
    entries,
    forget_layers,
    push_index,
    restore,
    restore_only,
    target,
    uncached,
)

pytestmark = pytest.mark.anyio

SIGNATURE = image_manifest(
    LAYER,
    artifactType="application/vnd.example.signature",
    subject=descriptor(MANIFEST, media_types.OCI_MANIFEST),
)
SIGNATURE_OF_SIGNATURE = image_manifest(
    LAYER,
    artifactType="application/vnd.example.signature",
    subject=descriptor(SIGNATURE, media_types.OCI_MANIFEST),
)
OF_SIGNATURE, OF_SECOND = Digest.of(SIGNATURE), Digest.of(SIGNATURE_OF_SIGNATURE)
WHEN = datetime(2026, 11, 28, tzinfo=UTC)


@pytest.fixture
def registry(memory: MemoryStore) -> StoredRegistry:
    """One without caches, so that each call shows what is stored."""
    return uncached(memory)


async def pulls(registry: StoredRegistry, reference: str | Digest) -> bool:
    """Return whether the manifest, what it lists, and all of their blobs can be pulled."""
    try:
        manifest = await registry.get_manifest(APP, reference)
        for blob in manifest.document.blobs:
            assert Digest.of(await read_blob(registry, APP, blob.digest)) == blob.digest
        children = [child.digest for child in manifest.document.manifests]
    except (ManifestUnknown, BlobUnknown):
        return False
    return all([await pulls(registry, child) for child in children])


async def referrers(registry: StoredRegistry, subject: Digest) -> list[Digest]:
    found = await registry.list_referrers(APP, subject, None, ALL)
    return [each.digest for each in found.entries]


async def test_a_deleted_manifest_comes_back_with_its_tags_and_its_repository(
    registry: StoredRegistry,
) -> None:
    await push_image(registry, APP, "v1", [LAYER])
    await push_manifest(registry, APP, "stable", MANIFEST)
    await registry.delete_manifest(APP, DIGEST)
    assert (await registry.list_repositories(ALL)).entries == ()
    assert await restore_only(registry) == {"tags": ("stable", "v1"), "kept": {}}
    assert await pulls(registry, "v1")
    assert await target(registry, "stable") == DIGEST
    assert (await registry.get_manifest(APP, DIGEST)).content == MANIFEST
    assert (await registry.list_repositories(ALL)).entries == (APP,)
    assert await entries(registry) == []


async def test_layer_links_that_were_collected_come_back(
    memory: MemoryStore, registry: StoredRegistry
) -> None:
    """With the platform that a listing shows."""
    await push_image(registry, APP, "v1", [LAYER])
    await registry.delete_manifest(APP, DIGEST)
    await forget_layers(memory)
    await restore_only(registry)
    assert await pulls(registry, "v1")
    (info,) = (await registry.list_manifests(APP, ALL)).entries
    assert info.image is not None
    assert (info.image.os, info.image.architecture) == ("linux", "amd64")


async def test_a_deleted_tag_comes_back(registry: StoredRegistry) -> None:
    await push_image(registry, APP, "v1", [LAYER])
    await registry.delete_tag(APP, "v1")
    assert await restore_only(registry) == {"tags": ("v1",), "kept": {}}
    assert await pulls(registry, "v1")
    assert await entries(registry) == []


async def test_a_deleted_blob_comes_back(registry: StoredRegistry) -> None:
    await push_image(registry, APP, "v1", [LAYER])
    await registry.delete_blob(APP, Digest.of(LAYER))
    assert not await pulls(registry, "v1")
    await restore_only(registry)
    assert await pulls(registry, "v1")
    assert await entries(registry) == []


async def test_a_blob_that_is_stored_under_another_digest_comes_back(
    memory: MemoryStore, registry: StoredRegistry
) -> None:
    """CNCF distribution keeps what was pushed by sha512 under its sha256."""
    alias = Digest.of(LAYER, SHA512)
    layer = {"mediaType": "a/layer", "digest": str(alias), "size": len(LAYER)}
    manifest = image_manifest(layers=[layer])
    await push_image(registry, APP, "v1", [LAYER])
    await memory.put(LAYOUT.blob_link(APP, alias), str(Digest.of(LAYER)).encode())
    await push_manifest(registry, APP, "v2", manifest)
    await registry.delete_manifest(APP, Digest.of(manifest))
    await forget_layers(memory)
    await restore_only(registry)
    assert await read_blob(registry, APP, alias) == LAYER


async def test_a_tag_brings_its_manifest_by_the_record_of_that(
    memory: MemoryStore, registry: StoredRegistry
) -> None:
    """As when retention lets a tag go, and days later the manifest without tags is collected."""
    await push_image(registry, APP, "v1", [LAYER])
    await registry.delete_tag(APP, "v1")
    etag = (await memory.head(LAYOUT.revision_link(APP, DIGEST))).etag
    assert await registry.deletions.collect_manifest(APP, DIGEST, etag, "")
    await forget_layers(memory)
    done = await restore(registry, ":v1")
    assert [each.record.kind for each in done.restored] == [TrashKind.MANIFEST, TrashKind.TAG]
    assert await pulls(registry, "v1")
    assert await entries(registry) == []


async def test_an_index_brings_what_it_lists(memory: MemoryStore, registry: StoredRegistry) -> None:
    """One of its manifests is still there; the other one, deleted too, comes with its own tag."""
    await push_index(registry, "multi")
    await push_manifest(registry, APP, "arm", CHILD)
    await registry.delete_manifest(APP, OF_INDEX)
    await registry.delete_manifest(APP, OF_CHILD)
    await memory.delete(LAYOUT.blob_link(APP, Digest.of(OTHER_LAYER)))
    await restore(registry, ":multi")
    assert await pulls(registry, "multi")
    assert await target(registry, "arm") == OF_CHILD
    assert await entries(registry) == []


async def test_an_index_of_indexes_brings_all_of_them(registry: StoredRegistry) -> None:
    await push_index(registry)
    outer = json.loads(image_index(INDEX))
    outer["manifests"][0]["mediaType"] = media_types.OCI_INDEX
    content = json.dumps(outer).encode()
    await push_manifest(registry, APP, "outer", content)
    for digest in (Digest.of(content), OF_INDEX, OF_CHILD, DIGEST):
        await registry.delete_manifest(APP, digest)
    await restore(registry, ":outer")
    assert await pulls(registry, "outer")
    assert await entries(registry) == []


async def test_the_blobs_that_an_index_lists_come_back(
    memory: MemoryStore, registry: StoredRegistry
) -> None:
    """BuildKit's caches are indexes of blobs."""
    cache = image_index(manifests=[descriptor(LAYER, "application/vnd.oci.image.layer.v1.tar")])
    await push_blob(registry, APP, LAYER)
    await push_manifest(registry, APP, "cache", cache)
    await registry.delete_manifest(APP, Digest.of(cache))
    await forget_layers(memory)
    await restore_only(registry)
    assert await read_blob(registry, APP, Digest.of(LAYER)) == LAYER


async def test_a_manifest_brings_its_referrers_and_theirs(registry: StoredRegistry) -> None:
    await push_image(registry, APP, "v1", [LAYER])
    await push_manifest(registry, APP, OF_SIGNATURE, SIGNATURE)
    await push_manifest(registry, APP, OF_SECOND, SIGNATURE_OF_SIGNATURE)
    for digest in (OF_SECOND, OF_SIGNATURE, DIGEST):
        await registry.delete_manifest(APP, digest)
    await restore(registry, ":v1")
    assert await referrers(registry, DIGEST) == [OF_SIGNATURE]
    assert await referrers(registry, OF_SIGNATURE) == [OF_SECOND]
    assert await entries(registry) == []


async def test_signatures_under_a_tag_of_their_subject_come_back_with_it(
    registry: StoredRegistry,
) -> None:
    """As cosign pushes them: without a subject."""
    await push_image(registry, APP, "v1", [LAYER])
    signature = image_manifest(LAYER, annotations={"a": "signature"})
    tag = f"sha256-{DIGEST.hex}.sig"
    await push_manifest(registry, APP, tag, signature)
    await registry.delete_manifest(APP, Digest.of(signature))
    await registry.delete_manifest(APP, DIGEST)
    await restore(registry, ":v1")
    assert await target(registry, tag) == Digest.of(signature)


async def test_referrers_can_be_left_in_the_trash(registry: StoredRegistry) -> None:
    await push_image(registry, APP, "v1", [LAYER])
    await push_manifest(registry, APP, OF_SIGNATURE, SIGNATURE)
    await registry.delete_manifest(APP, OF_SIGNATURE)
    await registry.delete_manifest(APP, DIGEST)
    await restore(registry, ":v1", with_referrers=False)
    assert await referrers(registry, DIGEST) == []
    assert [entry.digest for entry in await entries(registry)] == [OF_SIGNATURE]


async def test_a_tag_of_a_manifest_that_stayed_brings_none_of_its_deleted_referrers(
    registry: StoredRegistry,
) -> None:
    """They were deleted by themselves, and perhaps on purpose."""
    await push_image(registry, APP, "v1", [LAYER])
    await push_manifest(registry, APP, OF_SIGNATURE, SIGNATURE)
    await registry.delete_manifest(APP, OF_SIGNATURE)
    await registry.delete_tag(APP, "v1")
    await restore(registry, ":v1")
    assert await referrers(registry, DIGEST) == []


async def test_a_referrer_that_cannot_be_restored_is_reported_and_stays_in_the_trash(
    memory: MemoryStore, registry: StoredRegistry
) -> None:
    await push_image(registry, APP, "v1", [LAYER])
    await push_manifest(registry, APP, OF_SIGNATURE, SIGNATURE)
    await registry.delete_manifest(APP, OF_SIGNATURE)
    await registry.delete_manifest(APP, DIGEST)
    await memory.delete(LAYOUT.content(OF_SIGNATURE))
    done = await restore(registry, ":v1")
    assert await pulls(registry, "v1")
    (left,) = await entries(registry)
    assert done.left == {left.id: f"gone: the content of the manifest {OF_SIGNATURE}"}


async def test_a_tag_that_exists_by_now_stays_as_it_is(registry: StoredRegistry) -> None:
    """What it was is reported; the manifest and its other tags come back."""
    await push_image(registry, APP, "v1", [LAYER])
    await push_manifest(registry, APP, "stable", MANIFEST)
    await registry.delete_manifest(APP, DIGEST)
    await push_image(registry, APP, "v1", [OTHER_LAYER])
    assert await restore_only(registry) == {"tags": ("stable",), "kept": {"v1": OF_CHILD}}
    assert await target(registry, "v1") == OF_CHILD
    assert await target(registry, "stable") == DIGEST


async def test_a_tag_that_is_set_while_it_is_restored_stays_as_it_is(
    memory: MemoryStore, registry: StoredRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    await push_image(registry, APP, "v1", [LAYER])
    await push_image(registry, APP, "v2", [OTHER_LAYER])
    await registry.delete_tag(APP, "v1")
    inner = memory.put

    async def push_first(path: str, *args: Any, **options: Any) -> str:
        if path == LAYOUT.tag_link(APP, "v1"):
            monkeypatch.setattr(memory, "put", inner)
            await push_manifest(uncached(memory), APP, "v1", CHILD)
        return await inner(path, *args, **options)

    monkeypatch.setattr(memory, "put", push_first)
    assert await restore_only(registry) == {"tags": (), "kept": {"v1": OF_CHILD}}
    assert await target(registry, "v1") == OF_CHILD


async def test_a_restoration_can_be_repeated(
    memory: MemoryStore, registry: StoredRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ended before the record went: then everything is there already."""
    await push_image(registry, APP, "v1", [LAYER])
    await registry.delete_manifest(APP, DIGEST)
    inner = memory.delete

    async def fail(*_: object, **__: object) -> None:
        raise Unavailable("cut off")

    monkeypatch.setattr(memory, "delete", fail)
    with pytest.raises(Unavailable):
        await restore_only(registry)
    monkeypatch.setattr(memory, "delete", inner)
    assert await restore_only(registry) == {"tags": ("v1",), "kept": {}}
    assert await entries(registry) == []


async def condemn_all(memory: MemoryStore) -> Sequence[str]:
    """Condemn all content and links, as a collection of garbage does. Return their paths."""
    paths = [path for path in memory.objects if path.endswith(("/data", "/link"))]
    for path in paths:
        assert await condemn(memory, path, await memory.head(path), "a-run")
    return paths


@pytest.mark.parametrize("links", ["there", "gone"])
async def test_what_is_restored_is_pardoned(
    memory: MemoryStore, registry: StoredRegistry, links: str
) -> None:
    await push_image(registry, APP, "v1", [LAYER])
    await registry.delete_manifest(APP, DIGEST)
    if links == "gone":
        await forget_layers(memory)
    await condemn_all(memory)
    await restore_only(registry)
    for digest in (DIGEST, Digest.of(LAYER), Digest.of(CONFIG)):
        assert not is_condemned(await memory.head(LAYOUT.content(digest))), digest
    for digest in (Digest.of(LAYER), Digest.of(CONFIG)):
        assert not is_condemned(await memory.head(LAYOUT.blob_link(APP, digest))), digest


async def test_what_is_restored_counts_as_pushed_now_by_who_had_pushed_it(
    memory: MemoryStore,
) -> None:
    """Retention would let it go again at once otherwise."""
    before = uncached(memory, now=WHEN.timestamp)
    await push_image(before.for_caller("alice"), APP, "v1", [LAYER])
    await before.delete_manifest(APP, DIGEST)
    later = WHEN + timedelta(days=10)
    after = uncached(memory, now=later.timestamp)
    await restore_only(after)
    (info,) = (await after.list_manifests(APP, ALL)).entries
    assert (info.pushed, info.pushed_by) == (later, "alice")
    (tag,) = (await after.list_tags(APP, ALL, details=True)).entries
    assert tag.updated == later


async def test_a_write_once_tag_that_is_absent_comes_back_and_one_that_is_there_stays(
    memory: MemoryStore, registry: StoredRegistry
) -> None:
    await push_image(registry, APP, "v1", [LAYER])
    await push_manifest(registry, APP, "v2", MANIFEST)
    await registry.delete_manifest(APP, DIGEST)
    once = uncached(memory, immutable_tags=TagGlobs.parse("**:v*"))
    await push_image(once, APP, "v2", [OTHER_LAYER])
    assert await restore_only(once) == {"tags": ("v1",), "kept": {"v2": OF_CHILD}}
    assert await pulls(once, "v1")


async def test_a_blob_that_the_repository_may_never_have_had_is_not_linked(
    memory: MemoryStore,
) -> None:
    """Without validation, a manifest may name what only other repositories have."""
    lax = uncached(memory, require_blobs=False)
    await push_blob(lax, "secret/app", LAYER)
    await push_manifest(lax, APP, "v1", MANIFEST)
    await lax.delete_manifest(APP, DIGEST)
    await restore_only(lax)
    assert await target(lax, "v1") == DIGEST
    with pytest.raises(BlobUnknown):
        await lax.open_blob(APP, Digest.of(LAYER))


async def test_a_sparse_index_comes_back_without_what_it_lacked(memory: MemoryStore) -> None:
    sparse = uncached(memory, require_children=False)
    await push_image(sparse, APP, DIGEST, [LAYER])
    await push_manifest(sparse, APP, "multi", INDEX)
    await sparse.delete_manifest(APP, OF_INDEX)
    await restore_only(sparse)
    assert await target(sparse, "multi") == OF_INDEX
