"""What the parts of the stored registry share: store, layout, and what this instance remembers."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from ..caches import Cache
from ..object_store.interface import NotFound, ObjectStore
from ..spec.descriptor import Descriptor
from ..spec.digest import SHA256, Digest
from ..spec.media_types import OCTET_STREAM
from .layout import Layout
from .small_objects import Link, put_link, read_link

_log = logging.getLogger(__name__)

MANIFEST_CACHE_BYTES = 32 * 2**20
MEMBERSHIP_SECONDS = 30.0


@dataclass(frozen=True)
class Alias(Descriptor):
    """A blob whose content is kept under ``content``, another digest of the same bytes."""

    content: Digest | None = None


@dataclass
class Shelf:
    """``blobs`` and ``manifests`` remember which repository has what.

    ``marked`` remembers the ETag of a repository's marker, which every deletion of a manifest
    changes.
    """

    store: ObjectStore
    layout: Layout = field(default_factory=Layout)
    content: Cache[Digest, bytes] = field(
        default_factory=lambda: Cache(capacity=MANIFEST_CACHE_BYTES, size_of=len)
    )
    blobs: Cache[tuple[str, Digest], Descriptor] = field(
        default_factory=lambda: Cache(MEMBERSHIP_SECONDS)
    )
    manifests: Cache[tuple[str, Digest], Link] = field(
        default_factory=lambda: Cache(MEMBERSHIP_SECONDS)
    )
    marked: Cache[str, str] = field(default_factory=lambda: Cache(MEMBERSHIP_SECONDS))

    async def find_blob(self, repository: str, digest: Digest) -> Descriptor:
        """The blob, if the repository has it. One call, none when remembered.

        Two where the link was written by another registry and does not tell the size; three where
        CNCF distribution was pushed a blob by another digest than its sha256.

        :raises NotFound:
        """
        known = self.blobs.get((repository, digest))
        if known is None:
            path = self.layout.blob_link(repository, digest)
            size = Link(digest).described_by(await self.store.head(path)).size
            if size is not None:
                known = Descriptor(OCTET_STREAM, digest, size)
            else:
                known = await self._find_untold(path, digest)
            self.blobs.put((repository, digest), known)
        return known

    async def _find_untold(self, path: str, digest: Digest) -> Descriptor:
        if digest.algorithm == SHA256:
            size = (await self.store.head(self.layout.content(digest))).size
            return Descriptor(OCTET_STREAM, digest, size)
        # distribution keeps all content under its sha256, which the link by any other digest names.
        content = (await read_link(self.store, path)).digest
        size = (await self.store.head(self.layout.content(content))).size
        return Alias(OCTET_STREAM, digest, size, content=content)

    def blob_content(self, blob: Descriptor) -> str:
        """The path of the content of a blob that was found."""
        alias = blob.content if isinstance(blob, Alias) else None
        return self.layout.content(alias or blob.digest)

    async def link_blob(self, repository: str, digest: Digest, size: int) -> Descriptor:
        """Make content that is there a blob of the repository. One call."""
        blob = Descriptor(OCTET_STREAM, digest, size)
        await put_link(self.store, self.layout.blob_link(repository, digest), Link.to(blob))
        self.blobs.put((repository, digest), blob)
        return blob

    async def find_manifest(self, repository: str, digest: Digest) -> Link:
        """The revision link, if the repository has the manifest. One call, none when remembered.

        :raises NotFound:
        """
        known = self.manifests.get((repository, digest))
        if known is None:
            properties = await self.store.head(self.layout.revision_link(repository, digest))
            known = Link(digest).described_by(properties)
            self.manifests.put((repository, digest), known)
        return known

    async def link_manifest(self, repository: str, link: Link) -> None:
        """Make a manifest that is there one of the repository's. One call."""
        await put_link(self.store, self.layout.revision_link(repository, link.digest), link)
        self.manifests.put((repository, link.digest), link)

    async def mark_repository(self, repository: str) -> None:
        """See that the catalog lists the repository. One call."""
        etag = await self.store.put(self.layout.catalog_marker(repository), b"")
        self.marked.put(repository, etag)

    async def is_marked_still(self, repository: str, mark: str) -> bool:
        """Whether the marker is the one that was known as ``mark``. One call.

        If so, no manifest of the repository was deleted since. Else it is marked again if need be.
        """
        try:
            etag = (await self.store.head(self.layout.catalog_marker(repository))).etag
        except NotFound:
            await self.mark_repository(repository)
            return False
        self.marked.put(repository, etag)
        return etag == mark

    async def mark_deletion(self, repository: str) -> None:
        """Let all who know the marker see that a manifest is gone; with the last one it goes."""
        if not await self._has_manifests(repository):
            try:
                await self.store.delete(self.layout.catalog_marker(repository))
            except NotFound:
                return
            if not await self._has_manifests(repository):
                return
        await self.mark_repository(repository)

    async def _has_manifests(self, repository: str) -> bool:
        page = await self.store.list_page(self.layout.revisions(repository), limit=1)
        return bool(page.entries)

    async def read_content(self, digest: Digest) -> bytes:
        """A manifest's content. One call, none when remembered.

        :raises NotFound: it is not there, or only in part, or something else is.
        """
        content = self.content.get(digest)
        if content is None:
            path = self.layout.content(digest)
            content = (await self.store.get(path)).content
            if Digest.of(content, digest.algorithm) != digest:
                _log.error("%s is not what its address says; push it again", path)
                raise NotFound(f"{path} is damaged")
            self.content.put(digest, content)
        return content
