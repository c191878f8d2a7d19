"""The contract for blobs with snapshots, which backup tools and Undelete Blob leave behind."""

from __future__ import annotations

import pytest

from registry_core.object_store.errors import ConditionFailed, NotFound
from registry_core.object_store.interface import ObjectStore, if_match

from .common import CONTENT, STALE, TakeSnapshot, content_of


class SnapshotContract:
    """Snapshots hinder neither writes nor deletions, and are deleted with their blob."""

    pytestmark = pytest.mark.anyio

    async def test_an_object_with_snapshots_is_deleted(
        self, store: ObjectStore, take_snapshot: TakeSnapshot
    ) -> None:
        await store.put("a", CONTENT)
        await take_snapshot("a")
        await store.delete("a")
        with pytest.raises(NotFound):
            await store.head("a")

    async def test_an_object_with_snapshots_is_deleted_only_if_it_is_the_same(
        self, store: ObjectStore, take_snapshot: TakeSnapshot
    ) -> None:
        await store.put("a", CONTENT)
        await take_snapshot("a")
        written = await store.put("a", b"since")
        with pytest.raises(ConditionFailed):
            await store.delete("a", condition=STALE)
        assert await content_of(store, "a") == b"since"
        await store.delete("a", condition=if_match(written))
        with pytest.raises(NotFound):
            await store.head("a")

    async def test_an_object_with_snapshots_is_deleted_in_a_batch(
        self, store: ObjectStore, take_snapshot: TakeSnapshot
    ) -> None:
        await store.put("a", CONTENT)
        seen = await store.put("b", CONTENT)
        await take_snapshot("a")
        await take_snapshot("b")
        deleted = await store.delete_batch([("a", STALE), ("b", if_match(seen))])
        assert deleted == [False, True]
        assert [entry.path for entry in (await store.list_page("")).entries] == ["a"]
