"""20,000 tags and as many repositories: each is listed once, in the fewest storage calls."""

from collections.abc import AsyncIterator, Callable, Iterator
from itertools import count

import pytest

from registry_core.object_store.memory import MemoryStore
from registry_core.serve.azurite import Azurite
from registry_core.spec.endpoints import ALL, PageQuery
from tests.support.azurite import create_container, opened
from tests.support.counting import CountingStore
from tests.support.full_azurite import fill
from tests.support.listings import (
    LAYOUT,
    catalog_of,
    joined,
    pages_by_last,
    pages_by_link,
    tags_of,
)

pytestmark = pytest.mark.anyio

# With "v1", "v10" and the like between those that begin with "v1." and "v1-".
TAGS = sorted(f"{kind}{number}" for number in range(5000) for kind in ("v", "v1.", "v1-", "w"))
REPOSITORIES = sorted(f"{tag[0]}/{tag}" for tag in TAGS)
PATHS = [
    *(LAYOUT.tag_link("r", tag) for tag in TAGS),
    *(LAYOUT.catalog_marker(name) for name in REPOSITORIES),
]


def added_tags(number: int) -> list[str]:
    """Return the paths of more of them: before, among and after the others."""
    tags = (f"v1.added{number}", f"{'avz'[number % 3]}{number}-added")
    return [LAYOUT.tag_link("r", tag) for tag in tags]


def added_repositories(number: int) -> list[str]:
    """See `added_tags`."""
    names = (f"v/v{number}-added", f"{'avz'[number % 3]}{number}/added")
    return [LAYOUT.catalog_marker(name) for name in names]


@pytest.fixture(scope="module")
def full_azurite(
    azurite: Azurite, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Azurite, str]]:
    """A separate Azurite and its container, so that the one that tests share stays fast."""
    del azurite  # that fixture skips the test, or fails, where there is no Azurite
    with Azurite(tmp_path_factory.mktemp("full-azurite")) as full:
        container = create_container(full)
        fill(full, container, PATHS)
        yield full, container


@pytest.fixture(params=["memory", pytest.param("azurite", marks=pytest.mark.nightly)])
async def full(request: pytest.FixtureRequest) -> AsyncIterator[CountingStore]:
    """A store that contains all of them."""
    if request.param == "memory":
        memory = MemoryStore()
        for path in PATHS:
            await memory.put(path, b"x")
        yield CountingStore(memory)
        return
    azurite, container = request.getfixturevalue("full_azurite")
    async with opened(azurite, container) as store:
        yield CountingStore(store)


class Costs:
    """The calls that each page took. `add` is called between pages and writes more."""

    def __init__(self, store: CountingStore, added: Callable[[int], list[str]]) -> None:
        self._store, self._added, self._numbers = store, added, count()
        self.listings: list[int] = []
        self.heads: list[int] = []
        store.calls.clear()

    async def add(self) -> None:
        calls = self._store.take()
        self.listings.append(calls.count("list_page"))
        self.heads.append(calls.count("head"))
        for path in self._added(next(self._numbers)):
            await self._store.put(path, b"x")
        self._store.calls.clear()


def assert_all_once(pages: list[tuple[str, ...]], listed: list[str]) -> None:
    seen = joined(pages)
    assert seen == sorted(set(seen))
    assert set(listed) <= set(seen)
    assert all("added" in name for name in set(seen) - set(listed))


async def test_20000_tags_in_few_calls_while_others_are_added(full: CountingStore) -> None:
    ask = tags_of(full)
    costs = Costs(full, added_tags)
    assert (await ask(ALL)).entries == tuple(TAGS)
    assert full.take().count("list_page") == 4
    for pages in (
        await pages_by_link(ask, PageQuery(1000), costs.add),
        await pages_by_last(ask, 1000, costs.add),
    ):
        assert_all_once(pages, TAGS)
        assert 20 <= len(pages) <= 23
    assert set(costs.listings) == {1}
    assert sum(costs.heads) < 10


async def test_20000_repositories_in_few_calls_while_others_are_added(full: CountingStore) -> None:
    ask = catalog_of(full)
    costs = Costs(full, added_repositories)
    assert (await ask(ALL)).entries == tuple(REPOSITORIES)
    assert full.take() == ["list_page"] * 4
    for pages in (
        await pages_by_link(ask, PageQuery(1000), costs.add),
        await pages_by_last(ask, 1000, costs.add),
    ):
        assert_all_once(pages, REPOSITORIES)
        assert 20 <= len(pages) <= 22
    assert set(costs.listings) == {1}
    assert sum(costs.heads) == 0
