"""Listings of storage in Azure: pages that are empty, where they start, what they leave out."""

from __future__ import annotations

import pytest

from registry_core.aio import for_each
from registry_core.object_store.azure import AzureBlobStore
from registry_core.object_store.interface import exists_below
from tests.contracts.object_store import listed
from tests.live.account import has_soft_delete
from tests.live.conftest import Note

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(1800)]


async def test_an_object_is_found_behind_many_deleted_and_overwritten_ones(
    store: AzureBlobStore, note: Note
) -> None:
    """Needs Azure with soft delete, whose pages may be empty there (P5): 10,000 writes, minutes."""
    count = 10_000 if await has_soft_delete(store) else 200

    async def overwrite(number: int) -> None:
        path = f"p/{number % (count // 2):06d}"
        await store.put(path, b"")
        if number >= count // 2:
            await store.delete(path)

    await for_each(range(count // 2), overwrite, limit=32)
    await for_each(range(count // 2, count), overwrite, limit=32)
    assert not await exists_below(store, "p/")
    await store.put("p/last", b"")
    for _ in range(count // 100):
        await store.put("p/last", b"")
    assert await exists_below(store, "p/")
    pages, rows, continuation = 0, 0, None
    while True:
        page = await store.list_page("p/", limit=1, continuation=continuation)
        pages, rows, continuation = pages + 1, rows + len(page.entries), page.continuation
        if continuation is None:
            break
    assert rows == 1
    note(f"pages of one row for one object behind {count} writes", pages)


async def test_start_and_delimiter_are_understood_together(
    store: AzureBlobStore, note: Note
) -> None:
    """Needs Azure: whether `startFrom` works with a delimiter is not documented (S2).

    Where it is refused, the store lists from the beginning.
    """
    for path in ("p/a/1", "p/b/1", "p/b/2", "p/c", "p/d/1"):
        await store.put(path, b"")
    for by_folder in (False, True):
        rows = [
            row.path
            for row in await listed(store, "p/", by_folder=by_folder, start_from="p/b", limit=2)
        ]
        expected = ["p/b/", "p/c", "p/d/"] if by_folder else ["p/b/1", "p/b/2", "p/c", "p/d/1"]
        assert [path for path in rows if path >= "p/b"] == expected
        note(
            f"startFrom {'with' if by_folder else 'without'} a delimiter saves calls",
            rows == expected,
        )
    note("startFrom is accepted", store._lister._can_start_from)


async def test_a_row_has_its_access_tier(store: AzureBlobStore, note: Note) -> None:
    """What `doctor` reports of archived content."""
    await store.put("a", b"")
    [row] = await listed(store, "")
    assert row.properties
    assert row.properties.tier == (await store.head("a")).tier
    assert not row.properties.archived
    note("the tier of a new blob", row.properties.tier or "none")
