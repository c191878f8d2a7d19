"""Deletions leave a record, which names all that must stay for the deletion to be undone."""

import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from registry_core.globs import TagGlobs
from registry_core.object_store.errors import StoreRefused, StoreUnavailable
from registry_core.object_store.interface import StoredObject, check_metadata
from registry_core.object_store.memory import MemoryStore
from registry_core.spec import media_types
from registry_core.spec.digest import SHA512, Digest
from registry_core.spec.errors import Denied, Unavailable
from registry_core.spec.preconditions import ETags, Precondition, PreconditionFailed
from registry_core.storage import recording
from registry_core.storage.stored_registry import StoredRegistry
from registry_core.storage.trash import (
    TrashEntry,
    TrashKind,
    TrashRecord,
)
from registry_core.storage.trash_record import MAX_RECORD_BYTES, MOST_TAGS, trash_id
from tests.support.content import descriptor, image_manifest, push_image, push_manifest
from tests.support.counting import CountingStore

from .trashing import (
    APP,
    DIGEST,
    LAYER,
    LAYOUT,
    MANIFEST,
    NAMED,
    WHEN,
    entries,
    only_record,
    registry_at,
    restore_only,
    target,
)

pytestmark = pytest.mark.anyio


async def test_a_deleted_manifest_is_recorded_with_its_tags_and_all_that_it_names(
    memory: MemoryStore,
) -> None:
    registry = registry_at(memory)
    await push_image(registry.for_caller("alice"), APP, "v1", [LAYER])
    await push_manifest(registry, APP, "stable", MANIFEST)
    pusher, deleter = registry.for_caller("carol"), registry.for_caller("bob")
    await push_manifest(pusher, APP, DIGEST, MANIFEST)
    await deleter.delete_manifest(APP, DIGEST)
    record = await only_record(registry)
    assert record == TrashRecord(
        record.id,
        TrashKind.MANIFEST,
        APP,
        DIGEST,
        WHEN,
        media_types.OCI_MANIFEST,
        len(MANIFEST),
        ("stable", "v1"),
        digests=NAMED,
        deleted_by="bob",
        pushed_by="carol",
    )
    assert record.id.startswith("20261128T094222Z-")


async def test_a_deleted_tag_is_recorded_with_all_that_its_manifest_names(
    memory: MemoryStore,
) -> None:
    registry = registry_at(memory)
    await push_image(registry, APP, "v1", [LAYER])
    await registry.for_caller("bob").delete_tag(APP, "v1")
    record = await only_record(registry)
    assert (record.kind, record.digest, record.tags) == (TrashKind.TAG, DIGEST, ("v1",))
    assert (record.digests, record.deleted_by) == (NAMED, "bob")
    assert (record.media_type, record.size) == (media_types.OCI_MANIFEST, len(MANIFEST))


async def test_a_deleted_blob_is_recorded(memory: MemoryStore) -> None:
    registry = registry_at(memory)
    await push_image(registry, APP, "v1", [LAYER])
    blob = Digest.of(LAYER)
    await registry.for_caller("bob").delete_blob(APP, blob)
    record = await only_record(registry)
    assert (record.kind, record.digest, record.digests) == (TrashKind.BLOB, blob, frozenset({blob}))
    assert (record.size, record.deleted_by) == (len(LAYER), "bob")


async def test_a_record_names_the_subject_and_what_only_annotations_name(
    memory: MemoryStore,
) -> None:
    registry = registry_at(memory)
    await push_image(registry, APP, "v1", [LAYER])
    elsewhere = Digest.of(b"elsewhere")
    subject = descriptor(MANIFEST, media_types.OCI_MANIFEST)
    note = {"note": f"see {elsewhere}"}
    referrer = image_manifest(LAYER, subject=subject, annotations=note)
    await push_manifest(registry, APP, Digest.of(referrer), referrer)
    await registry.delete_manifest(APP, Digest.of(referrer))
    record = await only_record(registry)
    assert record.subject == DIGEST
    assert record.digests == NAMED | {Digest.of(referrer), elsewhere}


async def test_the_record_of_a_manifest_that_cannot_be_read_names_the_manifest(
    memory: MemoryStore,
) -> None:
    await push_image(registry_at(memory), APP, "v1", [LAYER])
    await memory.put(LAYOUT.content(DIGEST), b"damaged")
    registry = registry_at(memory)
    await registry.delete_tag(APP, "v1")
    await registry.delete_manifest(APP, DIGEST)
    for entry in await entries(registry):
        assert (await registry.trash.read(entry.id)).digests == {DIGEST}


