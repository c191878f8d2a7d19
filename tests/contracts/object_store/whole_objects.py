"""The contract for whole objects: put, head, get, delete, and their conditions."""

from __future__ import annotations

import asyncio
import hashlib
from datetime import UTC, datetime, timedelta

import pytest

from registry_core.object_store.errors import ConditionFailed, NotFound, TooLarge
from registry_core.object_store.interface import (
    IF_ABSENT,
    UNCONDITIONAL,
    ObjectStore,
    if_match,
    list_all,
)

from .common import CONTENT, INVALID_METADATA, MANY_BYTES, PATHS, STALE, content_of, make_block_id


class WholeObjects:
    """Objects are put, read and deleted whole."""

    pytestmark = pytest.mark.anyio

    async def test_an_object_is_returned_as_it_was_put(self, store: ObjectStore) -> None:
        etag = await store.put("a", CONTENT, metadata={"digest": "sha256:x", "size": "10"})
        found = await store.get("a", limit=MANY_BYTES)
        assert found.content == CONTENT
        assert found.properties == await store.head("a")
        assert found.properties.etag == etag
        assert found.properties.size == 10
        assert found.properties.metadata == {"digest": "sha256:x", "size": "10"}
        assert not found.properties.is_append
        age = datetime.now(UTC) - found.properties.last_modified
        assert timedelta(minutes=-5) < age < timedelta(minutes=5)

    @pytest.mark.parametrize("size", [0, 1, 10, 8 * 2**20 + 1])
    async def test_an_object_of_exactly_the_limit_is_returned(
        self, store: ObjectStore, size: int
    ) -> None:
        etag = await store.put("a", b"x" * size)
        found = await store.get("a", limit=size)
        assert (found.content, found.properties.etag) == (b"x" * size, etag)

    @pytest.mark.parametrize("size", [1, 10, 8 * 2**20 + 1])
    async def test_an_object_larger_than_the_limit_is_not_returned(
        self, store: ObjectStore, size: int
    ) -> None:
        etag = await store.put("a", b"x" * size)
        for condition in (UNCONDITIONAL, if_match(etag)):
            with pytest.raises(TooLarge):
                await store.get("a", limit=size - 1, condition=condition)
        with pytest.raises(ConditionFailed):
            await store.get("a", limit=size - 1, condition=STALE)

    @pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
    async def test_any_buffer_can_be_put_and_staged(
        self, store: ObjectStore, kind: type[bytes]
    ) -> None:
        content = bytes(range(256)) * 8192
        await store.put("put", kind(content))
        md5 = hashlib.md5(content, usedforsecurity=False).digest()
        await store.stage("staged", make_block_id("a"), kind(content), md5=md5)
        await store.commit("staged", [make_block_id("a")])
        assert await content_of(store, "put") == content
        assert await content_of(store, "staged") == content

    async def test_a_put_replaces_content_and_metadata(self, store: ObjectStore) -> None:
        before = await store.put("a", CONTENT, metadata={"old": "1"})
        after = await store.put("a", b"new", metadata={"new": "2"})
        found = await store.get("a", limit=MANY_BYTES)
        assert after != before
        assert (found.content, found.properties.metadata) == (b"new", {"new": "2"})

    async def test_a_missing_object_is_not_found(self, store: ObjectStore) -> None:
        with pytest.raises(NotFound):
            await store.head("a")
        with pytest.raises(NotFound):
            await store.get("a", limit=MANY_BYTES)
        with pytest.raises(NotFound):
            await store.get_range("a", 1, 1)
        with pytest.raises(NotFound):
            await store.delete("a")
        with pytest.raises(NotFound):
            await store.committed_blocks("a")

    @pytest.mark.parametrize("path", PATHS)
    async def test_a_path_is_passed_to_storage_unchanged(
        self, store: ObjectStore, path: str
    ) -> None:
        await store.put(path, CONTENT)
        assert await content_of(store, path) == CONTENT
        assert [entry.path async for entry in list_all(store, "")] == [path]
        await store.copy("copy", path, size=10, metadata={"a": "b"})
        assert await content_of(store, "copy") == CONTENT

    @pytest.mark.parametrize("metadata", INVALID_METADATA)
    async def test_metadata_that_storage_would_change_are_refused(
        self, store: ObjectStore, metadata: dict[str, str]
    ) -> None:
        with pytest.raises(ValueError, match="metadata"):
            await store.put("a", CONTENT, metadata=metadata)
        with pytest.raises(NotFound):
            await store.head("a")

    async def test_metadata_may_have_all_printable_characters(self, store: ObjectStore) -> None:
        metadata = {"text": "".join(map(chr, range(0x21, 0x7F))), "with_space": 'a "b"  c'}
        await store.put("a", CONTENT, metadata=metadata)
        assert (await store.head("a")).metadata == metadata

    async def test_a_put_if_absent_fails_if_there_is_an_object(self, store: ObjectStore) -> None:
        etag = await store.put("a", CONTENT, condition=IF_ABSENT)
        with pytest.raises(ConditionFailed):
            await store.put("a", b"other", condition=IF_ABSENT)
        assert (await store.head("a")).etag == etag
        assert await content_of(store, "a") == CONTENT

    async def test_a_put_if_match_needs_the_same_object(self, store: ObjectStore) -> None:
        with pytest.raises(ConditionFailed):
            await store.put("a", CONTENT, condition=STALE)
        first = await store.put("a", CONTENT)
        second = await store.put("a", b"second", condition=if_match(first))
        with pytest.raises(ConditionFailed):
            await store.put("a", b"third", condition=if_match(first))
        assert (await store.head("a")).etag == second

    async def test_a_get_if_match_needs_the_same_object(self, store: ObjectStore) -> None:
        etag = await store.put("a", CONTENT)
        assert (await store.get("a", limit=MANY_BYTES, condition=if_match(etag))).content == CONTENT
        assert (await store.get_range("a", 9, 1, condition=if_match(etag))).content == b"9"
        with pytest.raises(ConditionFailed):
            await store.get("a", limit=MANY_BYTES, condition=STALE)
        with pytest.raises(ConditionFailed):
            await store.get_range("a", 2, 2, condition=STALE)

    async def test_one_of_many_concurrent_puts_if_absent_succeeds(self, store: ObjectStore) -> None:
        contents = [str(number).encode() for number in range(8)]
        puts = [store.put("a", content, condition=IF_ABSENT) for content in contents]
        results = await asyncio.gather(*puts, return_exceptions=True)
        succeeded = [index for index, result in enumerate(results) if isinstance(result, str)]
        assert len(succeeded) == 1
        assert sum(isinstance(result, ConditionFailed) for result in results) == 7
        assert await content_of(store, "a") == contents[succeeded[0]]

    async def test_a_deleted_object_is_not_found(self, store: ObjectStore) -> None:
        await store.put("a", CONTENT)
        await store.delete("a")
        with pytest.raises(NotFound):
            await store.head("a")

    async def test_a_delete_if_match_does_not_delete_what_was_written_since(
        self, store: ObjectStore
    ) -> None:
        seen = await store.put("a", CONTENT)
        written = await store.put("a", b"since")
        with pytest.raises(ConditionFailed):
            await store.delete("a", condition=if_match(seen))
        assert await content_of(store, "a") == b"since"
        await store.delete("a", condition=if_match(written))

    async def test_a_delete_if_match_of_a_missing_object_fails(self, store: ObjectStore) -> None:
        etag = await store.put("a", CONTENT)
        await store.delete("a")
        with pytest.raises((NotFound, ConditionFailed)):
            await store.delete("a", condition=if_match(etag))

    async def test_one_of_two_concurrent_deletes_succeeds(self, store: ObjectStore) -> None:
        etag = await store.put("a", CONTENT)
        deletes = [store.delete("a", condition=if_match(etag)) for _ in range(2)]
        results = await asyncio.gather(*deletes, return_exceptions=True)
        [failed] = [result for result in results if result is not None]
        assert isinstance(failed, NotFound | ConditionFailed)
