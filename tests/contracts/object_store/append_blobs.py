"""What happens where another registry has written append blobs, as Azure has it."""

from __future__ import annotations

import pytest

from registry_core.object_store.interface import (
    ConditionFailed,
    ObjectStore,
    WrongKind,
    if_match,
)

from .words import CONTENT, STALE, Append, content_of, named, stage


class AppendBlobContract:
    """What happens where another registry has written append blobs, as Azure does it."""

    pytestmark = pytest.mark.anyio

    async def test_append_blobs_are_read_as_others_are(
        self, store: ObjectStore, append: Append
    ) -> None:
        await append("a", b"01234", b"56789")
        found = await store.get("a")
        assert found.content == CONTENT
        assert found.properties.is_append
        assert found.properties == await store.head("a")
        assert (await store.get("a", offset=4, length=2)).content == b"45"
        page = await store.list_page("")
        assert [entry.properties for entry in page.entries] == [found.properties]
        await store.stage_from("b", named("1"), "a")
        await store.commit("b", [named("1")])
        assert await content_of(store, "b") == CONTENT

    async def test_an_append_blob_that_is_not_filled_yet_is_empty(
        self, store: ObjectStore, append: Append
    ) -> None:
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
            await store.stage_from("a", named("1"), "a")
        with pytest.raises(WrongKind):
            await store.commit("a", [])
        assert (await store.head("a")).etag == etag

    async def test_append_blobs_have_no_block_list(
        self, store: ObjectStore, append: Append
    ) -> None:
        await append("a", CONTENT)
        with pytest.raises(WrongKind):
            await store.committed_blocks("a")

    async def test_once_deleted_they_make_room(self, store: ObjectStore, append: Append) -> None:
        await append("a", CONTENT)
        etag = (await store.head("a")).etag
        with pytest.raises(ConditionFailed):
            await store.delete("a", condition=STALE)
        await store.delete("a", condition=if_match(etag))
        await store.put("a", b"new")
        assert await content_of(store, "a") == b"new"
