"""Links that are torn, append blobs or dangling are found and, where possible, repaired."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest

from registry_core.maintenance.doctor import Problem
from registry_core.object_store.errors import StoreUnavailable
from registry_core.object_store.memory import MemoryStore
from registry_core.spec.digest import SHA512, Digest
from registry_core.spec.errors import ManifestUnknown
from registry_core.storage import links
from registry_core.storage.layout import Layout
from registry_core.storage.links import MAX_LINK_BYTES
from registry_core.storage.stored_registry import StoredRegistry
from tests.support.content import CONFIG, image_manifest, push_blob, push_image, push_manifest
from tests.support.counting import CountingStore

from .examining import examine_store, expect_problems, expect_repaired, expect_unrepairable

pytestmark = pytest.mark.anyio

LAYOUT = Layout()
LAYER = b"a layer"
HOUR = timedelta(hours=1)
BLOB = Digest.of(LAYER)
MANIFEST = Digest.of(image_manifest(LAYER))
LINKS = {
    "layer": LAYOUT.blob_link("a", BLOB),
    "revision": LAYOUT.revision_link("a", MANIFEST),
    "tag": LAYOUT.tag_link("a", "v1"),
    "index": LAYOUT.tag_index_link("a", "v1", MANIFEST),
}


def by_name(names: Iterable[str]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("path", [LINKS[name] for name in names], ids=list(names))


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait for another registry to fill an empty link."""
    monkeypatch.setattr(links, "REREAD_DELAYS", (0.001,))


@pytest.fixture(autouse=True)
async def image(registry: StoredRegistry) -> None:
    await push_image(registry, "a", "v1", [LAYER])


async def overwrite(
    memory: MemoryStore, path: str, content: bytes, *, append: bool = False
) -> None:
    if append:
        del memory.objects[path]
        await memory.append(path, content)
    else:
        await memory.put(path, content)


@by_name(LINKS)
async def test_a_link_without_metadata_is_read_and_accepted(memory: MemoryStore, path: str) -> None:
    """As distribution writes them, with or without a newline."""
    await overwrite(memory, path, memory.objects[path].content + b"\n")
    await expect_problems(memory)


@by_name(LINKS)
async def test_a_link_that_is_an_append_blob_is_replaced(memory: MemoryStore, path: str) -> None:
    """By one with the metadata that a push writes."""
    before = await memory.get(path, limit=MAX_LINK_BYTES)
    await overwrite(memory, path, before.content, append=True)
    await expect_repaired(memory, Problem.LINK_APPEND)
    replaced = await memory.get(path, limit=MAX_LINK_BYTES)
    assert replaced.content == before.content
    assert replaced.properties.metadata.keys() == before.properties.metadata.keys()
    assert not replaced.properties.is_append


@by_name(["layer", "revision", "index"])
@pytest.mark.parametrize(
    "content", [b"", b"no digest", bytes(5 * 2**20), str(Digest.of(b"other")).encode()]
)
@pytest.mark.parametrize("append", [False, True])
async def test_a_torn_link_is_rewritten_from_its_path(
    memory: MemoryStore, path: str, content: bytes, *, append: bool
) -> None:
    before = await memory.get(path, limit=MAX_LINK_BYTES)
    await overwrite(memory, path, content, append=append)
    await expect_repaired(memory, Problem.LINK_TORN)
    assert memory.objects[path].content == before.content


@pytest.mark.parametrize("content", [b"", b"no digest", bytes(5 * 2**20)])
@pytest.mark.parametrize("append", [False, True])
async def test_a_torn_tag_is_rewritten_from_the_newest_link_in_its_index(
    memory: MemoryStore, registry: StoredRegistry, content: bytes, *, append: bool
) -> None:
    await overwrite(memory, LINKS["tag"], content, append=append)
    await expect_repaired(memory, Problem.TAG_TORN)
    assert (await registry.resolve_manifest("a", "v1")).digest == MANIFEST


async def test_a_torn_tag_without_an_index_is_not_repaired(memory: MemoryStore) -> None:
    await memory.delete(LINKS["index"])
    await memory.put(LINKS["tag"], b"")
    await expect_unrepairable(memory, Problem.TAG_TORN)


async def test_a_missing_current_link_is_restored(
    memory: MemoryStore, registry: StoredRegistry
) -> None:
    """As a crash between the two steps of replacing an append blob leaves it."""
    await memory.delete(LINKS["tag"])
    await expect_repaired(memory, Problem.TAG_INCOMPLETE)
    assert (await registry.resolve_manifest("a", "v1")).digest == MANIFEST