async def test_a_tag_of_a_manifest_that_is_archived_can_be_deleted(
    memory: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its record names the manifest alone."""
    await push_image(registry_at(memory), APP, "v1", [LAYER])
    inner = memory.get

    async def get(path: str, **options: Any) -> StoredObject:
        if path == LAYOUT.content(DIGEST):
            raise StoreRefused(f"get {path}: 409 BlobArchived")
        return await inner(path, **options)

    monkeypatch.setattr(memory, "get", get)
    registry = registry_at(memory)
    await registry.delete_tag(APP, "v1")
    assert (await only_record(registry)).digests == {DIGEST}


async def test_a_tag_that_cannot_be_set_is_not_recorded(memory: MemoryStore) -> None:
    """Elsewhere than on Azure, another registry may have set one that ends with a dot."""
    registry = registry_at(memory)
    await push_image(registry, APP, "v1", [LAYER])
    await memory.put(LAYOUT.tag_link(APP, "v1."), str(DIGEST).encode())
    went = await registry.delete_manifest(APP, DIGEST)
    assert went.tags == ("v1", "v1.")
    assert await restore_only(registry) == {"tags": ("v1",), "kept": {}}


async def test_the_record_of_a_schema_1_manifest_names_its_layers(memory: MemoryStore) -> None:
    """CNCF distribution 2 took such manifests."""
    layer = Digest.of(LAYER)
    content = json.dumps({"schemaVersion": 1, "fsLayers": [{"blobSum": str(layer)}]}).encode()
    digest = Digest.of(content)
    await memory.put(LAYOUT.content(digest), content)
    await memory.put(LAYOUT.revision_link(APP, digest), str(digest).encode())
    registry = registry_at(memory)
    await registry.delete_manifest(APP, digest)
    record = await only_record(registry)
    assert record.digests == {digest, layer}
    assert record.media_type == media_types.DOCKER_SCHEMA_1


async def test_a_record_names_the_content_of_aliases(memory: MemoryStore) -> None:
    """CNCF distribution keeps what was pushed by sha512 under its sha256."""
    alias, content = Digest.of(LAYER, SHA512), Digest.of(LAYER)
    layer = {"mediaType": "a/layer", "digest": str(alias), "size": len(LAYER)}
    manifest = image_manifest(layers=[layer])
    registry = registry_at(memory)
    await push_image(registry, APP, "v1", [LAYER])
    await memory.put(LAYOUT.blob_link(APP, alias), str(content).encode())
    await push_manifest(registry, APP, "v2", manifest)
    await registry.delete_manifest(APP, Digest.of(manifest))
    assert content in (await only_record(registry)).digests
    await registry.trash.purge(await entries(registry))
    await registry.delete_blob(APP, alias)
    record = await only_record(registry)
    assert record.digests == {alias, content}
    assert record.aliases == {alias: content}


@pytest.mark.parametrize("deletion", ["tag", "manifest", "blob"])
async def test_the_record_is_there_before_anything_goes(
    memory: MemoryStore, store: CountingStore, deletion: str
) -> None:
    registry = registry_at(memory)
    await push_image(registry, APP, "v1", [LAYER])
    registry = StoredRegistry(store)
    await delete(registry, deletion)
    methods = [method for method, path in store.calls if "/_catalog/" not in path]
    trash = [path.startswith(LAYOUT.trash) for _, path in store.calls].index(True)
    assert store.calls[trash][0] == "put"
    deletes = [n for n, (method, _) in enumerate(store.calls) if method == "delete"]
    assert trash < min(deletes)
    assert "delete" in methods


async def delete(registry: StoredRegistry, what: str) -> None:
    if what == "tag":
        await registry.delete_tag(APP, "v1")
    elif what == "manifest":
        await registry.delete_manifest(APP, DIGEST)
    else:
        await registry.delete_blob(APP, Digest.of(LAYER))


async def test_without_retention_deletions_leave_no_record(memory: MemoryStore) -> None:
    registry = StoredRegistry(memory, delete_retention=timedelta())
    await push_image(registry, APP, "v1", [LAYER])
    for what in ("tag", "manifest", "blob"):
        await delete(registry, what)
    assert await entries(registry) == []


@pytest.mark.parametrize("deletion", ["tag", "manifest", "blob"])
async def test_a_refused_deletion_leaves_no_record(memory: MemoryStore, deletion: str) -> None:
    registry = StoredRegistry(memory, immutable_tags=TagGlobs.parse("**:v*"))
    await push_image(registry, APP, "v1", [LAYER])
    with pytest.raises(Denied):
        await delete(registry, deletion)
    assert await entries(registry) == []


async def test_a_failed_precondition_leaves_no_record(memory: MemoryStore) -> None:
    registry = StoredRegistry(memory)
    await push_image(registry, APP, "v1", [LAYER])
    other = Precondition(if_match=ETags(frozenset({str(Digest.of(b"another"))})))
    with pytest.raises(PreconditionFailed):
        await registry.delete_tag(APP, "v1", other)
    assert await entries(registry) == []


Delete = Callable[..., Awaitable[None]]


@pytest.mark.parametrize(
    "deletion, path",
    [
        ("tag", LAYOUT.tag_link(APP, "v1")),
        ("blob", LAYOUT.blob_link(APP, Digest.of(LAYER))),
        ("untagged", LAYOUT.revision_link(APP, DIGEST)),
    ],
)
async def test_the_record_goes_if_what_was_to_be_deleted_is_pushed_again_meanwhile(
    memory: MemoryStore, monkeypatch: pytest.MonkeyPatch, deletion: str, path: str
) -> None:
    registry, other = StoredRegistry(memory), StoredRegistry(memory)
    await push_image(registry, APP, DIGEST if deletion == "untagged" else "v1", [LAYER])
    inner = memory.delete

    async def push_first(at: str, **options: Any) -> None:
        if at == path:
            monkeypatch.setattr(memory, "delete", inner)
            await push_image(other, APP, "v1", [LAYER])
        await inner(at, **options)

    monkeypatch.setattr(memory, "delete", push_first)
    if deletion == "untagged":
        with pytest.raises(Unavailable):
            await delete(registry, "manifest")
    else:
        await delete(registry, deletion)
    assert await target(registry, "v1") == DIGEST
    assert await entries(registry) == []


async def test_the_record_stays_if_tags_went_before_the_deletion_failed(
    memory: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A repeated deletion finds them no more; only this record can bring them back."""
    registry = StoredRegistry(memory)
    await push_image(registry, APP, "v1", [LAYER])
    inner = memory.delete

    async def fail(at: str, **options: Any) -> None:
        if at == LAYOUT.revision_link(APP, DIGEST):
            raise StoreUnavailable("storage fails")
        await inner(at, **options)

    monkeypatch.setattr(memory, "delete", fail)
    with pytest.raises(Unavailable):
        await registry.delete_manifest(APP, DIGEST)
    monkeypatch.setattr(memory, "delete", inner)
    assert await target(registry, "v1") is None
    assert await restore_only(registry) == {"tags": ("v1",), "kept": {}}
    assert await target(registry, "v1") == DIGEST


async def test_the_record_of_a_manifest_with_very_many_tags_stays_readable(
    memory: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "MOST_TAGS", 2)
    registry = StoredRegistry(memory)
    await push_image(registry, APP, "v1", [LAYER])
    for tag in ("v2", "v3"):
        await push_manifest(registry, APP, tag, MANIFEST)
    await registry.delete_manifest(APP, DIGEST)
    assert (await only_record(registry)).tags == ("v1", "v2")
    largest = TrashRecord(
        trash_id(WHEN, "0" * 16),
        TrashKind.MANIFEST,
        APP,
        DIGEST,
        WHEN,
        tags=tuple(f"{number:0128}" for number in range(MOST_TAGS)),
        digests=frozenset(Digest("sha256", f"{n:064}") for n in range(4 * 2**20 // 72)),
    )
    assert len(largest.to_json()) < MAX_RECORD_BYTES


async def test_the_longest_texts_leave_room_in_the_metadata_for_all_of_them() -> None:
    """Storage takes 8 KiB. What a listing shows is shortened."""
    texts = "\N{GRINNING FACE}" * 300
    record = TrashRecord(
        trash_id(WHEN, "0" * 16),
        TrashKind.MANIFEST,
        "a" * 255,
        Digest.of(LAYER, SHA512),
        WHEN,
        texts,
        2**63,
        tuple(f"{number:0128}" for number in range(MOST_TAGS)),
        Digest.of(LAYER, SHA512),
        deleted_by=texts,
        reason=texts,
    )
    metadata = check_metadata(record.metadata())
    entry = TrashEntry.of_metadata(record.id, "", metadata)
    assert (entry.deleted_by, entry.reason) == (texts[:150], texts[:150])
    assert TrashRecord.of_json(record.id, record.to_json()).reason == texts
