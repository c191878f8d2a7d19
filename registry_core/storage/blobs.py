"""Blobs: resolved, and read in pieces."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta

from ..registry import Body
from ..spec.descriptor import Descriptor
from ..spec.digest import Digest
from ..spec.errors import BlobUnknown
from .object_store import NotFound, ObjectStore, StoredObject, if_match
from .shelf import Shelf

PIECE = 4 * 2**20
_AHEAD = 2  # pieces fetched while the client takes one: memory is bounded by (1 + _AHEAD) pieces
_URL_LIFETIME = timedelta(minutes=20)


@dataclass
class Blobs:
    """`Reader`'s blobs over the object store."""

    shelf: Shelf
    redirect: bool = True

    async def resolve_blob(self, repository: str, digest: Digest) -> Descriptor:
        try:
            return await self.shelf.find_blob(repository, digest)
        except NotFound:
            raise BlobUnknown(f"blob unknown to {repository}: {digest}") from None

    async def get_blob_url(self, blob: Descriptor) -> str | None:
        if not self.redirect:
            return None
        seconds = int(_URL_LIFETIME.total_seconds())
        return await self.shelf.store.signed_url(
            self.shelf.layout.content(blob.digest), seconds=seconds
        )

    async def get_blob(self, blob: Descriptor, *, offset: int, length: int) -> Body:
        path = self.shelf.layout.content(blob.digest)
        try:
            first = await self.shelf.store.get(path, offset=offset, length=min(PIECE, length))
        except NotFound:
            raise BlobUnknown(f"the content of {blob.digest} is not in storage") from None
        return _pieces(self.shelf.store, path, first, offset=offset, length=length)


async def _pieces(
    store: ObjectStore, path: str, first: StoredObject, *, offset: int, length: int
) -> AsyncIterator[bytes]:
    """The rest is read on condition that the object is still the one that ``first`` came from."""
    same = if_match(first.properties.etag)
    end = offset + length
    starts = iter(range(offset + len(first.content), end, PIECE))
    ahead: list[asyncio.Task[StoredObject]] = []

    def fetch_next() -> None:
        start = next(starts, None)
        if start is not None:
            part = store.get(path, offset=start, length=min(PIECE, end - start), condition=same)
            ahead.append(asyncio.ensure_future(part))

    try:
        for _ in range(_AHEAD):
            fetch_next()
        yield first.content
        while ahead:
            piece = await ahead.pop(0)
            fetch_next()
            yield piece.content
    finally:
        for task in ahead:
            task.cancel()
        await asyncio.gather(*ahead, return_exceptions=True)
