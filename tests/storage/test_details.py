"""Listings with details: tags and manifests, whoever wrote them, in few storage calls."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_core.object_store.memory import MemoryStore
from registry_core.registry import Listing, ManifestInfo, TagInfo
from registry_core.spec import media_types
from registry_core.spec.digest import Digest
from registry_core.spec.endpoints import ALL, PageQuery
from registry_core.spec.errors import NameUnknown, PaginationNumberInvalid
from registry_core.storage.layout import Layout
from registry_core.storage.stored_registry import StoredRegistry
from tests.support.content import CONFIG, image_manifest, push_image, push_manifest
from tests.support.counting import CountingStore
from tests.support.listings import SparsePages, WithoutStartFrom

from .test_listing import TAG_SETS

pytestmark = pytest.mark.anyio

LAYOUT = Layout()
MANIFEST = image_manifest(b"layer")
DIGEST = Digest.of(MANIFEST)
SECONDS = 1_790_000_000
PUSHED = datetime.fromtimestamp(SECONDS, UTC)


def instance(store: MemoryStore | CountingStore) -> StoredRegistry:
    return StoredRegistry(store, now=lambda: SECONDS)


async def rewrite(memory: MemoryStore) -> None:
    """Leave links and content as CNCF distribution writes them: append blobs without metadata."""
    for path, found in list(memory.objects.items()):
        await memory.delete(path)
        await memory.append(path, found.content)


async def test_tags_with_details_are_one_listing(memory: MemoryStore) -> None:
    for tag in ("v1", "v1.0", "v2"):
        await push_image(instance(memory), "a", tag, [b"layer"])
    store = CountingStore(memory)
    listing = await instance(store).list_tags("a", ALL, details=True)
    expected = TagInfo("v1", DIGEST, media_types.OCI_MANIFEST, len(MANIFEST), PUSHED)
    assert listing.entries[0] == expected
    assert [tag.name for tag in listing.entries] == ["v1", "v1.0", "v2"]
    assert {tag.updated for tag in listing.entries} == {PUSHED}
    assert store.take() == ["list_page"]


async def test_tags_without_details_are_names(memory: MemoryStore) -> None:
    await push_image(instance(memory), "a", "v1", [b"layer"])
    assert (await instance(memory).list_tags("a", ALL)).entries == (TagInfo("v1"),)


async def test_the_tags_of_another_registry_are_read(memory: MemoryStore) -> None:
    for tag in ("v1", "v2"):
        await push_image(instance(memory), "a", tag, [b"layer"])
    await rewrite(memory)
    store = CountingStore(memory)
    listing = await instance(store).list_tags("a", ALL, details=True)
    for info in listing.entries:
        written = (await memory.head(LAYOUT.tag_link("a", info.name))).last_modified
        described = (info.digest, info.media_type, info.size, info.updated)
        assert described == (DIGEST, media_types.OCI_MANIFEST, len(MANIFEST), written)
    calls = store.take()
    assert (calls[0], set(calls[1:])) == ("list_page", {"get"})
    assert len(calls) <= 5  # two links, and at most two reads of the manifest


async def test_a_tag_that_points_nowhere_is_listed_without_details(memory: MemoryStore) -> None:
    await push_image(instance(memory), "a", "v1", [b"layer"])
    await memory.put(LAYOUT.tag_link("a", "v2"), b"not a digest")
    dangling = Digest.of(b"gone")
    await memory.put(LAYOUT.tag_link("a", "v3"), str(dangling).encode())
    entries = (await instance(memory).list_tags("a", ALL, details=True)).entries
    assert [(tag.name, tag.digest, tag.size) for tag in entries] == [
        ("v1", DIGEST, len(MANIFEST)),
        ("v2", None, None),
        ("v3", dangling, None),
    ]


@pytest.mark.parametrize("new_store", [MemoryStore, WithoutStartFrom, SparsePages])
@given(tags=TAG_SETS, n=st.integers(1, 12), history=st.integers(0, 3))
async def test_the_pages_of_any_tags_are_the_same_with_details_and_without(
    new_store: type[MemoryStore], tags: set[str], n: int, history: int
) -> None:
    """However many entries their indexes have."""
    memory = new_store()
    registry = instance(memory)
    await memory.put(LAYOUT.revision_link("a", DIGEST), str(DIGEST).encode())
    await memory.put(LAYOUT.content(DIGEST), MANIFEST)
    old = [Digest.of(str(number).encode()) for number in range(history)]
    for tag in tags:
        for digest in (DIGEST, *old):
            await memory.put(LAYOUT.tag_index_link("a", tag, digest), str(digest).encode())
        await memory.put(LAYOUT.tag_link("a", tag), str(DIGEST).encode())
    page: PageQuery | None = PageQuery(n)
    found: list[TagInfo] = []
    while page is not None:
        listing = await registry.list_tags("a", page, details=True)
        assert len(listing.entries) <= n
        found += listing.entries
        page = listing.next
    assert [tag.name for tag in found] == sorted(tags)
    assert {tag.digest for tag in found} <= {DIGEST}


async def push_many(memory: MemoryStore, number: int) -> list[Digest]:
    digests = []
    for index in range(number):
        manifest = image_manifest(b"layer", annotations={"number": str(index)})
        await push_manifest(instance(memory), "a", Digest.of(manifest), manifest)
        digests.append(Digest.of(manifest))
    return sorted(digests, key=str)


@pytest.mark.parametrize("new_store", [MemoryStore, WithoutStartFrom, SparsePages])
@pytest.mark.parametrize("n", [1, 3, 7, 8, None])
async def test_the_pages_of_manifests_are_all_of_them_in_order(
    new_store: type[MemoryStore], n: int | None
) -> None:
    memory = new_store()
    await push_image(instance(memory), "a", DIGEST, [b"layer"])
    expected = sorted([*await push_many(memory, 6), DIGEST], key=str)
    page: PageQuery | None = PageQuery(n)
    found: list[ManifestInfo] = []
    while page is not None:
        listing = await instance(memory).list_manifests("a", page)
        assert n is None or len(listing.entries) <= n
        found += listing.entries
        page = listing.next
    assert [info.digest for info in found] == expected
    following = await instance(memory).list_manifests("a", PageQuery(2, last=str(expected[2])))
    assert [info.digest for info in following.entries] == expected[3:5]


@pytest.mark.parametrize("n", [None, 1000, 1001, 10**17])
async def test_a_page_with_details_has_a_thousand_entries_at_most(
    memory: MemoryStore, n: int | None
) -> None:
    """Each may cost calls, and without a bound one request all of them."""
    await memory.put(LAYOUT.content(DIGEST), MANIFEST)
    for number in range(1001):
        described = {"digest": str(DIGEST), "mediatype": media_types.OCI_MANIFEST, "size": "1"}
        path = LAYOUT.tag_link("a", f"{number:04}")
        await memory.put(path, str(DIGEST).encode(), metadata=described)
        digest = Digest.of(str(number).encode())
        described |= {"digest": str(digest)}
        await memory.put(LAYOUT.revision_link("a", digest), b"", metadata=described)

    async def manifests(page: PageQuery) -> Listing[Any]:
        return await instance(memory).list_manifests("a", page)

    async def tags(page: PageQuery) -> Listing[Any]:
        return await instance(memory).list_tags("a", page, details=True)

    for ask in (manifests, tags):
        first = await ask(PageQuery(n))
        assert first.next is not None
        second = await ask(first.next)
        assert [len(first.entries), len(second.entries)] == [1000, 1]
        assert second.next is None
        assert len({*first.entries, *second.entries}) == 1001
    assert len((await instance(memory).list_tags("a", ALL)).entries) == 1001


async def test_a_page_of_manifests_is_one_call(memory: MemoryStore) -> None:
    await push_image(instance(memory), "a", DIGEST, [b"layer"])
    await push_many(memory, 5)
    store = CountingStore(memory)
    await instance(store).list_manifests("a", PageQuery(3))
    await instance(store).list_manifests("a", ALL)
    assert store.take() == ["list_page", "list_page"]


async def test_the_manifests_of_another_registry_are_read(memory: MemoryStore) -> None:
    await push_image(instance(memory), "a", "v1", [b"layer"])
    await rewrite(memory)
    await memory.append(LAYOUT.revision_link("a", Digest.of(b"gone")), b"sha256:")
    store = CountingStore(memory)
    entries = (await instance(store).list_manifests("a", ALL)).entries
    described, gone = sorted(entries, key=lambda info: info.media_type is None)
    link = await memory.head(LAYOUT.revision_link("a", DIGEST))
    assert described == ManifestInfo(
        DIGEST,
        media_types.OCI_MANIFEST,
        len(MANIFEST),
        config_type=media_types.OCI_CONFIG,
        content_size=len(MANIFEST) + len(CONFIG) + len(b"layer"),
        pushed=link.last_modified,
    )
    assert (gone.digest, gone.size) == (Digest.of(b"gone"), None)
    assert store.take() == ["list_page", "get", "get"]


async def test_a_repository_that_is_not_there_has_no_manifests(memory: MemoryStore) -> None:
    with pytest.raises(NameUnknown):
        await instance(memory).list_manifests("a", ALL)
    await push_image(instance(memory), "a", "v1", [b"layer"])
    with pytest.raises(PaginationNumberInvalid):
        await instance(memory).list_manifests("a", PageQuery(1, token="?"))
    await instance(memory).delete_manifest("a", DIGEST)
    with pytest.raises(NameUnknown):
        await instance(memory).list_manifests("a", ALL)
