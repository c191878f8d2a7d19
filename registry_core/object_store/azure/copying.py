"""Copies of objects larger than storage copies in one call."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from ...aio import for_each
from ..interface import BlockListInvalid, Condition, ConditionFailed, ObjectStore

_CONCURRENCY = 4


async def copy_in_pieces(
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
    nonce = secrets.token_hex(8)
    offsets = range(0, size, piece)
    block_ids = [f"{nonce}-{index:06d}" for index in range(len(offsets))]

    async def stage(block: tuple[str, int]) -> None:
        block_id, offset = block
        length = min(piece, size - offset)
        await store.stage_from(
            path, block_id, source, offset=offset, length=length, source_etag=source_etag
        )

    await for_each(zip(block_ids, offsets, strict=True), stage, limit=_CONCURRENCY)
    try:
        return await store.commit(path, block_ids, metadata=metadata, condition=condition)
    except BlockListInvalid as error:
        # Another writer of the target has dropped our blocks.
        raise ConditionFailed(str(error)) from None
