"""The registry over an object store, put together."""

from __future__ import annotations

from collections.abc import Sequence

from ..globs import NO_TAGS, TagGlobs
from ..registry import Body, Chunk, Listing, ManifestContent, PushedManifest, Upload
from ..spec.descriptor import Descriptor
from ..spec.digest import SHA256, Digest
from ..spec.endpoints import PageQuery, Reference
from .blobs import Blobs
from .catalog import Catalog
from .deletions import Deletions
from .manifests import Manifests
from .membership import Shelf
from .referrers import Referrers
from .tag_links import TagLinks
from .tags import Tags
from .uploads import Uploads


class StoredRegistry:
    """`Registry` over an object store. Stateless but for what a `Shelf` remembers."""

    def __init__(
        self,
        shelf: Shelf,
        *,
        redirect: bool = True,
        require_blobs: bool = True,
        require_children: bool = True,
        write_once: TagGlobs = NO_TAGS,
    ) -> None:
        """What is asked of this registry.

        ``redirect``: whether clients are sent to storage for blobs. ``require_blobs`` and
        ``require_children``: whether a manifest is refused when blobs, an index when manifests
        that it lists are not in the repository. ``write_once``: tags that stay as they are.
        """
        tags = TagLinks(shelf, write_once)
        self._blobs = Blobs(shelf, redirect)
        self._uploads = Uploads(shelf)
        self._referrers = Referrers(shelf)
        self._manifests = Manifests(
            shelf,
            tags,
            self._referrers,
            require_blobs=require_blobs,
            require_children=require_children,
        )
        self._deletions = Deletions(shelf, tags, self._referrers)
        self._tags = Tags(shelf)
        self._catalog = Catalog(shelf)

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

    async def start_upload(self, repository: str, algorithm: str = SHA256) -> Upload:
        return await self._uploads.start_upload(repository, algorithm)

    async def get_upload(self, upload: Upload) -> Upload:
        return await self._uploads.get_upload(upload)

    async def append_upload(self, upload: Upload, chunk: Chunk) -> Upload:
        return await self._uploads.append_upload(upload, chunk)

    async def finish_upload(self, upload: Upload, digest: Digest, chunk: Chunk) -> Descriptor:
        return await self._uploads.finish_upload(upload, digest, chunk)

    async def cancel_upload(self, upload: Upload) -> None:
        await self._uploads.cancel_upload(upload)

    async def mount_blob(self, repository: str, digest: Digest, source: str | None) -> Descriptor:
        return await self._blobs.mount_blob(repository, digest, source)

    async def push_manifest(
        self,
        repository: str,
        reference: Reference,
        content: bytes,
        content_type: str | None,
        tags: Sequence[str] = (),
    ) -> PushedManifest:
        return await self._manifests.push_manifest(
            repository, reference, content, content_type, tags
        )

    async def delete_blob(self, repository: str, digest: Digest) -> None:
        await self._deletions.delete_blob(repository, digest)

    async def delete_manifest(self, repository: str, digest: Digest) -> None:
        await self._deletions.delete_manifest(repository, digest)

    async def delete_tag(self, repository: str, tag: str) -> None:
        await self._deletions.delete_tag(repository, tag)

    async def list_tags(self, repository: str, page: PageQuery) -> Listing[str]:
        return await self._tags.list_tags(repository, page)

    async def list_repositories(self, page: PageQuery) -> Listing[str]:
        return await self._catalog.list_repositories(page)

    async def list_referrers(
        self, repository: str, subject: Digest, artifact_type: str | None, page: PageQuery
    ) -> Listing[Descriptor]:
        return await self._referrers.list_referrers(repository, subject, artifact_type, page)
