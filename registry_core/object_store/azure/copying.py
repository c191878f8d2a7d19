"""Copies larger than one call takes."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping

from ...aio import together
from ..interface import BlockListInvalid, Condition, ConditionFailed, ObjectStore

_AT_ONCE = 4


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
    """`ObjectStore.copy` as ranges of ``piece`` bytes, a few at once, and one commit."""
    nonce = secrets.token_hex(8)
    offsets = range(0, size, piece)
    block_ids = [f"{nonce}-{index:06d}" for index in range(len(offsets))]
    turn = asyncio.Semaphore(_AT_ONCE)

    async def stage_one(block_id: str, offset: int) -> None:
        length = min(piece, size - offset)
        async with turn:
            await store.stage_from(
                path, block_id, source, offset=offset, length=length, source_etag=source_etag
            )

    await together(map(stage_one, block_ids, offsets))
    try:
        return await store.commit(path, block_ids, metadata=metadata, condition=condition)
    except BlockListInvalid as error:
        # Whoever wrote the target meanwhile has dropped our blocks.
        raise ConditionFailed(str(error)) from None
