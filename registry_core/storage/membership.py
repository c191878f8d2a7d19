"""Membership: which blobs and manifests a repository has, by its links, cached for a while."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ..caches import Cache
from ..object_store.interface import ObjectStore, exists_below
from ..spec.descriptor import Descriptor
from ..spec.digest import SHA256, Digest
from ..spec.image_config import ImageConfig
from ..spec.media_types import OCTET_STREAM
from .layout import Layout
from .link_metadata import image_metadata, read_image
from .links import Link, put_link, read_link

MEMBERSHIP_SECONDS = 30.0


@dataclass(frozen=True)
class LinkedBlob:
    """A blob of a repository.

    ``content`` is the digest that its bytes are stored under: the descriptor's, except for blobs
    that CNCF distribution took by another digest than their sha256. ``image`` is what the blob says
    if it is an image config, where that is known.
    """

    descriptor: Descriptor
    content: Digest
    image: ImageConfig | None = None


@dataclass
class Membership:
    """The blobs and manifests of all repositories: their links, found, written and cached."""

    store: ObjectStore
    layout: Layout = field(default_factory=Layout)
    blobs: Cache[tuple[str, Digest], LinkedBlob] = field(
        default_factory=lambda: Cache(MEMBERSHIP_SECONDS)
    )
    manifests: Cache[tuple[str, Digest], Link] = field(
        default_factory=lambda: Cache(MEMBERSHIP_SECONDS)
    )

    async def find_blob(self, repository: str, digest: Digest) -> LinkedBlob:
        """Return the blob, if the repository has it. One call, none if cached.

        Two where another registry wrote the link, which does not say the size; three where CNCF
        distribution took the blob by another digest than its sha256.

        :raises NotFound: the repository does not have it.
        """
        known = self.blobs.get((repository, digest))
        if known is None:
            path = self.layout.blob_link(repository, digest)
            link = Link(digest).described_by(await self.store.head(path))
            known = await self._describe(path, link)
            self.blobs.put((repository, digest), known)
        return known

    async def _describe(self, path: str, link: Link) -> LinkedBlob:
        size, content = link.size, link.digest
        if size is None:
            if link.digest.algorithm != SHA256:
                # distribution stores all content under its sha256, which the link names then.
                content = (await read_link(self.store, path)).digest
            size = (await self.store.head(self.layout.content(content))).size
        descriptor = Descriptor(OCTET_STREAM, link.digest, size)
        return LinkedBlob(descriptor, content, read_image(link.extra))

    async def link_blob(
        self, repository: str, digest: Digest, size: int, image: ImageConfig | None = None
    ) -> Descriptor:
        """Make stored content of ``size`` bytes a blob of the repository. One call.

        :param image: what the content says if it is an image config, where that is known.
        """
        blob = LinkedBlob(Descriptor(OCTET_STREAM, digest, size), digest, image)
        link = Link.to(blob.descriptor, image_metadata(image))
        await put_link(self.store, self.layout.blob_link(repository, digest), link)
        self.blobs.put((repository, digest), blob)
        return blob.descriptor

    async def find_manifest(self, repository: str, digest: Digest) -> Link:
        """Return the revision link, if the repository has the manifest. One call, none if cached.

        :raises NotFound: the repository does not have it.
        """
        known = self.manifests.get((repository, digest))
        if known is None:
            properties = await self.store.head(self.layout.revision_link(repository, digest))
            known = Link(digest).described_by(properties)
            self._cache(repository, known)
        return known

    async def link_manifest(self, repository: str, link: Link) -> None:
        """Make a stored manifest one of the repository. One call."""
        await put_link(self.store, self.layout.revision_link(repository, link.digest), link)
        self._cache(repository, link)

    def _cache(self, repository: str, link: Link) -> None:
        """Cache a revision link, without the metadata that only listings use: up to 7 KiB each."""
        self.manifests.put((repository, link.digest), replace(link, extra={}))

    async def is_known(self, repository: str) -> bool:
        """Return whether the repository has manifests or tags. One call."""
        return await exists_below(self.store, self.layout.manifests(repository))
