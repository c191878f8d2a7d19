"""Content at its address: whatever gets there has been hashed before.

That content is there already is never an error: it hashes to the same address. Only its size is
looked at, since another registry, which writes in two steps, may have been cut off between them.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass

from ..object_store.interface import (
    IF_ABSENT,
    UNCONDITIONAL,
    BlockListInvalid,
    ConditionFailed,
    NotFound,
    ObjectStore,
    WrongKind,
    if_match,
)
from ..registry import Chunk
from ..spec.digest import Buffer, Digest, new_hasher
from ..spec.errors import DigestInvalid, Unavailable
from .ingest import Budget, ingest
from .layout import Layout
from .reading import open_pieces
from .small_objects import LOOKS

_TRIES = 3


@dataclass
class Content:
    store: ObjectStore
    layout: Layout

    async def put(self, digest: Digest, content: Buffer) -> None:
        """Content that is known to have this digest. One call, two if it is there already."""
        path = self.layout.content(digest)
        size = memoryview(content).nbytes
        for _ in range(_TRIES):
            try:
                await self.store.put(path, content, condition=IF_ABSENT)
            except (ConditionFailed, WrongKind):
                if not await self.is_whole(digest, size):
                    continue
            return
        raise Unavailable(f"{digest} is being written by another registry; try again")

    async def receive(self, digest: Digest, chunk: Chunk, budget: Budget) -> int:
        """All of the content, staged at its address and committed once its hash is known.

        Returns its size. One call if it fits in one block, else one a block and one more.

        :raises DigestInvalid, SizeInvalid:
        """
        hasher = new_hasher(digest.algorithm)
        path = self.layout.content(digest)
        got = await ingest(self.store, path, chunk, hasher, budget)
        if hasher.digest() != digest:
            raise DigestInvalid(f"the content's digest is {hasher.digest()}, not {digest}")
        if got.single is not None:
            await self.put(digest, got.single)
            return got.size
        try:
            await self.store.commit(path, got.block_ids, condition=IF_ABSENT)
        except (ConditionFailed, WrongKind, BlockListInvalid):
            # There already: another upload was quicker, and its commit dropped our blocks.
            if not await self.is_whole(digest, got.size):
                raise Unavailable("storage has lost staged blocks; push the blob again") from None
        return got.size

    async def copy(self, digest: Digest, source: str, size: int, etag: str | None) -> bool:
        """Content that is known to lie at ``source``. False if that has another ETag by now.

        :raises NotFound: nothing is at ``source``.
        """
        condition = IF_ABSENT
        for _ in range(_TRIES):
            try:
                await self.store.copy(
                    self.layout.content(digest),
                    source,
                    size=size,
                    source_etag=etag,
                    metadata={"digest": str(digest)},  # else the source's would be copied
                    condition=condition,
                )
            except (ConditionFailed, WrongKind):
                if not await self.is_whole(digest, size):
                    # It was there in part, and is taken away; or the source is another; or there
                    # are blocks that another upload has staged, which storage may take for a blob.
                    condition = UNCONDITIONAL
                    continue
            return True
        return False

    async def hash(self, path: str, size: int, algorithm: str, etag: str | None) -> Digest:
        """The digest of ``size`` bytes that lie at ``path``, read back.

        :raises NotFound, ConditionFailed:
        """
        hasher = new_hasher(algorithm)
        condition = if_match(etag) if etag else UNCONDITIONAL
        pieces = await open_pieces(self.store, path, offset=0, length=size, condition=condition)
        async with aclosing(pieces):
            async for piece in pieces:
                await asyncio.to_thread(hasher.update, piece)
        return hasher.digest()

    async def is_whole(self, digest: Digest, size: int) -> bool:
        """Whether the content is there. What stays there in part is taken away.

        One call, unless it is found in part: then another registry may be about to complete it.
        """
        path = self.layout.content(digest)
        try:
            for pause in (*LOOKS, None):
                found = await self.store.head(path)
                if found.size == size:
                    return True
                if pause is not None:
                    await asyncio.sleep(pause)
            await self.store.delete(path, condition=if_match(found.etag))
        except (NotFound, ConditionFailed):
            return False
        return False
