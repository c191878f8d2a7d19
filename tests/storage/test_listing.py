"""Pages of tags and of the catalog: each entry once, in lexical order, in few storage calls."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_core.local.azurite import Azurite
from registry_core.registry import Listing
from registry_core.spec.digest import Digest
from registry_core.spec.endpoints import ALL, PageQuery
from registry_core.spec.errors import NameUnknown, PaginationNumberInvalid
from registry_core.spec.names import is_tag
from registry_core.storage.catalog import Catalog
from registry_core.storage.layout import Layout
from registry_core.storage.memory import MemoryStore
from registry_core.storage.object_store import ObjectStore
from registry_core.storage.shelf import Shelf
from registry_core.storage.tags import Tags
from tests.spec.strategies import names
from tests.support.azurite import opened
from tests.support.counting import CountingStore

pytestmark = pytest.mark.anyio

LAYOUT = Layout()
DIGEST = Digest.of(b"{}")
TAG_SETS = st.sets(st.text("ab-.0_", min_size=1, max_size=5).filter(is_tag), max_size=40)

Ask = Callable[[PageQuery], Awaitable[Listing[str]]]
BetweenPages = Callable[[], Awaitable[None]]


async def put_tag(store: ObjectStore, tag: str) -> None:
    """As a push does."""
    await store.put(LAYOUT.tag_index_link("r", tag, DIGEST), str(DIGEST).encode())
    await store.put(LAYOUT.tag_link("r", tag), str(DIGEST).encode())


async def put_revision(store: ObjectStore) -> None:
    await store.put(LAYOUT.revision_link("r", DIGEST), str(DIGEST).encode())


def tags_of(store: ObjectStore) -> Ask:
    tags = Tags(Shelf(store))
    return lambda page: tags.list_tags("r", page)


async def pages_by_link(
    ask: Ask, page: PageQuery, between: BetweenPages | None = None
) -> list[tuple[str, ...]]:
    """Every page, as a client sees them that follows the links."""
    pages: list[tuple[str, ...]] = []
    following: PageQuery | None = page
    while following:
        listing = await ask(following)
        assert page.n is None or len(listing.entries) <= page.n
        pages.append(listing.entries)
        following = listing.next
        if between:
            await between()
    return pages


async def pages_by_last(ask: Ask, n: int) -> list[tuple[str, ...]]:
    """Every page, as a client sees them that asks for what comes behind the last entry it got."""
    pages: list[tuple[str, ...]] = []
    last: str | None = None
    while page := (await ask(PageQuery(n, last))).entries:
        pages.append(page)
        last = page[-1]
    return pages


def joined(pages: list[tuple[str, ...]]) -> list[str]:
    return [entry for page in pages for entry in page]


@given(tags=TAG_SETS, n=st.integers(1, 12))
async def test_the_pages_of_any_tags_are_all_tags_in_lexical_order(tags: set[str], n: int) -> None:
    """Storage lists folders, which have another order: "a-b/" and "a.b/" before "a/"."""
    store = MemoryStore()
    await put_revision(store)
    for tag in tags:
        await put_tag(store, tag)
    ask = tags_of(store)
    assert (await ask(ALL)).entries == tuple(sorted(tags))
    assert joined(await pages_by_link(ask, PageQuery(n))) == sorted(tags)
    by_last = await pages_by_last(ask, n)
    assert joined(by_last) == sorted(tags)
    assert all(len(page) == n for page in by_last[:-1])


@given(tags=TAG_SETS, last=st.text("ab-.0_", max_size=5), n=st.integers(1, 12))
async def test_pages_go_on_behind_any_text(tags: set[str], last: str, n: int) -> None:
    store = MemoryStore()
    await put_revision(store)
    for tag in tags:
        await put_tag(store, tag)
    pages = await pages_by_link(tags_of(store), PageQuery(n, last))
    assert joined(pages) == sorted(tag for tag in tags if tag > last)


@given(
    tags=TAG_SETS,
    changes=st.lists(st.text("ab-.0_", min_size=1, max_size=5).filter(is_tag), max_size=60),
    n=st.integers(1, 12),
)
async def test_tags_that_come_and_go_between_pages_touch_no_others(
    tags: set[str], changes: list[str], n: int
) -> None:
    """Every tag that is there all the time is listed once, and none is listed twice."""
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
    shelf = Shelf(store)
    for name in repositories:
        await shelf.mark_repository(name)
    ask = Catalog(shelf).list_repositories
    assert (await ask(ALL)).entries == tuple(sorted(repositories))
    assert joined(await pages_by_last(ask, n)) == sorted(repositories)
    pages = await pages_by_link(ask, PageQuery(n))
    assert joined(pages) == sorted(repositories)
    assert all(len(page) == n for page in pages[:-1])


@given(st.lists(names(), max_size=10))
def test_markers_are_in_the_order_of_names_and_tell_them(repositories: list[str]) -> None:
    markers = sorted(map(LAYOUT.catalog_marker, repositories))
    assert list(map(LAYOUT.marked_repository, markers)) == sorted(repositories)


async def test_what_is_no_marker_in_the_catalogs_folder_is_not_listed() -> None:
    store = MemoryStore()
    await store.put(LAYOUT.catalog_marker("a/b"), b"")
    await store.put(f"{LAYOUT.catalog}A%2FB", b"")
    assert (await Catalog(Shelf(store)).list_repositories(ALL)).entries == ("a/b",)


async def test_a_tag_that_storage_has_later_is_asked_for_once(store: CountingStore) -> None:
    """Storage has "v1" behind all that begins with "v1.": the first page asks for it."""
    for number in range(30):
        await put_tag(store, f"v1.{number:02}")
    await put_tag(store, "v1")
    store.calls.clear()
    pages = await pages_by_link(tags_of(store), PageQuery(10))
    assert [len(page) for page in pages] == [10, 10, 10, 1]
    assert pages[0][0] == "v1"
    assert store.take() == ["list_page", "head", "list_page", "list_page", "list_page"]


async def test_no_entries_are_no_page(store: CountingStore) -> None:
    await put_tag(store, "v1")
    assert await tags_of(store)(PageQuery(0)) == Listing(())
    assert await Catalog(Shelf(store)).list_repositories(PageQuery(0)) == Listing(())


async def test_a_repository_without_tags_has_none_and_an_unknown_one_is_unknown(
    store: CountingStore,
) -> None:
    ask = tags_of(store)
    for page in (ALL, PageQuery(0), PageQuery(5), PageQuery(5, "z")):
        with pytest.raises(NameUnknown):
            await ask(page)
    await put_revision(store)
    for page in (ALL, PageQuery(0), PageQuery(5), PageQuery(5, "z")):
        assert await ask(page) == Listing(())


@pytest.mark.parametrize("token", ["!", "a", "é", "MDphYmM", "NTAwMTphYmM", "eDp5", "OmFiYw", "_w"])
async def test_a_token_that_nobody_gave_out_is_refused(store: CountingStore, token: str) -> None:
    """Not base64, no UTF-8, without a number of rows, or with one that no call has."""
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
        await Catalog(Shelf(store)).list_repositories(first.next)


# 20,000, with "v1", "v10" and the like between those that begin with "v1." and "v1-".
LISTED = [f"{kind}{number}" for number in range(5000) for kind in ("v", "v1.", "v1-", "w")]


async def put_all(paths: list[str], store: ObjectStore) -> None:
    """Many at once."""
    rest = iter(paths)

    async def put_some() -> None:
        for path in rest:
            await store.put(path, b"x")

    await asyncio.gather(*(put_some() for _ in range(32)))


@pytest.fixture(params=["memory", "azurite"])
async def large(request: pytest.FixtureRequest) -> AsyncIterator[tuple[CountingStore, int]]:
    """A store, and how many entries to put there: Azurite takes minutes for 20,000."""
    if request.param == "memory":
        yield CountingStore(MemoryStore()), 20_000
        return
    azurite: Azurite = request.getfixturevalue("azurite")
    container_name: str = request.getfixturevalue("container_name")
    async with opened(azurite, container_name) as store:
        yield CountingStore(store), 6_000


async def test_many_tags_in_few_calls_while_others_are_added(
    large: tuple[CountingStore, int],
) -> None:
    store, count = large
    listed = LISTED[:count]
    await put_all([LAYOUT.tag_link("r", tag) for tag in listed], store)
    ask = tags_of(store)
    store.calls.clear()
    assert (await ask(ALL)).entries == tuple(sorted(listed))
    assert store.take().count("list_page") == -(-count // 5000)

    added = iter(range(100))
    calls: list[list[str]] = []

    async def add() -> None:
        calls.append(store.take())
        number = next(added)
        await put_tag(store, f"v1.added{number}")
        await put_tag(store, f"{'avz'[number % 3]}{number}-added")
        store.calls.clear()

    pages = await pages_by_link(ask, PageQuery(1000), add)
    seen = joined(pages)
    assert seen == sorted(set(seen))
    assert set(listed) <= set(seen)
    assert len(pages) <= count // 1000 + 3
    assert [page.count("list_page") for page in calls] == [1] * len(calls)
    assert sum(page.count("head") for page in calls) < 5


async def test_many_repositories_in_few_calls_while_others_are_added(
    large: tuple[CountingStore, int],
) -> None:
    store, count = large
    listed = [f"{name[0]}/{name}" for name in LISTED[:count]]
    await put_all([LAYOUT.catalog_marker(name) for name in listed], store)
    ask = Catalog(Shelf(store)).list_repositories
    store.calls.clear()
    assert (await ask(ALL)).entries == tuple(sorted(listed))
    assert store.take() == ["list_page"] * -(-count // 5000)

    added = iter(range(100))

    async def add() -> None:
        number = next(added)
        await store.put(LAYOUT.catalog_marker(f"v/v{number}-added"), b"")
        await store.put(LAYOUT.catalog_marker(f"z{number}/added"), b"")

    pages = await pages_by_link(ask, PageQuery(1000), add)
    seen = joined(pages)
    assert seen == sorted(set(seen))
    assert set(listed) <= set(seen)
    assert store.take().count("list_page") == len(pages) == count // 1000 + 1
