"""The contract for copies by storage."""

from __future__ import annotations

import pytest

from registry_core.object_store.errors import BlockListInvalid, ConditionFailed, NotFound
from registry_core.object_store.interface import IF_ABSENT, Condition, ObjectStore, if_match

from .common import CONTENT, MANY_BYTES, STALE, content_of, make_block_id, stage


class Copies:
    """Whole objects are copied, or parts of them staged as blocks."""

    pytestmark = pytest.mark.anyio

    async def test_a_copy_has_the_same_content_and_its_own_metadata(
        self, store: ObjectStore
    ) -> None:
        source = await store.put("source", CONTENT, metadata={"state": "secret"})
        etag = await store.copy("a", "source", size=10, metadata={"digest": "x"})
        found = await store.get("a", limit=MANY_BYTES)
        assert found.content == CONTENT
        assert found.properties.metadata == {"digest": "x"}
        assert found.properties.etag == etag
        assert (await store.head("source")).etag == source

    async def test_a_copy_of_committed_blocks_is_whole(self, store: ObjectStore) -> None:
        await stage(store, "source", "1", b"one")
        await stage(store, "source", "2", b"twelve")
        etag = await store.commit("source", [make_block_id("1"), make_block_id("2")])
        await store.copy("a", "source", size=9, metadata={"a": "b"}, source_etag=etag)
        assert await content_of(store, "a") == b"onetwelve"

    async def test_an_empty_object_is_copied(self, store: ObjectStore) -> None:
        await store.put("source", b"")
        await store.copy("a", "source", size=0, metadata={"a": "b"})
        assert (await store.head("a")).size == 0

    async def test_a_copy_without_metadata_is_refused(self, store: ObjectStore) -> None:
        await store.put("source", CONTENT)
        with pytest.raises(ValueError, match="metadata"):
            await store.copy("a", "source", size=10, metadata={})

    async def test_a_missing_source_is_not_found(self, store: ObjectStore) -> None:
        with pytest.raises(NotFound):
            await store.copy("a", "source", size=10, metadata={"a": "b"})
        with pytest.raises(NotFound):
            await store.stage_from("a", make_block_id("1"), "source")
        with pytest.raises(NotFound):
            await store.head("a")

    async def test_a_source_that_changed_is_not_copied(self, store: ObjectStore) -> None:
        before = await store.put("source", CONTENT)
        after = await store.put("source", b"9876543210")
        with pytest.raises(ConditionFailed):
            await store.copy("a", "source", size=10, metadata={"a": "b"}, source_etag=before)
        with pytest.raises(NotFound):
            await store.head("a")
        await store.copy("a", "source", size=10, metadata={"a": "b"}, source_etag=after)
        assert await content_of(store, "a") == b"9876543210"

    @pytest.mark.parametrize("condition", [IF_ABSENT, STALE])
    async def test_a_copy_does_not_overwrite_a_target_if_its_condition_fails(
        self, store: ObjectStore, condition: Condition
    ) -> None:
        await store.put("source", CONTENT)
        etag = await store.put("a", b"there")
        with pytest.raises(ConditionFailed):
            await store.copy("a", "source", size=10, metadata={"a": "b"}, condition=condition)
        assert (await store.head("a")).etag == etag

    async def test_a_copy_is_made_if_its_condition_holds(self, store: ObjectStore) -> None:
        await store.put("source", CONTENT)
        etag = await store.copy("a", "source", size=10, metadata={"a": "b"}, condition=IF_ABSENT)
        await store.put("source", b"9876543210")
        await store.copy("a", "source", size=10, metadata={"a": "b"}, condition=if_match(etag))
        assert await content_of(store, "a") == b"9876543210"

    async def test_a_copy_takes_place_where_only_blocks_are_staged(
        self, store: ObjectStore
    ) -> None:
        await store.put("source", CONTENT)
        await stage(store, "a", "1", b"one")
        await store.copy("a", "source", size=10, metadata={"a": "b"})
        assert await content_of(store, "a") == CONTENT

    async def test_a_copy_if_absent_where_only_blocks_are_staged_is_done_or_refused(
        self, store: ObjectStore
    ) -> None:
        """Azurite refuses it; what Azure does is not documented."""
        await store.put("source", CONTENT)
        await stage(store, "a", "1", b"one")
        try:
            await store.copy("a", "source", size=10, metadata={"a": "b"}, condition=IF_ABSENT)
        except ConditionFailed:
            with pytest.raises(NotFound):
                await store.head("a")
        else:
            assert await content_of(store, "a") == CONTENT

    async def test_blocks_are_staged_from_other_objects(self, store: ObjectStore) -> None:
        etag = await store.put("source", CONTENT)
        await store.stage_from(
            "a", make_block_id("1"), "source", offset=8, length=2, source_etag=etag
        )
        await store.stage_from("a", make_block_id("2"), "source")
        await stage(store, "a", "3", b"!")
        with pytest.raises(NotFound):
            await store.head("a")
        await store.commit("a", [make_block_id("1"), make_block_id("2"), make_block_id("3")])
        assert await content_of(store, "a") == b"890123456789!"

    async def test_a_source_that_changed_is_not_staged(self, store: ObjectStore) -> None:
        etag = await store.put("source", CONTENT)
        await store.put("source", CONTENT)
        with pytest.raises(ConditionFailed):
            await store.stage_from("a", make_block_id("1"), "source", source_etag=etag)
        with pytest.raises(BlockListInvalid):
            await store.commit("a", [make_block_id("1")])

    @pytest.mark.parametrize("offset, length", [(1, None), (1, 0), (0, 0)])
    async def test_a_part_of_the_source_needs_offset_and_length(
        self, store: ObjectStore, offset: int, length: int | None
    ) -> None:
        await store.put("source", CONTENT)
        with pytest.raises(ValueError, match="part of the source"):
            await store.stage_from("a", make_block_id("1"), "source", offset=offset, length=length)
