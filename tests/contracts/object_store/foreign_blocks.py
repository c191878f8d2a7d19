"""The contract for blocks that other programs have staged: interrupted uploads of AzCopy, say."""

from __future__ import annotations

import pytest

from registry_core.object_store.errors import BlocksRefused, NotFound
from registry_core.object_store.interface import ObjectStore, StagedBlocks

from .common import CONTENT, StageForeign, content_of, listed, make_block_id, stage


class ForeignBlockContract:
    """Blocks with ids of another length refuse ours, until an object is put."""

    pytestmark = pytest.mark.anyio

    @pytest.mark.parametrize("block_id", ["short", "x" * 48])
    async def test_no_block_is_staged_beside_them(
        self, store: ObjectStore, stage_foreign: StageForeign, block_id: str
    ) -> None:
        await store.put("source", CONTENT)
        await stage_foreign("a", block_id, b"theirs")
        with pytest.raises(BlocksRefused):
            await stage(store, "a", "1", b"ours")
        with pytest.raises(BlocksRefused):
            await store.stage_from("a", make_block_id("1"), "source")
        with pytest.raises(NotFound):
            await store.head("a")

    async def test_they_are_counted_and_listed(
        self, store: ObjectStore, stage_foreign: StageForeign
    ) -> None:
        await stage_foreign("a", "short", b"theirs")
        assert await store.uncommitted_blocks("a") == StagedBlocks(1, 6)
        [row] = await listed(store, "", uncommitted=True)
        assert (row.path, row.uncommitted) == ("a", True)

    async def test_an_object_is_put_over_them(
        self, store: ObjectStore, stage_foreign: StageForeign
    ) -> None:
        await stage_foreign("a", "short", b"theirs")
        await store.put("a", CONTENT)
        assert await content_of(store, "a") == CONTENT

    async def test_an_object_is_copied_over_them(
        self, store: ObjectStore, stage_foreign: StageForeign
    ) -> None:
        await store.put("source", CONTENT)
        await stage_foreign("a", "short", b"theirs")
        await store.copy("a", "source", size=10, metadata={"a": "b"})
        assert await content_of(store, "a") == CONTENT
