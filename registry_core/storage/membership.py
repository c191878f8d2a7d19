"""Membership: which blobs and manifests a repository has, by its links, cached for a while."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from ..caches import Cache
from ..object_store.errors import NotFound
from ..object_store.interface import ObjectStore, exists_below
from ..spec.descriptor import Descriptor
from ..spec.digest import SHA256, Digest
from ..spec.image_config import ImageConfig
from ..spec.media_types import OCTET_STREAM
from .layout import Layout
from .link_metadata import image_metadata, read_image
from .links import Link, put_link, read_link

MEMBERSHIP_SECONDS = 30.0

T = TypeVar("T")


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


@dataclass(frozen=True)
class _Lookup(Generic[T]):
    """What was found, and the repository's generation before that."""

    found: T
    generation: str | None


@dataclass
class Membership:
    """The blobs and manifests of all repositories: their links, found, written and cached.

    ``generations`` are those of `Catalog`. What was looked up in a repository's generation holds as
    long as that lasts; readers use it for `MEMBERSHIP_SECONDS` in any case, pushes do not.
    ``contents`` has the sizes of content that was seen, whole, in that time.
    """

    store: ObjectStore
    layout: Layout = field(default_factory=Layout)
    blobs: Cache[tuple[str, Digest], _Lookup[LinkedBlob]] = field(
        default_factory=lambda: Cache(MEMBERSHIP_SECONDS)
    )
    manifests: Cache[tuple[str, Digest], _Lookup[Link]] = field(
        default_factory=lambda: Cache(MEMBERSHIP_SECONDS)
    )
    generations: Cache[str, str] = field(default_factory=lambda: Cache(MEMBERSHIP_SECONDS))
    contents: Cache[Digest, int] = field(default_factory=lambda: Cache(MEMBERSHIP_SECONDS))

    async def find_blob(self, repository: str, digest: Digest) -> LinkedBlob:
        """Return the blob, if the repository has it, as its link says. One call, none if cached.

        Two where another registry wrote the link, which does not say the size; three where CNCF
        distribution took the blob by another digest than its sha256.

        :raises NotFound: the repository does not have it.
        """
        known = self.blobs.get((repository, digest))
        return (known or await self._look_up_blob(repository, digest)).found

    async def verify_blob(
        self, repository: str, digest: Digest, generation: str | None = None
    ) -> LinkedBlob:
        """Return the blob, if the repository has it and its content is there, whole.

        For whoever goes on to rely on it: CNCF distribution's ``garbage-collect``, for example,
        deletes content and leaves links. One call more than `find_blob`, none if cached.

        :param generation: the repository's, for a push: a link that was looked up in another one is
            looked up again; if empty, in any case.
        :raises NotFound: the repository does not have it, or the content is gone or incomplete.
        """
        known = self.blobs.get((repository, digest))
        if known is None or generation not in (None, known.generation):
            known = await self._look_up_blob(repository, digest)
        await self._verify_content(known.found.content, known.found.descriptor.size)
        return known.found

    async def _verify_content(self, digest: Digest, size: int | None) -> None:
        """Check that content is there, whole. One call, none if it was seen lately.

        :param size: the size that it must have; None: any but 0.
        :raises NotFound: it is gone or incomplete.
        """
        known = self.contents.get(digest)
        if known is not None and size in (None, known):
            return
        found = (await self.store.head(self.layout.content(digest))).size
        if found != size and (size is not None or found == 0):
            raise NotFound(f"the content of {digest} is incomplete")
        self._note_content(digest, found)

    def _note_content(self, digest: Digest, size: int) -> None:
        """Note content that was seen in this request, as an earlier one may have noted already."""
        if self.contents.get(digest) is None:
            self.contents.put(digest, size)

    async def _look_up_blob(self, repository: str, digest: Digest) -> _Lookup[LinkedBlob]:
        generation = self.generations.get(repository)
        path = self.layout.blob_link(repository, digest)
        try:
            link = Link(digest).described_by(await self.store.head(path))
            found = await self._describe(path, link)
        except NotFound:
            self.blobs.forget((repository, digest))
            raise
        known = _Lookup(found, generation)
        self.blobs.put((repository, digest), known)
        return known

    async def _describe(self, path: str, link: Link) -> LinkedBlob:
        size, content = link.size, link.digest
        if size is None:
            if link.digest.algorithm != SHA256:
                # distribution stores all content under its sha256, which the link names then.
                content = (await read_link(self.store, path)).digest
            size = (await self.store.head(self.layout.content(content))).size
            self._note_content(content, size)
        descriptor = Descriptor(OCTET_STREAM, link.digest, size)
        return LinkedBlob(descriptor, content, read_image(link.extra))

    async def link_blob(
        self, repository: str, digest: Digest, size: int, image: ImageConfig | None = None
    ) -> Descriptor:
        """Make content of ``size`` bytes, which has just been seen, a blob of the repository.

        One call.

        :param image: what the content says if it is an image config, where that is known.
        """
        generation = self.generations.get(repository)
        blob = LinkedBlob(Descriptor(OCTET_STREAM, digest, size), digest, image)
        link = Link.to(blob.descriptor, image_metadata(image))
        await put_link(self.store, self.layout.blob_link(repository, digest), link)
        self.blobs.put((repository, digest), _Lookup(blob, generation))
        self._note_content(digest, size)
        return blob.descriptor

    async def find_manifest(self, repository: str, digest: Digest) -> Link:
        """Return the revision link, if the repository has the manifest. One call, none if cached.

        :raises NotFound: the repository does not have it.
        """
        known = self.manifests.get((repository, digest))
        return (known or await self._look_up_manifest(repository, digest)).found

    async def verify_manifest(
        self, repository: str, digest: Digest, generation: str | None = None
    ) -> Link:
        """Return the revision link, if the repository has the manifest and its content is there.

        As `verify_blob`.

        :raises NotFound: the repository does not have it, or the content is gone or incomplete.
        """
        known = self.manifests.get((repository, digest))
        if known is None or generation not in (None, known.generation):
            known = await self._look_up_manifest(repository, digest)
        await self._verify_content(digest, known.found.size)
        return known.found

    async def _look_up_manifest(self, repository: str, digest: Digest) -> _Lookup[Link]:
        generation = self.generations.get(repository)
        try:
            properties = await self.store.head(self.layout.revision_link(repository, digest))
        except NotFound:
            self.manifests.forget((repository, digest))
            raise
        return self._cache(repository, Link(digest).described_by(properties), generation)

    async def link_manifest(self, repository: str, link: Link) -> None:
        """Make a manifest, whose content has just been seen, one of the repository. One call."""
        generation = self.generations.get(repository)
        await put_link(self.store, self.layout.revision_link(repository, link.digest), link)
        self._cache(repository, link, generation)
        if link.size is not None:
            self._note_content(link.digest, link.size)

    def _cache(self, repository: str, link: Link, generation: str | None) -> _Lookup[Link]:
        """Cache a revision link, without the metadata that only listings use: up to 7 KiB each."""
        known = _Lookup(replace(link, extra={}), generation)
        self.manifests.put((repository, link.digest), known)
        return known

    async def is_known(self, repository: str) -> bool:
        """Return whether the repository has manifests or tags. One call."""
        return await exists_below(self.store, self.layout.manifests(repository))
