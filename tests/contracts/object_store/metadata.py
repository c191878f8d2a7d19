"""The contract for metadata that are replaced."""

from __future__ import annotations

import asyncio

import pytest

from registry_core.object_store.errors import ConditionFailed, NotFound
from registry_core.object_store.interface import ObjectStore, if_match

from .common import CONTENT, INVALID_METADATA, STALE, content_of, make_block_id, stage


class Metadata:
    """Metadata are replaced, and the content stays as it is."""

    pytestmark = pytest.mark.anyio

    async def test_metadata_are_replaced_as_a_whole(self, store: ObjectStore) -> None:
        await store.put("a", CONTENT, metadata={"old": "1", "kept": "2"})
        before = await store.head("a")
        etag = await store.set_metadata("a", {"kept": "3", "new": "4"})
        after = await store.head("a")
        assert after.metadata == {"kept": "3", "new": "4"}
        assert etag == after.etag != before.etag
        assert after.size == before.size
        assert after.last_modified >= before.last_modified
        assert await content_of(store, "a") == CONTENT

    async def test_all_metadata_can_be_removed(self, store: ObjectStore) -> None:
        await store.put("a", CONTENT, metadata={"old": "1"})
        await store.set_metadata("a", {})
        assert (await store.head("a")).metadata == {}

    async def test_the_same_metadata_make_a_new_version(self, store: ObjectStore) -> None:
        before = await store.put("a", CONTENT, metadata={"same": "1"})
        etag = await store.set_metadata("a", {"same": "1"})
        assert etag != before
        with pytest.raises(ConditionFailed):
            await store.delete("a", condition=if_match(before))

    async def test_committed_and_staged_blocks_stay(self, store: ObjectStore) -> None:
        await stage(store, "a", "1", b"one")
        await store.commit("a", [make_block_id("1")], metadata={"old": "1"})
        await stage(store, "a", "2", b"two")
        etag = await store.set_metadata("a", {"new": "2"})
        assert await store.committed_blocks("a") == (etag, [make_block_id("1")])
        await store.commit("a", [make_block_id("1"), make_block_id("2")])
        assert await content_of(store, "a") == b"onetwo"

    async def test_a_missing_object_is_not_found(self, store: ObjectStore) -> None:
        with pytest.raises(NotFound):
            await store.set_metadata("a", {"new": "1"})
        with pytest.raises((NotFound, ConditionFailed)):
            await store.set_metadata("a", {"new": "1"}, condition=STALE)
        await stage(store, "a", "1", b"one")
        with pytest.raises(NotFound):
            await store.set_metadata("a", {"new": "1"})

    async def test_metadata_are_set_only_if_the_object_is_the_same(
        self, store: ObjectStore
    ) -> None:
        seen = await store.put("a", CONTENT, metadata={"old": "1"})
        marked = await store.set_metadata("a", {"mark": "2"}, condition=if_match(seen))
        with pytest.raises(ConditionFailed):
            await store.set_metadata("a", {"mark": "3"}, condition=if_match(seen))
        found = await store.head("a")
        assert (found.etag, found.metadata) == (marked, {"mark": "2"})

    async def test_one_of_two_concurrent_changes_takes_place(self, store: ObjectStore) -> None:
        seen = if_match(await store.put("a", CONTENT))
        changes = [store.set_metadata("a", {"by": by}, condition=seen) for by in ("one", "two")]
        results = await asyncio.gather(*changes, return_exceptions=True)
        [etag] = [result for result in results if isinstance(result, str)]
        assert sum(isinstance(result, ConditionFailed) for result in results) == 1
        assert (await store.head("a")).etag == etag

    @pytest.mark.parametrize("metadata", INVALID_METADATA)
    async def test_metadata_that_storage_would_change_cannot_be_set(
        self, store: ObjectStore, metadata: dict[str, str]
    ) -> None:
        etag = await store.put("a", CONTENT)
        with pytest.raises(ValueError, match="metadata"):
            await store.set_metadata("a", metadata)
        assert (await store.head("a")).etag == etag
