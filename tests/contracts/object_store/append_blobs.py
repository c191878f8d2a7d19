"""The contract for append blobs, which other registries write."""

from __future__ import annotations

import pytest

from registry_core.object_store.errors import ConditionFailed, WrongKind
from registry_core.object_store.interface import ObjectStore, if_match

from .common import CONTENT, MANY_BYTES, STALE, Append, content_of, make_block_id, stage


class AppendBlobContract:
    """Append blobs can be read, listed and deleted, but not overwritten, as in Azure."""

    pytestmark = pytest.mark.anyio

    async def test_append_blobs_are_read_like_block_blobs(
        self, store: ObjectStore, append: Append
    ) -> None:
        await append("a", b"01234", b"56789")
        found = await store.get("a", limit=MANY_BYTES)
        assert found.content == CONTENT
        assert found.properties.is_append
        assert found.properties == await store.head("a")
        assert (await store.get_range("a", 4, 2)).content == b"45"
        page = await store.list_page("")
        assert [entry.properties for entry in page.entries] == [found.properties]
        await store.stage_from("b", make_block_id("1"), "a")
        await store.commit("b", [make_block_id("1")])
        assert await content_of(store, "b") == CONTENT

    async def test_a_new_append_blob_is_empty(self, store: ObjectStore, append: Append) -> None:
        await append("a")
        assert await content_of(store, "a") == b""

    async def test_append_blobs_are_not_overwritten(
        self, store: ObjectStore, append: Append
    ) -> None:
        await append("a", CONTENT)
        etag = (await store.head("a")).etag
        with pytest.raises(WrongKind):
            await store.put("a", b"new")
        with pytest.raises(WrongKind):
            await store.put("a", b"new", condition=if_match(etag))
        with pytest.raises(WrongKind):
            await stage(store, "a", "1", b"new")
        with pytest.raises(WrongKind):
            await store.stage_from("a", make_block_id("1"), "a")
        with pytest.raises(WrongKind):
            await store.commit("a", [])
        assert (await store.head("a")).etag == etag

    async def test_the_metadata_of_append_blobs_are_replaced(
        self, store: ObjectStore, append: Append
    ) -> None:
        await append("a", CONTENT)
        before = await store.head("a")
        with pytest.raises(ConditionFailed):
            await store.set_metadata("a", {"new": "1"}, condition=STALE)
        etag = await store.set_metadata("a", {"new": "1"}, condition=if_match(before.etag))
        after = await store.head("a")
        assert etag == after.etag != before.etag
        assert (after.metadata, after.is_append) == ({"new": "1"}, True)
        assert await content_of(store, "a") == CONTENT

    async def test_append_blobs_have_no_block_list(
        self, store: ObjectStore, append: Append
    ) -> None:
        await append("a", CONTENT)
        with pytest.raises(WrongKind):
            await store.committed_blocks("a")
        with pytest.raises(WrongKind):
            await store.uncommitted_blocks("a")

    async def test_a_deleted_append_blob_can_be_replaced(
        self, store: ObjectStore, append: Append
    ) -> None:
        await append("a", CONTENT)
        etag = (await store.head("a")).etag
        with pytest.raises(ConditionFailed):
            await store.delete("a", condition=STALE)
        await store.delete("a", condition=if_match(etag))
        await store.put("a", b"new")
        assert await content_of(store, "a") == b"new"

    async def test_append_blobs_are_deleted_in_a_batch(
        self, store: ObjectStore, append: Append
    ) -> None:
        await append("a", CONTENT)
        await append("b", CONTENT)
        seen = (await store.head("b")).etag
        assert await store.delete_batch([("a", STALE), ("b", if_match(seen))]) == [False, True]
        assert [entry.path for entry in (await store.list_page("")).entries] == ["a"]
