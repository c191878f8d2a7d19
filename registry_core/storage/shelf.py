"""What the parts of the stored registry share: store, layout, and what this instance remembers."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..spec.descriptor import Descriptor
from ..spec.digest import Digest
from ..spec.media_types import OCTET_STREAM
from .caches import ContentCache, ExpiringCache
from .layout import Layout
from .object_store import NotFound, ObjectStore
from .small_objects import Link, put_link

MANIFEST_CACHE_BYTES = 32 * 2**20
MEMBERSHIP_SECONDS = 30.0


@dataclass
class Shelf:
    """``blobs`` and ``manifests`` remember which repository has what.

    ``marked`` remembers the ETag of a repository's marker, which every deletion of a manifest
    changes.
    """

    store: ObjectStore
    layout: Layout = field(default_factory=Layout)
    content: ContentCache = field(default_factory=lambda: ContentCache(MANIFEST_CACHE_BYTES))
    blobs: ExpiringCache[tuple[str, Digest], Descriptor] = field(
        default_factory=lambda: ExpiringCache(MEMBERSHIP_SECONDS)
    )
    manifests: ExpiringCache[tuple[str, Digest], Link] = field(
        default_factory=lambda: ExpiringCache(MEMBERSHIP_SECONDS)
    )
    marked: ExpiringCache[str, str] = field(
        default_factory=lambda: ExpiringCache(MEMBERSHIP_SECONDS)
    )

    async def find_blob(self, repository: str, digest: Digest) -> Descriptor:
        """The blob, if the repository has it. One call, none when remembered.

        Two where the link was written by another registry and does not tell the size.

        :raises NotFound:
        """
        known = self.blobs.get((repository, digest))
        if known is None:
            properties = await self.store.head(self.layout.blob_link(repository, digest))
            link = Link(digest).described_by(properties)
            size = link.size
            if size is None:
                size = (await self.store.head(self.layout.content(digest))).size
            known = Descriptor(OCTET_STREAM, digest, size)
            self.blobs.put((repository, digest), known)
        return known

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

        :raises NotFound:
        """
        content = self.content.get(digest)
        if content is None:
            content = (await self.store.get(self.layout.content(digest))).content
            self.content.put(digest, content)
        return content
