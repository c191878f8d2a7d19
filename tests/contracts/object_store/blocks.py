"""The contract for blocks."""

from __future__ import annotations

import hashlib
from contextlib import suppress

import pytest

from registry_core.object_store.errors import (
    BlockListInvalid,
    ConditionFailed,
    NotFound,
    StoreUnavailable,
)
from registry_core.object_store.interface import (
    IF_ABSENT,
    Entry,
    ObjectStore,
    StagedBlocks,
    if_match,
    list_all,
)

from .common import CONTENT, MANY_BYTES, STALE, content_of, listed, make_block_id, stage


class Blocks:
    """Blocks are staged and committed."""

    pytestmark = pytest.mark.anyio

    async def test_staged_blocks_are_not_visible(self, store: ObjectStore) -> None:
        await stage(store, "a", "1", CONTENT)
        with pytest.raises(NotFound):
            await store.get("a", limit=MANY_BYTES)
        with pytest.raises(NotFound):
            await store.head("a")
        with pytest.raises(NotFound):
            await store.committed_blocks("a")
        assert [entry async for entry in list_all(store, "")] == []

    async def test_staged_blocks_do_not_change_the_object(self, store: ObjectStore) -> None:
        etag = await store.put("a", CONTENT)
        await stage(store, "a", "1", b"new")
        assert (await store.head("a")).etag == etag
        assert await content_of(store, "a") == CONTENT

    async def test_a_commit_joins_blocks_in_its_own_order(self, store: ObjectStore) -> None:
        for name in ("3", "1", "2"):
            await stage(store, "a", name, name.encode() * 3)
        ids = [make_block_id("1"), make_block_id("2"), make_block_id("3")]
        etag = await store.commit("a", ids, metadata={"state": "x"})
        found = await store.get("a", limit=MANY_BYTES)
        assert found.content == b"111222333"
        assert found.properties.metadata == {"state": "x"}
        assert found.properties.etag == etag
        assert await store.committed_blocks("a") == (etag, ids)

    async def test_a_commit_drops_the_blocks_that_it_does_not_name(
        self, store: ObjectStore
    ) -> None:
        await stage(store, "a", "1", b"one")
        await stage(store, "a", "2", b"two")
        await store.commit("a", [make_block_id("1")])
        with pytest.raises(BlockListInvalid):
            await store.commit("a", [make_block_id("1"), make_block_id("2")])
        assert await content_of(store, "a") == b"one"

    async def test_a_commit_may_reuse_committed_blocks(self, store: ObjectStore) -> None:
        await stage(store, "a", "1", b"one")
        first = await store.commit("a", [make_block_id("1")], metadata={"state": "1"})
        await stage(store, "a", "2", b"two")
        ids = [make_block_id("1"), make_block_id("2")]
        second = await store.commit("a", ids, condition=if_match(first))
        assert await content_of(store, "a") == b"onetwo"
        assert await store.committed_blocks("a") == (second, ids)
        assert (await store.head("a")).metadata == {}

    async def test_one_of_two_commits_from_the_same_state_succeeds(
        self, store: ObjectStore
    ) -> None:
        await stage(store, "a", "1", b"one")
        etag = await store.commit("a", [make_block_id("1")])
        await stage(store, "a", "2", b"two")
        await stage(store, "a", "3", b"three")
        await store.commit("a", [make_block_id("1"), make_block_id("2")], condition=if_match(etag))
        with pytest.raises(ConditionFailed):
            await store.commit(
                "a", [make_block_id("1"), make_block_id("3")], condition=if_match(etag)
            )
        assert await content_of(store, "a") == b"onetwo"

    async def test_a_commit_if_absent_fails_if_there_is_an_object(self, store: ObjectStore) -> None:
        await stage(store, "a", "1", b"one")
        await store.commit("a", [make_block_id("1")], condition=IF_ABSENT)
        await stage(store, "a", "2", b"two")
        with pytest.raises(ConditionFailed):
            await store.commit("a", [make_block_id("2")], condition=IF_ABSENT)
        assert await content_of(store, "a") == b"one"

    async def test_blocks_stay_staged_after_a_failed_commit(self, store: ObjectStore) -> None:
        await store.put("a", CONTENT)
        await stage(store, "a", "1", b"one")
        with pytest.raises(ConditionFailed):
            await store.commit("a", [make_block_id("1")], condition=STALE)
        await store.commit("a", [make_block_id("1")])
        assert await content_of(store, "a") == b"one"

    async def test_a_commit_if_match_needs_an_object(self, store: ObjectStore) -> None:
        await stage(store, "a", "1", b"one")
        with pytest.raises(ConditionFailed):
            await store.commit("a", [make_block_id("1")], condition=STALE)

    async def test_a_block_that_is_not_staged_cannot_be_committed(self, store: ObjectStore) -> None:
        await stage(store, "a", "1", b"one")
        with pytest.raises(BlockListInvalid):
            await store.commit("a", [make_block_id("1"), make_block_id("2")])
        with pytest.raises(BlockListInvalid):
            await store.commit("b", [make_block_id("1")])
        with pytest.raises(NotFound):
            await store.head("a")

    async def test_a_block_staged_again_replaces_the_first(self, store: ObjectStore) -> None:
        await stage(store, "a", "1", b"old")
        await stage(store, "a", "1", b"new")
        await store.commit("a", [make_block_id("1")])
        await stage(store, "a", "1", b"newest")
        await store.commit("a", [make_block_id("1")])
        assert await content_of(store, "a") == b"newest"

    async def test_a_commit_of_no_blocks_makes_an_empty_object(self, store: ObjectStore) -> None:
        etag = await store.commit("a", [])
        assert await content_of(store, "a") == b""
        assert await store.committed_blocks("a") == (etag, [])

    async def test_an_object_that_was_put_has_no_blocks(self, store: ObjectStore) -> None:
        etag = await store.put("a", CONTENT)
        assert await store.committed_blocks("a") == (etag, [])

    async def test_a_listing_has_what_is_only_staged_on_request(self, store: ObjectStore) -> None:
        await store.put("p/empty", b"", metadata={"digest": "x"})
        await stage(store, "p/folder/staged", "1", b"one")
        await store.put("p/put", CONTENT)
        await stage(store, "p/put", "1", b"one")
        await stage(store, "p/staged", "1", b"one")
        await store.commit("p/without-blocks", [])
        rows = await listed(store, "p/", uncommitted=True, metadata=True)
        assert [row for row in rows if row.uncommitted] == [
            Entry("p/folder/staged", uncommitted=True),
            Entry("p/staged", uncommitted=True),
        ]
        objects = [row for row in rows if not row.uncommitted]
        assert [row.path for row in objects] == ["p/empty", "p/put", "p/without-blocks"]
        assert [row.properties for row in objects] == [
            await store.head(row.path) for row in objects
        ]
        assert await listed(store, "p/", metadata=True) == objects
        by_folder = await listed(store, "p/", by_folder=True, uncommitted=True)
        assert [row.path for row in by_folder if row.properties is None] == [
            "p/folder/",
            "p/staged",
        ]
        assert not by_folder[1].uncommitted

    async def test_staged_blocks_are_counted_with_or_without_an_object(
        self, store: ObjectStore
    ) -> None:
        await store.put("a", CONTENT)
        assert await store.uncommitted_blocks("a") == StagedBlocks(0, 0)
        for path in ("a", "b"):
            await stage(store, path, "1", b"one")
            await stage(store, path, "2", b"three")
            await stage(store, path, "2", b"seventh")
            assert await store.uncommitted_blocks(path) == StagedBlocks(2, 10)
        await store.commit("b", [make_block_id("1")])
        assert await store.uncommitted_blocks("b") == StagedBlocks(0, 0)
        with pytest.raises(NotFound):
            await store.uncommitted_blocks("c")

    async def test_a_put_takes_place_where_only_blocks_are_staged(self, store: ObjectStore) -> None:
        await stage(store, "a", "1", b"one")
        await store.put("a", CONTENT)
        assert await content_of(store, "a") == CONTENT

    async def test_a_put_if_absent_where_only_blocks_are_staged_is_done_or_refused(
        self, store: ObjectStore
    ) -> None:
        """Azurite refuses it; what Azure does is not documented."""
        await stage(store, "a", "1", b"one")
        try:
            await store.put("a", CONTENT, condition=IF_ABSENT)
        except ConditionFailed:
            with pytest.raises(NotFound):
                await store.head("a")
        else:
            assert await content_of(store, "a") == CONTENT

    async def test_a_commit_if_absent_takes_place_where_others_have_staged_blocks(
        self, store: ObjectStore
    ) -> None:
        await stage(store, "a", "1", b"one")
        await stage(store, "a", "2", b"another upload's")
        await store.commit("a", [make_block_id("1")], condition=IF_ABSENT)
        assert await content_of(store, "a") == b"one"

    async def test_deleting_what_is_only_staged_makes_no_object(self, store: ObjectStore) -> None:
        """Azurite drops the blocks; otherwise there is nothing to delete."""
        await stage(store, "a", "1", b"one")
        with suppress(NotFound):
            await store.delete("a")
        with pytest.raises(NotFound):
            await store.head("a")
        await store.put("a", CONTENT)
        assert await content_of(store, "a") == CONTENT

    async def test_a_block_with_another_md5_is_refused(self, store: ObjectStore) -> None:
        with pytest.raises(StoreUnavailable):
            await store.stage("a", make_block_id("1"), CONTENT, md5=hashlib.md5(b"other").digest())
        with pytest.raises(BlockListInvalid):
            await store.commit("a", [make_block_id("1")])

    @pytest.mark.parametrize("block_id", ["", "short", "x" * 22, "x" * 24, "ä" * 23])
    async def test_a_block_id_of_the_wrong_form_is_refused(
        self, store: ObjectStore, block_id: str
    ) -> None:
        md5 = hashlib.md5(CONTENT).digest()
        with pytest.raises(ValueError, match="block id"):
            await store.stage("a", block_id, CONTENT, md5=md5)
