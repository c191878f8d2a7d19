"""Collections of garbage delete manifests and tags as they have seen them, or not at all."""

from typing import Any

import pytest

from registry_core.globs import TagGlobs
from registry_core.object_store.errors import StoreError, StoreRefused, StoreUnavailable
from registry_core.object_store.memory import MemoryStore
from registry_core.storage.condemnation import condemn
from registry_core.storage.stored_registry import StoredRegistry
from registry_core.storage.trash import (
    TrashKind,
)
from tests.support.content import push_image, push_manifest

from .trashing import (
    APP,
    DIGEST,
    LAYER,
    LAYOUT,
    MANIFEST,
    NAMED,
    entries,
    only_record,
    registry_at,
    target,
)

pytestmark = pytest.mark.anyio


async def revision(memory: MemoryStore) -> str:
    """Return the ETag of a condemned revision link."""
    path = LAYOUT.revision_link(APP, DIGEST)
    assert await condemn(memory, path, await memory.head(path), "a-run")
    return (await memory.head(path)).etag


IMMUTABLE = pytest.mark.parametrize("immutable", ["", "**:release"])
"""With write-once tags, deletions announce themselves in the links."""


def immutable_tags(text: str) -> TagGlobs:
    return TagGlobs.parse(text)


@IMMUTABLE
async def test_a_collected_manifest_is_recorded_with_the_reason(
    memory: MemoryStore, immutable: str
) -> None:
    registry = registry_at(memory, immutable_tags=immutable_tags(immutable))
    await push_image(registry, APP, DIGEST, [LAYER])
    etag = await revision(memory)
    went = await registry.deletions.collect_manifest(APP, DIGEST, etag, "untagged for 7d")
    assert went is not None
    assert (went.digest, went.tags) == (DIGEST, ())
    assert LAYOUT.revision_link(APP, DIGEST) not in memory.objects
    record = await only_record(registry)
    assert (record.deleted_by, record.reason) == ("garbage collection", "untagged for 7d")
    assert (record.kind, record.digests) == (TrashKind.MANIFEST, NAMED)


@IMMUTABLE
async def test_a_manifest_that_was_seen_otherwise_is_not_collected(
    memory: MemoryStore, immutable: str
) -> None:
    """Pushed again, or observed, since it was condemned; or gone."""
    registry = registry_at(memory, immutable_tags=immutable_tags(immutable))
    await push_image(registry, APP, DIGEST, [LAYER])
    etag = await revision(memory)
    await push_manifest(registry, APP, DIGEST, MANIFEST)
    assert await registry.deletions.collect_manifest(APP, DIGEST, etag, "") is None
    assert (await registry.get_manifest(APP, DIGEST)).content == MANIFEST
    etag = await revision(memory)
    await registry.delete_manifest(APP, DIGEST)
    await registry.trash.purge(await entries(registry))
    assert await registry.deletions.collect_manifest(APP, DIGEST, etag, "") is None
    assert await entries(registry) == []


@IMMUTABLE
async def test_a_manifest_that_is_pushed_while_it_is_collected_stays(
    memory: MemoryStore, monkeypatch: pytest.MonkeyPatch, immutable: str
) -> None:
    registry = registry_at(memory, immutable_tags=immutable_tags(immutable))
    await push_image(registry, APP, DIGEST, [LAYER])
    etag = await revision(memory)
    inner = memory.delete

    async def push_first(at: str, **options: Any) -> None:
        if at == LAYOUT.revision_link(APP, DIGEST):
            monkeypatch.setattr(memory, "delete", inner)
            await push_manifest(StoredRegistry(memory), APP, "v1", MANIFEST)
        await inner(at, **options)

    monkeypatch.setattr(memory, "delete", push_first)
    assert await registry.deletions.collect_manifest(APP, DIGEST, etag, "") is None
    assert await target(registry, "v1") == DIGEST
    assert await entries(registry) == []


async def test_a_manifest_that_has_a_tag_is_not_collected(memory: MemoryStore) -> None:
    registry = registry_at(memory)
    await push_image(registry, APP, "v1", [LAYER])
    etag = await revision(memory)
    assert await registry.deletions.collect_manifest(APP, DIGEST, etag, "") is None
    assert await target(registry, "v1") == DIGEST
    assert await entries(registry) == []


@pytest.mark.parametrize("error", [StoreRefused, StoreUnavailable])
async def test_a_collection_says_what_storage_does_not_permit(
    memory: MemoryStore, monkeypatch: pytest.MonkeyPatch, error: type[StoreError]
) -> None:
    registry = registry_at(memory)
    await push_image(registry, APP, DIGEST, [LAYER])
    etag = await revision(memory)

    async def fail(*_: object, **__: object) -> None:
        raise error("storage fails")

    monkeypatch.setattr(memory, "delete", fail)
    with pytest.raises(error, match="storage fails"):
        await registry.deletions.collect_manifest(APP, DIGEST, etag, "")


async def test_an_expired_tag_is_recorded_with_the_rule(memory: MemoryStore) -> None:
    registry = registry_at(memory)
    await push_image(registry, APP, "v1", [LAYER])
    etag = (await memory.head(LAYOUT.tag_link(APP, "v1"))).etag
    rule = "[[expire]] at line 7: after 14d"
    assert await registry.deletions.expire_tag(APP, "v1", etag, rule)
    assert await target(registry, "v1") is None
    assert (await registry.get_manifest(APP, DIGEST)).content == MANIFEST
    record = await only_record(registry)
    assert (record.kind, record.tags, record.digests) == (TrashKind.TAG, ("v1",), NAMED)
    assert (record.deleted_by, record.reason) == ("retention", rule)


async def test_a_tag_that_was_moved_since_does_not_expire(memory: MemoryStore) -> None:
    registry = registry_at(memory)
    await push_image(registry, APP, "v1", [LAYER])
    etag = (await memory.head(LAYOUT.tag_link(APP, "v1"))).etag
    await push_manifest(registry, APP, "v1", MANIFEST)
    assert not await registry.deletions.expire_tag(APP, "v1", etag, "")
    assert await target(registry, "v1") == DIGEST
    assert not await registry.deletions.expire_tag(APP, "v2", etag, "")
    assert await entries(registry) == []


async def test_a_write_once_tag_does_not_expire(memory: MemoryStore) -> None:
    registry = registry_at(memory, immutable_tags=TagGlobs.parse("**:v1"))
    await push_image(registry, APP, "v1", [LAYER])
    etag = (await memory.head(LAYOUT.tag_link(APP, "v1"))).etag
    assert not await registry.deletions.expire_tag(APP, "v1", etag, "")
    assert await target(registry, "v1") == DIGEST
