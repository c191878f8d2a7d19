"""The registry over an object store, put together."""

from __future__ import annotations

from ..registry import Body, Chunk, ManifestContent, TagPage, Upload
from ..spec.descriptor import Descriptor
from ..spec.digest import Digest
from ..spec.endpoints import Reference
from .blobs import Blobs
from .manifests import Manifests
from .shelf import Shelf
from .tags import Tags
from .uploads import Uploads


class StoredRegistry:
    """`Registry` over an object store. Stateless but for what a `Shelf` remembers."""

    def __init__(self, shelf: Shelf, *, redirect: bool = True) -> None:
        """``redirect``: whether clients are sent to storage for blobs."""
        self._blobs = Blobs(shelf, redirect)
        self._uploads = Uploads(shelf)
        self._manifests = Manifests(shelf)
        self._tags = Tags(shelf)

    async def resolve_blob(self, repository: str, digest: Digest) -> Descriptor:
        return await self._blobs.resolve_blob(repository, digest)

    async def get_blob(self, blob: Descriptor, *, offset: int, length: int) -> Body:
        return await self._blobs.get_blob(blob, offset=offset, length=length)

    async def get_blob_url(self, blob: Descriptor) -> str | None:
        return await self._blobs.get_blob_url(blob)

    async def resolve_manifest(self, repository: str, reference: Reference) -> Descriptor:
        return await self._manifests.resolve_manifest(repository, reference)

    async def get_manifest(self, repository: str, reference: Reference) -> ManifestContent:
        return await self._manifests.get_manifest(repository, reference)

    async def start_upload(self, repository: str) -> Upload:
        return await self._uploads.start_upload(repository)

    async def get_upload(self, upload: Upload) -> Upload:
        return await self._uploads.get_upload(upload)

    async def append_upload(self, upload: Upload, chunk: Chunk) -> Upload:
        return await self._uploads.append_upload(upload, chunk)

    async def finish_upload(self, upload: Upload, digest: Digest, chunk: Chunk) -> Descriptor:
        return await self._uploads.finish_upload(upload, digest, chunk)

    async def cancel_upload(self, upload: Upload) -> None:
        await self._uploads.cancel_upload(upload)

    async def push_manifest(
        self, repository: str, reference: Reference, content: bytes, content_type: str | None
    ) -> Descriptor:
        return await self._manifests.push_manifest(repository, reference, content, content_type)

    async def list_tags(self, repository: str, *, limit: int | None, last: str | None) -> TagPage:
        return await self._tags.list_tags(repository, limit=limit, last=last)
