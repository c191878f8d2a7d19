"""The contract for listings."""

from __future__ import annotations

import pytest

from registry_core.object_store.interface import Entry, ObjectStore, exists_below, list_all
from tests.contracts.object_store.common import listed


class Listings:
    """Objects are listed in pages, in lexical order."""

    pytestmark = pytest.mark.anyio

    PATHS = ("p/a", "p/a-b", "p/a.b", "p/a/1", "p/a/2", "p/a_b", "p/ab", "p/b/x/y", "q")
    FOLDERS = ("p/a", "p/a-b", "p/a.b", "p/a/", "p/a_b", "p/ab", "p/b/")

    async def _fill(self, store: ObjectStore) -> None:
        for path in reversed(self.PATHS):
            await store.put(path, path.encode(), metadata={"digest": path})

    async def test_a_listing_without_objects_is_empty(self, store: ObjectStore) -> None:
        assert await listed(store, "p/") == []
        assert not await exists_below(store, "p/")

    async def test_paths_are_listed_in_lexical_order(self, store: ObjectStore) -> None:
        await self._fill(store)
        assert _paths(await listed(store, "")) == list(self.PATHS)

    async def test_a_prefix_need_not_end_with_a_slash(self, store: ObjectStore) -> None:
        await self._fill(store)
        assert _paths(await listed(store, "p/a/")) == ["p/a/1", "p/a/2"]
        assert _paths(await listed(store, "p/a_")) == ["p/a_b"]

    async def test_rows_have_the_same_properties_as_head(self, store: ObjectStore) -> None:
        await self._fill(store)
        for entry in await listed(store, "p/", metadata=True):
            assert entry.properties == await store.head(entry.path)

    async def test_metadata_are_listed_on_request_only(self, store: ObjectStore) -> None:
        await self._fill(store)
        for by_folder in (False, True):
            rows = await listed(store, "p/", by_folder=by_folder)
            assert all(not row.properties.metadata for row in rows if row.properties)
            rows = await listed(store, "p/", by_folder=by_folder, metadata=True)
            found = {row.path: row.properties.metadata for row in rows if row.properties}
            assert found == {path: {"digest": path} for path in found}
            assert "p/a_b" in found

    async def test_folders_and_objects_are_listed_in_one_lexical_order(
        self, store: ObjectStore
    ) -> None:
        await self._fill(store)
        rows = await listed(store, "p/", by_folder=True)
        assert _paths(rows) == list(self.FOLDERS)
        assert [row.path for row in rows if row.properties is None] == ["p/a/", "p/b/"]
        assert _paths(await listed(store, "", by_folder=True)) == ["p/", "q"]

    @pytest.mark.parametrize("limit", [1, 2, 3, 7, 9])
    @pytest.mark.parametrize("by_folder", [False, True])
    async def test_each_page_continues_where_the_previous_one_ended(
        self, store: ObjectStore, limit: int, *, by_folder: bool
    ) -> None:
        await self._fill(store)
        paths: list[str] = []
        continuation = None
        for _ in range(len(self.PATHS) + 2):
            page = await store.list_page(
                "p/", by_folder=by_folder, limit=limit, continuation=continuation
            )
            assert len(page.entries) <= limit
            paths += [entry.path for entry in page.entries]
            continuation = page.continuation
            if continuation is None:
                break
        assert continuation is None
        assert paths == list(self.FOLDERS if by_folder else self.PATHS[:-1])

    async def test_objects_below_a_prefix_are_found_however_empty_the_first_page_is(
        self, store: ObjectStore
    ) -> None:
        await self._fill(store)
        assert await exists_below(store, "p/b/")
        assert not await exists_below(store, "p/c")

    @pytest.mark.parametrize(
        "start, paths",
        [
            ("p/", PATHS[:-1]),
            ("p/a", PATHS[:-1]),
            ("p/a.", PATHS[2:-1]),
            ("p/a.b", PATHS[2:-1]),
            ("p/a/2", PATHS[4:-1]),
            ("p/c", ()),
        ],
    )
    async def test_a_listing_starts_from_a_path_whether_it_exists_or_not(
        self, store: ObjectStore, start: str, paths: tuple[str, ...]
    ) -> None:
        await self._fill(store)
        assert _paths(await listed(store, "p/", start_from=start)) == list(paths)

    @pytest.mark.parametrize(
        "start, folders",
        [("p/a", FOLDERS), ("p/a-", FOLDERS[1:]), ("p/a-b", FOLDERS[1:]), ("p/b", FOLDERS[6:])],
    )
    async def test_a_listing_by_folder_starts_before_the_folder_of_that_name(
        self, store: ObjectStore, start: str, folders: tuple[str, ...]
    ) -> None:
        await self._fill(store)
        assert _paths(await listed(store, "p/", by_folder=True, start_from=start)) == list(folders)

    @pytest.mark.parametrize("by_folder", [False, True])
    async def test_a_listing_that_started_from_a_path_continues_without_it(
        self, store: ObjectStore, *, by_folder: bool
    ) -> None:
        await self._fill(store)
        rows = await listed(store, "p/", by_folder=by_folder, start_from="p/a-b", limit=2)
        assert _paths(rows) == list(self.FOLDERS[1:] if by_folder else self.PATHS[1:-1])

    async def test_list_all_yields_the_entries_of_every_page(self, store: ObjectStore) -> None:
        await self._fill(store)
        rows = [row async for row in list_all(store, "p/", by_folder=True, metadata=True)]
        assert [row.path for row in rows] == list(self.FOLDERS)


def _paths(rows: list[Entry]) -> list[str]:
    return [row.path for row in rows]