async def test_a_tag_that_may_be_in_the_middle_of_a_push_is_not_judged(memory: MemoryStore) -> None:
    """The index is written before the current link."""
    await memory.delete(LINKS["tag"])
    assert not (await examine_store(memory, grace=HOUR)).found


async def test_the_remaining_index_of_a_deleted_tag_is_deleted(
    memory: MemoryStore, registry: StoredRegistry
) -> None:
    """Its index names no manifest that exists."""
    await registry.delete_manifest("a", MANIFEST)
    await memory.put(LINKS["index"], str(MANIFEST).encode())
    await expect_repaired(memory, Problem.TAG_INCOMPLETE)
    assert LINKS["index"] not in memory.objects
    with pytest.raises(ManifestUnknown):
        await registry.resolve_manifest("a", "v1")


async def test_a_tag_whose_manifest_is_missing_is_not_repaired(memory: MemoryStore) -> None:
    await memory.delete(LAYOUT.content(MANIFEST))
    await expect_unrepairable(memory, Problem.TAG_DANGLING)


async def test_the_missing_revision_link_of_a_tagged_manifest_is_restored(
    memory: MemoryStore, registry: StoredRegistry
) -> None:
    described = await registry.resolve_manifest("a", MANIFEST)
    metadata = dict(memory.objects[LINKS["revision"]].properties.metadata)
    await memory.delete(LINKS["revision"])
    await expect_repaired(memory, Problem.TAG_UNLINKED)
    restored = dict(memory.objects[LINKS["revision"]].properties.metadata)
    assert int(restored.pop("pushed")) == pytest.approx(int(metadata.pop("pushed")), abs=2)
    assert restored == metadata
    assert described.digest == MANIFEST


async def test_links_are_read_only_if_their_metadata_do_not_suffice(memory: MemoryStore) -> None:
    """One listing, one more for each form of names, and one get for the manifest."""
    store = CountingStore(memory)
    await examine_store(store)
    assert sorted(store.take()) == ["get", "list_page", "list_page", "list_page"]


class InterruptedStore(CountingStore):
    """A store that is unavailable from the first put over a deleted link on."""

    deleted: str = ""

    async def delete(self, path: str, **options: Any) -> None:
        await super().delete(path, **options)
        self.deleted = path

    async def put(self, path: str, *arguments: Any, **options: Any) -> str:
        if self.deleted:
            raise StoreUnavailable("the process was killed")
        return await super().put(path, *arguments, **options)


@by_name(LINKS)
async def test_an_interrupted_replacement_is_completed_by_the_next_repair(
    memory: MemoryStore, path: str
) -> None:
    """Whatever kind of link it was, as nothing else may reference it; with all its metadata."""
    before = await memory.get(path, limit=MAX_LINK_BYTES)
    await overwrite(memory, path, before.content, append=True)
    with pytest.raises(StoreUnavailable):
        await examine_store(InterruptedStore(memory), repair=True)
    assert path not in memory.objects

    report = await examine_store(memory, repair=True)

    assert report.repaired[Problem.REPLACEMENT_UNFINISHED] == 1
    assert report.remaining == 0
    after = await memory.get(path, limit=MAX_LINK_BYTES)
    assert after.content == before.content
    assert after.properties.metadata.keys() == before.properties.metadata.keys()
    await expect_problems(memory)


async def test_an_untagged_manifest_survives_an_interrupted_replacement(
    memory: MemoryStore, registry: StoredRegistry
) -> None:
    await push_blob(registry, "b", CONFIG)
    manifest = image_manifest()
    digest = Digest.of(manifest)
    await push_manifest(registry, "b", digest, manifest)
    await overwrite(memory, LAYOUT.revision_link("b", digest), str(digest).encode(), append=True)
    with pytest.raises(StoreUnavailable):
        await examine_store(InterruptedStore(memory), repair=True)
    await examine_store(memory, repair=True)
    assert (await registry.get_manifest("b", digest)).content == manifest


@pytest.mark.parametrize("append", [False, True])
async def test_an_alias_keeps_the_digest_that_it_leads_to(
    registry: StoredRegistry, memory: MemoryStore, *, append: bool
) -> None:
    """CNCF distribution stores a blob pushed by its sha512 under its sha256."""
    alias = Digest.of(LAYER, SHA512)
    path = LAYOUT.blob_link("a", alias)
    await memory.put(path, b"")
    await overwrite(memory, path, str(BLOB).encode(), append=append)

    if append:
        await expect_repaired(memory, Problem.LINK_APPEND)
    await expect_problems(memory)

    assert memory.objects[path].content == str(BLOB).encode()
    assert (await registry.open_blob("a", alias)).descriptor.size == len(LAYER)
