"""Pages of tags and of the catalog: every entry once, in lexical order, in few storage calls."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from registry_core.object_store.memory import MemoryStore
from registry_core.registry import Listing
from registry_core.spec.endpoints import ALL, PageQuery
from registry_core.spec.errors import NameUnknown, PaginationNumberInvalid
from registry_core.spec.names import is_tag
from registry_core.storage.catalog import Catalog
from tests.spec.strategies import names, texts
from tests.support.counting import CountingStore
from tests.support.listings import (
    DIGEST,
    LAYOUT,
    EmptyPages,
    SparsePages,
    StrictStartFrom,
    WithoutStartFrom,
    catalog_of,
    joined,
    pages_by_last,
    pages_by_link,
    put_revision,
    put_tag,
    tags_of,
)

pytestmark = pytest.mark.anyio

TAG_SETS = st.sets(st.text("ab-.0_", min_size=1, max_size=5).filter(is_tag), max_size=40)
LASTS = st.text("ab-.0_", max_size=5) | st.text("ab-.0_/~ é\0", max_size=5) | texts()

any_store = pytest.mark.parametrize("new_store", [StrictStartFrom, WithoutStartFrom, SparsePages])


@any_store
@given(tags=TAG_SETS, n=st.integers(1, 12))
async def test_the_pages_of_any_tags_are_all_tags_in_lexical_order(
    new_store: type[MemoryStore], tags: set[str], n: int
) -> None:
    """Storage lists folders, which have another order: "a-b/" and "a.b/" before "a/"."""
    store = new_store()
    await put_revision(store)
    for tag in tags:
        await put_tag(store, tag)
    ask = tags_of(store)
    assert (await ask(ALL)).entries == tuple(sorted(tags))
    assert joined(await pages_by_link(ask, PageQuery(n))) == sorted(tags)
    by_last = await pages_by_last(ask, n)
    assert joined(by_last) == sorted(tags)
    assert all(len(page) == n for page in by_last[:-1])


@any_store
@example(tags={"a", "b"}, last="a" * 2000, n=1)
@given(tags=TAG_SETS, last=LASTS, n=st.integers(1, 12))
async def test_tags_continue_after_any_text(
    new_store: type[MemoryStore], tags: set[str], last: str, n: int
) -> None:
    store = new_store()
    await put_revision(store)
    for tag in tags:
        await put_tag(store, tag)
    pages = await pages_by_link(tags_of(store), PageQuery(n, last))
    assert joined(pages) == sorted(tag for tag in tags if tag > last)


@any_store
@example(repositories={"a", "b"}, last="a" * 2000, n=1)
@given(repositories=st.sets(names(), max_size=20), last=names() | LASTS, n=st.integers(1, 7))
async def test_repositories_continue_after_any_text(
    new_store: type[MemoryStore], repositories: set[str], last: str, n: int
) -> None:
    store = new_store()
    for name in repositories:
        await Catalog(store).mark(name)
    pages = await pages_by_link(catalog_of(store), PageQuery(n, last))
    assert joined(pages) == sorted(name for name in repositories if name > last)


@example(tags={"a", "a.b", "a.b-0", "b", "b0"}, last="a.b-0", n=2)
@given(tags=TAG_SETS, last=st.text("ab-.0_", max_size=5), n=st.integers(1, 12))
async def test_a_page_of_tags_is_one_listing_and_full_after_any_text(
    tags: set[str], last: str, n: int
) -> None:
    """Also without a link, which has storage's continuation."""
    store = CountingStore(MemoryStore())
    for tag in tags:
        await put_tag(store, tag)
    expected = sorted(tag for tag in tags if tag > last)[:n]
    if not expected:
        return
    store.calls.clear()
    assert (await tags_of(store)(PageQuery(n, last))).entries == tuple(expected)
    assert store.take().count("list_page") == 1


@given(
    tags=TAG_SETS,
    changes=st.lists(st.text("ab-.0_", min_size=1, max_size=5).filter(is_tag), max_size=60),
    n=st.integers(1, 12),
)
async def test_tags_that_come_and_go_between_pages_affect_no_others(
    tags: set[str], changes: list[str], n: int
) -> None:
    """Every tag that exists all the time is listed once, and none twice."""
    store = MemoryStore()
    await put_revision(store)
    for tag in tags:
        await put_tag(store, tag)
    rest = iter(changes)

    async def change() -> None:
        for tag in (next(rest, None), next(rest, None)):
            if tag is None:
                continue
            if tag in tags or LAYOUT.tag_link("r", tag) not in store.objects:
                await put_tag(store, tag)
            else:
                await store.delete(LAYOUT.tag_link("r", tag))
                await store.delete(LAYOUT.tag_index_link("r", tag, DIGEST))

    seen = joined(await pages_by_link(tags_of(store), PageQuery(n), change))
    assert seen == sorted(set(seen))
    assert tags <= set(seen) <= tags | set(changes)


