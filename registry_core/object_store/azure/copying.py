"""Copies of many calls: of large objects in ranges, and through the registry.

learn.microsoft.com/rest/api/storageservices/put-block-from-url, put-block, put-block-list
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Awaitable, Callable, Mapping

from ...aio import for_each
from ..interface import (
    UNCONDITIONAL,
    BlockListInvalid,
    Condition,
    ConditionFailed,
    ObjectStore,
    if_match,
)

_CONCURRENCY = 4
_RELAYED_AT_ONCE = 2

StagePiece = Callable[[str, int, int], Awaitable[None]]
"""Stages ``length`` bytes from ``offset`` of the source as the block with an id."""


async def copy_in_ranges(
    store: ObjectStore,
    path: str,
    source: str,
    *,
    size: int,
    piece: int,
    source_etag: str | None,
    metadata: Mapping[str, str],
    condition: Condition,
) -> str:
    """Copy as `ObjectStore.copy` does, in ranges of ``piece`` bytes, and commit them.

    One call for each range, a few at a time, and one for the commit.
    """

    async def stage(block_id: str, offset: int, length: int) -> None:
        await store.stage_from(
            path, block_id, source, offset=offset, length=length, source_etag=source_etag
        )

    return await _copy(
        store, path, stage, size, piece, _CONCURRENCY, metadata=metadata, condition=condition
    )


async def copy_through_registry(
    store: ObjectStore,
    path: str,
    source: str,
    *,
    size: int,
    piece: int,
    source_etag: str | None,
    metadata: Mapping[str, str],
    condition: Condition,
) -> str:
    """Copy as `ObjectStore.copy` does, by reading the source and staging what was read.

    For accounts whose network rules do not let storage read its own source. Two calls for each
    range of ``piece`` bytes, and one for the commit; two ranges are in memory at a time.
    """
    same = if_match(source_etag) if source_etag else UNCONDITIONAL

    async def stage(block_id: str, offset: int, length: int) -> None:
        part = (await store.get_range(source, offset, length, condition=same)).content
        md5 = await asyncio.to_thread(hashlib.md5, part, usedforsecurity=False)
        await store.stage(path, block_id, part, md5=md5.digest())

    return await _copy(
        store, path, stage, size, piece, _RELAYED_AT_ONCE, metadata=metadata, condition=condition
    )


async def _copy(
    store: ObjectStore,
    path: str,
    stage: StagePiece,
    size: int,
    piece: int,
    at_once: int,
    *,
    metadata: Mapping[str, str],
    condition: Condition,
) -> str:
    nonce = secrets.token_hex(8)
    offsets = range(0, size, piece)
    block_ids = [f"{nonce}-{index:06d}" for index in range(len(offsets))]

    async def stage_one(block: tuple[str, int]) -> None:
        block_id, offset = block
        await stage(block_id, offset, min(piece, size - offset))

    await for_each(zip(block_ids, offsets, strict=True), stage_one, limit=at_once)
    try:
        return await store.commit(path, block_ids, metadata=metadata, condition=condition)
    except BlockListInvalid as error:
        # Another writer of the target has dropped our blocks.
        raise ConditionFailed(str(error)) from None
