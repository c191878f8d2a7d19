"""The contract for deletions of many objects in one call."""

from __future__ import annotations

import pytest

from registry_core.object_store.batches import MAX_BATCH
from registry_core.object_store.interface import (
    UNCONDITIONAL,
    Condition,
    ObjectStore,
    exists,
    if_match,
)

from .common import CONTENT, PATHS, STALE, content_of, stage


class Batches:
    """Each object of a batch is deleted, or not, on its own condition."""

    pytestmark = pytest.mark.anyio

    async def test_a_batch_deletes_what_exists_and_meets_its_condition(
        self, store: ObjectStore
    ) -> None:
        etags = {path: await store.put(path, CONTENT) for path in "abcd"}
        since = await store.put("c", b"since")
        deleted = await store.delete_batch(
            [
                ("a", UNCONDITIONAL),
                ("missing", UNCONDITIONAL),
                ("b", if_match(etags["b"])),
                ("c", if_match(etags["c"])),
                ("gone", STALE),
                ("d", UNCONDITIONAL),
            ]
        )
        assert deleted == [True, False, True, False, False, True]
        assert [entry.path for entry in (await store.list_page("")).entries] == ["c"]
        assert await content_of(store, "c") == b"since"
        assert await store.delete_batch([("c", if_match(since))]) == [True]

    async def test_new_metadata_keep_an_object_from_a_batch(self, store: ObjectStore) -> None:
        """As a writer takes the mark of a condemned object off."""
        seen = await store.put("a", CONTENT, metadata={"condemned": "1"})
        await store.set_metadata("a", {})
        assert await store.delete_batch([("a", if_match(seen))]) == [False]
        assert await content_of(store, "a") == CONTENT

    async def test_no_deletions_are_a_batch(self, store: ObjectStore) -> None:
        await store.put("a", CONTENT)
        assert list(await store.delete_batch([])) == []
        assert await exists(store, "a")

    async def test_paths_are_those_that_were_put(self, store: ObjectStore) -> None:
        etags = [await store.put(path, CONTENT) for path in PATHS]
        kept = PATHS[2].replace("%252F", "%2F%2F")
        await store.put(kept, CONTENT)
        items = [(path, if_match(etag)) for path, etag in zip(PATHS, etags, strict=True)]
        assert await store.delete_batch(items) == [True] * len(PATHS)
        assert [entry.path for entry in (await store.list_page("")).entries] == [kept]

    async def test_names_of_any_characters_are_deleted(self, store: ObjectStore) -> None:
        names = ["Größe/ä", "a b", "a+b", "a?b", "a#b", "a&b=c", "~a!$'()*,;:@"]
        for name in names:
            await store.put(name, CONTENT)
        items = [(name, UNCONDITIONAL) for name in names]
        assert await store.delete_batch(items) == [True] * len(names)
        assert (await store.list_page("")).entries == []

    async def test_staged_blocks_go_with_their_object(self, store: ObjectStore) -> None:
        await store.put("a", CONTENT)
        await stage(store, "a", "1", b"one")
        assert await store.delete_batch([("a", UNCONDITIONAL)]) == [True]
        page = await store.list_page("", uncommitted=True)
        assert page.entries == []

    async def test_the_same_path_is_deleted_once(self, store: ObjectStore) -> None:
        seen = if_match(await store.put("a", CONTENT))
        deleted = await store.delete_batch([("a", seen), ("a", seen), ("a", STALE)])
        assert sorted(deleted) == [False, False, True]
        assert not deleted[2]

    async def test_a_batch_has_256_objects_at_most(self, store: ObjectStore) -> None:
        items: list[tuple[str, Condition]] = [
            (f"{number:03}", UNCONDITIONAL) for number in range(MAX_BATCH + 1)
        ]
        await store.put("000", CONTENT)
        await store.put("255", CONTENT)
        with pytest.raises(ValueError, match="257 deletions in one batch, more than 256"):
            await store.delete_batch(items)
        assert await exists(store, "000")
        deleted = await store.delete_batch(items[:MAX_BATCH])
        assert deleted == [True, *[False] * 254, True]