@given(st.sets(names(), max_size=20), st.integers(1, 7))
async def test_the_pages_of_any_catalog_are_all_names_in_lexical_order(
    repositories: set[str], n: int
) -> None:
    """Storage has the markers in that order, so a page is one call, and full."""
    store = MemoryStore()
    for name in repositories:
        await Catalog(store).mark(name)
    ask = catalog_of(store)
    assert (await ask(ALL)).entries == tuple(sorted(repositories))
    assert joined(await pages_by_last(ask, n)) == sorted(repositories)
    pages = await pages_by_link(ask, PageQuery(n))
    assert joined(pages) == sorted(repositories)
    assert all(len(page) == n for page in pages[:-1])


@given(st.lists(names(), max_size=10))
def test_markers_are_in_the_order_of_names_and_contain_them(repositories: list[str]) -> None:
    markers = sorted(map(LAYOUT.catalog_marker, repositories))
    assert list(map(LAYOUT.marked_repository, markers)) == sorted(repositories)


async def test_other_objects_in_the_catalogs_folder_are_not_listed() -> None:
    store = MemoryStore()
    await store.put(LAYOUT.catalog_marker("a/b"), b"")
    await store.put(f"{LAYOUT.catalog}A%2FB", b"")
    assert (await catalog_of(store)(ALL)).entries == ("a/b",)


async def test_a_tag_that_is_later_in_storage_is_looked_up_once(store: CountingStore) -> None:
    """Storage has "v1" after everything that begins with "v1.": the first page looks for it."""
    for number in range(30):
        await put_tag(store, f"v1.{number:02}")
    await put_tag(store, "v1")
    store.calls.clear()
    pages = await pages_by_link(tags_of(store), PageQuery(10))
    assert [len(page) for page in pages] == [10, 10, 10, 1]
    assert pages[0][0] == "v1"
    assert store.take() == ["list_page", "head", "list_page", "list_page", "list_page"]


async def test_a_page_of_the_catalog_ends_where_storage_returns_only_empty_pages() -> None:
    store = EmptyPages(MemoryStore())
    listing = await catalog_of(store)(PageQuery(5))
    assert (listing.entries, store.take()) == ((), ["list_page"] * 8)
    assert listing.next is not None
    again = await catalog_of(store)(listing.next)
    assert (again.next is not None, len(store.take())) == (True, 8)


async def test_a_page_of_no_entries_is_empty(store: CountingStore) -> None:
    await put_tag(store, "v1")
    assert await tags_of(store)(PageQuery(0)) == Listing(())
    assert await catalog_of(store)(PageQuery(0)) == Listing(())


async def test_a_repository_without_tags_has_an_empty_list_and_an_unknown_one_is_refused(
    store: CountingStore,
) -> None:
    ask = tags_of(store)
    for page in (ALL, PageQuery(0), PageQuery(5), PageQuery(5, "z")):
        with pytest.raises(NameUnknown):
            await ask(page)
    await put_revision(store)
    for page in (ALL, PageQuery(0), PageQuery(5), PageQuery(5, "z")):
        assert await ask(page) == Listing(())


@pytest.mark.parametrize("token", ["!", "a", "é", "_w"])
async def test_a_token_that_was_never_returned_is_refused(store: CountingStore, token: str) -> None:
    """Neither base64 nor UTF-8."""
    await put_tag(store, "v1")
    store.calls.clear()
    with pytest.raises(PaginationNumberInvalid):
        await tags_of(store)(PageQuery(5, "a", token))
    assert store.take() == []


async def test_a_token_of_another_listing_is_refused(store: CountingStore) -> None:
    for number in range(3):
        await put_tag(store, f"v{number}")
    first = await tags_of(store)(PageQuery(1))
    assert first.next
    with pytest.raises(PaginationNumberInvalid):
        await catalog_of(store)(first.next)
