"""The records of deletions are listed, found by what was deleted, and purged."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from registry_core.object_store.memory import MemoryStore
from registry_core.spec import media_types
from registry_core.spec.digest import Digest
from registry_core.spec.references import NamedReference
from registry_core.storage.stored_registry import StoredRegistry
from registry_core.storage.trash import (
    TrashEntry,
    TrashKind,
    TrashUnknown,
    TrashUnreadable,
)
from registry_core.storage.trash_record import MAX_RECORD_BYTES, trash_id
from tests.support.content import push_image, push_manifest
from tests.support.counting import CountingStore

from .trashing import (
    APP,
    DIGEST,
    LAYER,
    LAYOUT,
    MANIFEST,
    WHEN,
    body_of,
    entries,
    only_record,
    registry_at,
)

pytestmark = pytest.mark.anyio


async def test_a_listing_takes_one_call(memory: MemoryStore, store: CountingStore) -> None:
    registry = registry_at(memory)
    await push_image(registry, APP, "v1", [LAYER])
    await registry.for_caller("bob & Ålice").delete_manifest(APP, DIGEST)
    (entry,) = [entry async for entry in StoredRegistry(store).trash.list()]
    assert store.take() == ["list_page"]
    assert entry == TrashEntry(
        entry.id,
        entry.etag,
        WHEN,
        TrashKind.MANIFEST,
        APP,
        DIGEST,
        media_types.OCI_MANIFEST,
        len(MANIFEST),
        ("v1",),
        1,
        deleted_by="bob & Ålice",
    )


async def test_a_record_without_metadata_is_read(memory: MemoryStore) -> None:
    registry = registry_at(memory)
    await push_image(registry, APP, "v1", [LAYER])
    await registry.delete_tag(APP, "v1")
    (before,) = await entries(registry)
    etag = await memory.set_metadata(LAYOUT.trashed(before.id), {})
    assert await entries(registry) == [replace(before, etag=etag)]


DAMAGED = {
    "empty": b"",
    "not JSON": b"\xff",
    "another document": b"[]",
    "deeply nested": b"[" * 100_000,
    "too large": b" " * (MAX_RECORD_BYTES + 1),
}


def changed(memory: MemoryStore, ident: str, **fields: object) -> bytes:
    return json.dumps({**body_of(memory, ident), **fields}).encode()


@pytest.mark.parametrize("damage", DAMAGED)
async def test_a_damaged_record_is_reported_and_listed_as_such(
    memory: MemoryStore, damage: str
) -> None:
    registry = registry_at(memory)
    ident = trash_id(WHEN, "0" * 16)
    await memory.put(LAYOUT.trashed(ident), DAMAGED[damage])
    with pytest.raises(TrashUnreadable, match="is not the record of a deletion"):
        await registry.trash.read(ident)
    with pytest.raises(TrashUnreadable):
        await registry.restoring.restore(ident)
    (entry,) = await entries(registry)
    assert (entry.id, entry.kind, entry.repository) == (ident, None, "")
    assert await registry.trash.purge([entry]) == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"version": 2},
        {"kind": "repository"},
        {"repository": "../other"},
        {"digest": "sha256:1"},
        {"digest": None},
        {"tags": ["a/../../b"]},
        {"tags": ["v1."]},
        {"tags": "v1"},
        {"digests": [1]},
        {"digests": ["sha256:1"]},
        {"aliases": {"a": "b"}},
        {"subject": "x"},
        {"size": -1},
        {"size": "1"},
        {"deleted": 10**20},
        {"deletedBy": 1},
    ],
    ids=str,
)
async def test_a_record_with_a_wrong_field_is_damaged(
    memory: MemoryStore, fields: dict[str, object]
) -> None:
    registry = registry_at(memory)
    await push_image(registry, APP, "v1", [LAYER])
    await registry.delete_tag(APP, "v1")
    (entry,) = await entries(registry)
    await memory.put(LAYOUT.trashed(entry.id), changed(memory, entry.id, **fields))
    with pytest.raises(TrashUnreadable):
        await registry.trash.read(entry.id)


async def test_the_newest_deletion_of_a_tag_or_manifest_is_found_by_its_name(
    memory: MemoryStore,
) -> None:
    registry = registry_at(memory)
    await push_image(registry, APP, "v1", [LAYER])
    await registry.delete_tag(APP, "v1")
    registry = registry_at(memory, WHEN + timedelta(days=1))
    await push_manifest(registry, APP, "v1", MANIFEST)
    await registry.delete_manifest(APP, DIGEST)
    by_tag, by_manifest = await entries(registry)
    assert by_tag.kind is TrashKind.TAG

    async def found(text: str) -> str:
        return (await registry.trash.find(NamedReference.parse(text))).id

    assert await found(f"{APP}:v1") == await found(f"{APP}@{DIGEST}") == by_manifest.id
    assert await found(f"{APP}:v1@{DIGEST}") == by_manifest.id
    for text in (f"{APP}:v2", "other:v1", f"{APP}:v1@{Digest.of(b'another')}"):
        with pytest.raises(TrashUnknown, match=text):
            await found(text)


async def test_a_tag_is_found_among_more_tags_than_a_listing_shows(memory: MemoryStore) -> None:
    registry = registry_at(memory)
    await push_image(registry, APP, "v1", [LAYER])
    tags = [f"{number:0128}" for number in range(20)]
    await push_manifest(registry, APP, DIGEST, MANIFEST, tags=tags)
    await registry.delete_manifest(APP, DIGEST)
    (entry,) = await entries(registry)
    assert (len(entry.tags), entry.number_of_tags) == (7, 21)
    assert (await registry.trash.find(NamedReference(APP, "v1"))).id == entry.id
    with pytest.raises(TrashUnknown):
        await registry.trash.find(NamedReference(APP, "v3"))


async def test_a_purge_leaves_what_is_being_restored(memory: MemoryStore) -> None:
    registry = registry_at(memory)
    await push_image(registry, APP, "v1", [LAYER])
    await registry.delete_tag(APP, "v1")
    seen = await entries(registry)
    await registry.trash.touch(seen[0].id)
    assert await registry.trash.purge(seen) == 0
    assert await registry.trash.purge(await entries(registry)) == 1
    with pytest.raises(TrashUnknown, match=seen[0].id):
        await registry.trash.touch(seen[0].id)


async def test_a_purge_takes_one_call_for_each_256_records(
    memory: MemoryStore, store: CountingStore
) -> None:
    registry = registry_at(memory)
    await push_image(registry, APP, "v1", [LAYER])
    await registry.delete_tag(APP, "v1")
    record = await only_record(registry)
    for number in range(299):
        await registry.trash.put(replace(record, id=trash_id(WHEN, f"{number:016x}")))
    seen = await entries(registry)
    assert await StoredRegistry(store).trash.purge(seen) == 300
    assert store.take() == ["delete_batch", "delete_batch"]
    assert await entries(registry) == []
