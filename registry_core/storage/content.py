"""Content at its address: whatever gets there has been hashed before.

That content is there already is never an error: it hashes to the same address.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass

from ..registry import Chunk
from ..spec.digest import Buffer, Digest, new_hasher
from ..spec.errors import DigestInvalid, Unavailable
from .ingest import Budget, ingest
from .layout import Layout
from .object_store import (
    ANYWAY,
    IF_ABSENT,
    BlockListInvalid,
    ConditionFailed,
    NotFound,
    ObjectStore,
    WrongKind,
    if_match,
)
from .reading import open_pieces


@dataclass
class Content:
    store: ObjectStore
    layout: Layout

    async def put(self, digest: Digest, content: Buffer) -> None:
        """Content that is known to have this digest. One call."""
        try:
            await self.store.put(self.layout.content(digest), content, condition=IF_ABSENT)
        except (ConditionFailed, WrongKind):
            return  # there already

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
        except (ConditionFailed, WrongKind):
            return got.size  # there already
        except BlockListInvalid:
            # Another upload of the same content was quicker, and its commit dropped our blocks.
            if not await self.is_there(digest):
                raise Unavailable("storage has lost staged blocks; push the blob again") from None
        return got.size

    async def copy(self, digest: Digest, source: str, size: int, etag: str | None) -> bool:
        """Content that is known to lie at ``source``. False if that has another ETag by now.

        :raises NotFound: nothing is at ``source``.
        """
        try:
            await self.store.copy(
                self.layout.content(digest),
                source,
                size=size,
                source_etag=etag,
                metadata={"digest": str(digest)},  # else the source's would be copied
                condition=IF_ABSENT,
            )
        except (ConditionFailed, WrongKind):
            return await self.is_there(digest)
        return True

    async def hash(self, path: str, size: int, algorithm: str, etag: str | None) -> Digest:
        """The digest of ``size`` bytes that lie at ``path``, read back.

        :raises NotFound, ConditionFailed:
        """
        hasher = new_hasher(algorithm)
        condition = if_match(etag) if etag else ANYWAY
        pieces = await open_pieces(self.store, path, offset=0, length=size, condition=condition)
        async with aclosing(pieces):
            async for piece in pieces:
                await asyncio.to_thread(hasher.update, piece)
        return hasher.digest()

    async def is_there(self, digest: Digest) -> bool:
        """One call."""
        try:
            await self.store.head(self.layout.content(digest))
        except NotFound:
            return False
        return True
