"""Blobs: resolved, and read in pieces."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from ..object_store.interface import NotFound
from ..registry import Body
from ..spec.descriptor import Descriptor
from ..spec.digest import Digest
from ..spec.errors import BlobUnknown
from .membership import Alias, Shelf
from .reading import open_pieces

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
        return await self.shelf.store.signed_url(self.shelf.blob_content(blob), seconds=seconds)

    async def get_blob(self, blob: Descriptor, *, offset: int, length: int) -> Body:
        path = self.shelf.blob_content(blob)
        try:
            return await open_pieces(self.shelf.store, path, offset=offset, length=length)
        except NotFound:
            raise BlobUnknown(f"the content of {blob.digest} is not in storage") from None

    async def mount_blob(self, repository: str, digest: Digest, source: str | None) -> Descriptor:
        try:
            size = await self._size(digest, source)
        except NotFound:
            raise BlobUnknown(f"blob unknown to {source or 'this registry'}: {digest}") from None
        return await self.shelf.link_blob(repository, digest, size)

    async def _size(self, digest: Digest, source: str | None) -> int:
        if source is not None:
            blob = await self.shelf.find_blob(source, digest)
            if isinstance(blob, Alias):  # nothing is kept under the digest that a link would name
                raise NotFound(str(digest))
            return blob.size
        return (await self.shelf.store.head(self.shelf.layout.content(digest))).size
