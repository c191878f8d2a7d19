"""Copies of many calls: of large objects in ranges, and through the registry.

learn.microsoft.com/rest/api/storageservices/put-block-from-url, put-block, put-block-list
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

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


@dataclass(frozen=True, kw_only=True)
class LargeCopy:
    """A copy as `ObjectStore.copy` makes it, of ``size`` bytes in ranges of ``piece`` bytes."""

    store: ObjectStore
    path: str
    source: str
    size: int
    piece: int
    source_etag: str | None
    metadata: Mapping[str, str]
    condition: Condition

    async def by_storage(self) -> str:
        """Have storage copy the ranges, and commit them. Returns the ETag.

        One call for each range, a few at a time, and one for the commit.
        """
        return await self._copy(self._stage_from_source, _CONCURRENCY)

    async def through_registry(self) -> str:
        """Read the ranges, stage what was read, and commit it. Returns the ETag.

        For accounts whose network rules do not let storage read its own source. Two calls for each
        range, and one for the commit; two ranges are in memory at a time.
        """
        return await self._copy(self._relay, _RELAYED_AT_ONCE)

    async def _stage_from_source(self, block_id: str, offset: int, length: int) -> None:
        await self.store.stage_from(
            self.path,
            block_id,
            self.source,
            offset=offset,
            length=length,
            source_etag=self.source_etag,
        )

    async def _relay(self, block_id: str, offset: int, length: int) -> None:
        same = if_match(self.source_etag) if self.source_etag else UNCONDITIONAL
        part = await self.store.get_range(self.source, offset, length, condition=same)
        md5 = await asyncio.to_thread(hashlib.md5, part.content, usedforsecurity=False)
        await self.store.stage(self.path, block_id, part.content, md5=md5.digest())

    async def _copy(self, stage: StagePiece, at_once: int) -> str:
        nonce = secrets.token_hex(8)
        offsets = range(0, self.size, self.piece)
        block_ids = [f"{nonce}-{index:06d}" for index in range(len(offsets))]

        async def stage_one(block: tuple[str, int]) -> None:
            block_id, offset = block
            await stage(block_id, offset, min(self.piece, self.size - offset))

        await for_each(zip(block_ids, offsets, strict=True), stage_one, limit=at_once)
        try:
            return await self.store.commit(
                self.path, block_ids, metadata=self.metadata, condition=self.condition
            )
        except BlockListInvalid as error:
            # Another writer of the target has dropped our blocks.
            raise ConditionFailed(str(error)) from None
