"""Links that are torn, of the wrong kind, or lead nowhere: found, and where possible repaired."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest

from registry_core.maintenance.doctor import Trouble
from registry_core.object_store.interface import StoreUnavailable
from registry_core.object_store.memory import MemoryStore
from registry_core.spec.digest import SHA512, Digest
from registry_core.spec.errors import ManifestUnknown
from registry_core.storage import links
from registry_core.storage.layout import Layout
from registry_core.storage.stored_registry import StoredRegistry
from tests.support.content import CONFIG, image_manifest, push_blob, push_image, push_manifest
from tests.support.counting import CountingStore

from .looking import cure, expect, leave, look

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
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is about to fill the links that are empty here."""
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
async def test_a_link_without_metadata_is_read_and_is_fine(memory: MemoryStore, path: str) -> None:
    """As distribution writes them, with or without a line's end."""
    await overwrite(memory, path, (await memory.get(path)).content + b"\n")
    await expect(memory)


@by_name(LINKS)
async def test_a_link_that_is_an_append_blob_is_replaced(memory: MemoryStore, path: str) -> None:
    content = (await memory.get(path)).content
    await overwrite(memory, path, content, append=True)
    await cure(memory, Trouble.LINK_APPEND)
    replaced = await memory.get(path)
    assert replaced.content == content
    assert not replaced.properties.is_append


@by_name(["layer", "revision", "index"])
@pytest.mark.parametrize("content", [b"", b"no digest", str(Digest.of(b"other")).encode()])
@pytest.mark.parametrize("append", [False, True])
async def test_a_torn_link_gets_what_its_path_says(
    memory: MemoryStore, path: str, content: bytes, *, append: bool
) -> None:
    before = await memory.get(path)
    await overwrite(memory, path, content, append=append)
    await cure(memory, Trouble.LINK_TORN)
    assert (await memory.get(path)).content == before.content


@pytest.mark.parametrize("content", [b"", b"no digest"])
@pytest.mark.parametrize("append", [False, True])
async def test_a_torn_tag_gets_what_its_index_names_last(
    memory: MemoryStore, registry: StoredRegistry, content: bytes, *, append: bool
) -> None:
    await overwrite(memory, LINKS["tag"], content, append=append)
    await cure(memory, Trouble.TAG_TORN)
    assert (await registry.resolve_manifest("a", "v1")).digest == MANIFEST


async def test_a_torn_tag_without_an_index_is_left(memory: MemoryStore) -> None:
    await memory.delete(LINKS["index"])
    await memory.put(LINKS["tag"], b"")
    await leave(memory, Trouble.TAG_TORN)


async def test_a_tag_without_its_current_link_gets_it_back(
    memory: MemoryStore, registry: StoredRegistry
) -> None:
    """As a crash between the two steps of replacing an append blob leaves it."""
    await memory.delete(LINKS["tag"])
    await cure(memory, Trouble.TAG_INCOMPLETE)
    assert (await registry.resolve_manifest("a", "v1")).digest == MANIFEST


async def test_a_tag_that_may_just_be_pushed_is_not_judged(memory: MemoryStore) -> None:
    """The index is written before the current link."""
    await memory.delete(LINKS["tag"])
    assert not (await look(memory, grace=HOUR)).found


async def test_what_a_deleted_tag_left_is_removed(
    memory: MemoryStore, registry: StoredRegistry
) -> None:
    """Its index names nothing that is there."""
    await registry.delete_manifest("a", MANIFEST)
    await memory.put(LINKS["index"], str(MANIFEST).encode())
    await cure(memory, Trouble.TAG_INCOMPLETE)
    assert LINKS["index"] not in memory.objects
    with pytest.raises(ManifestUnknown):
        await registry.resolve_manifest("a", "v1")


async def test_a_tag_of_a_missing_manifest_is_left(memory: MemoryStore) -> None:
    await memory.delete(LAYOUT.content(MANIFEST))
    await leave(memory, Trouble.TAG_DANGLING)


async def test_a_tagged_manifest_without_its_revision_link_gets_it_back(
    memory: MemoryStore, registry: StoredRegistry
) -> None:
    described = await registry.resolve_manifest("a", MANIFEST)
    link = memory.objects[LINKS["revision"]]
    await memory.delete(LINKS["revision"])
    await cure(memory, Trouble.TAG_UNLINKED)
    assert memory.objects[LINKS["revision"]].properties.metadata == link.properties.metadata
    assert described.digest == MANIFEST


async def test_a_blob_whose_content_is_missing_is_left(
    memory: MemoryStore, registry: StoredRegistry
) -> None:
    alone = await push_blob(registry, "a", b"alone")
    await memory.delete(LAYOUT.content(alone.digest))
    await leave(memory, Trouble.BLOB_DANGLING)


async def test_links_are_read_only_where_the_listing_does_not_tell(memory: MemoryStore) -> None:
    """One listing, one look for each form of names, and one get for the manifest."""
    store = CountingStore(memory)
    await look(store)
    assert sorted(store.take()) == ["get", "list_page", "list_page", "list_page"]


class CutOff(CountingStore):
    """Storage that is out of reach from the first put over a deleted link on."""

    deleted: str = ""

    async def delete(self, path: str, **options: Any) -> None:
        await super().delete(path, **options)
        self.deleted = path

    async def put(self, path: str, *arguments: Any, **options: Any) -> str:
        if self.deleted:
            raise StoreUnavailable("it was killed")
        return await super().put(path, *arguments, **options)


@by_name(LINKS)
async def test_a_replacement_that_was_cut_off_is_finished_by_the_next(
    memory: MemoryStore, path: str
) -> None:
    """Whatever kind of link it was: nothing else may tell of it."""
    content = (await memory.get(path)).content
    await overwrite(memory, path, content, append=True)
    with pytest.raises(StoreUnavailable):
        await look(CutOff(memory), repair=True)
    assert path not in memory.objects

    report = await look(memory, repair=True)

    assert report.repaired[Trouble.REPLACEMENT_UNFINISHED] == 1
    assert report.left == 0
    assert (await memory.get(path)).content == content
    await expect(memory)


async def test_untagged_manifests_survive_a_replacement_that_was_cut_off(
    memory: MemoryStore, registry: StoredRegistry
) -> None:
    await push_blob(registry, "b", CONFIG)
    manifest = image_manifest()
    digest = Digest.of(manifest)
    await push_manifest(registry, "b", digest, manifest)
    await overwrite(memory, LAYOUT.revision_link("b", digest), str(digest).encode(), append=True)
    with pytest.raises(StoreUnavailable):
        await look(CutOff(memory), repair=True)
    await look(memory, repair=True)
    assert (await registry.get_manifest("b", digest)).content == manifest


@pytest.mark.parametrize("append", [False, True])
async def test_a_link_by_another_digest_of_the_same_bytes_stays_what_it_is(
    registry: StoredRegistry, memory: MemoryStore, *, append: bool
) -> None:
    """CNCF distribution keeps what it is pushed by its sha512 under its sha256."""
    asked = Digest.of(LAYER, SHA512)
    path = LAYOUT.blob_link("a", asked)
    await memory.put(path, b"")
    await overwrite(memory, path, str(BLOB).encode(), append=append)

    if append:
        await cure(memory, Trouble.LINK_APPEND)
    await expect(memory)

    assert (await memory.get(path)).content == str(BLOB).encode()
    assert (await registry.open_blob("a", asked)).descriptor.size == len(LAYER)
