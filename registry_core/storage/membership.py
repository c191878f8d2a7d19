"""Membership: which blobs and manifests a repository has, by its links, cached for a while."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from ..caches import Cache, boot_time
from ..object_store.errors import NotFound
from ..object_store.interface import (
    ObjectStore,
    Properties,
    delete_if,
    exists_below,
    if_match,
)
from ..spec.descriptor import Descriptor
from ..spec.digest import SHA256, Digest
from ..spec.errors import Unavailable
from ..spec.image_config import ImageConfig
from ..spec.media_types import OCTET_STREAM
from .condemnation import RELIED_ON, is_condemned, observe
from .layout import Layout
from .link_metadata import image_metadata, read_image
from .links import Link, put_link, read_link

MEMBERSHIP_SECONDS = 30.0

T = TypeVar("T")

Look = Callable[[str], Awaitable[Properties]]
"""Returns the properties of the object at a path: `ObjectStore.head`, or an observation."""


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
    ``contents`` has the sizes of content that was observed, whole, in that time.

    ``writes``: whether this instance may write, and so take marks off what it observes: see
    `condemnation`. ``clock``: seconds, with those for which the machine was suspended.
    ``relied_on``: seconds for which what was observed may be relied on.
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
    writes: bool = True
    clock: Callable[[], float] = boot_time
    relied_on: float = RELIED_ON

    async def _observe(self, path: str) -> Properties:
        """Return the properties of an object to rely on. One call, two if it is condemned.

        :raises NotFound: it does not exist.
        """
        return await (observe(self.store, path) if self.writes else self.store.head(path))

    def is_recent(self, observed: float) -> bool:
        """Return whether what was observed then, by `clock`, may still be relied on."""
        return self.clock() - observed <= self.relied_on

    async def find_blob(self, repository: str, digest: Digest) -> LinkedBlob:
        """Return the blob, if the repository has it, as its link says. One call, none if cached.

        Two where another registry wrote the link, which does not say the size; three where CNCF
        distribution took the blob by another digest than its sha256.

        :raises NotFound: the repository does not have it.
        """
        known = self.blobs.get((repository, digest))
        return (known or await self._look_up_blob(repository, digest, self.store.head)).found

    async def verify_blob(
        self, repository: str, digest: Digest, generation: str | None = None
    ) -> LinkedBlob:
        """Return the blob, if the repository has it and its content is there, whole.

        For whoever goes on to rely on it: both are observed. CNCF distribution's
        ``garbage-collect``, besides, deletes content and leaves links. One call more than
        `find_blob`, none if cached; one more for each of the two that is condemned.

        :param generation: the repository's, for a push: a link that was looked up in another one is
            looked up again; if empty, in any case.
        :raises NotFound: the repository does not have it, or the content is gone or incomplete.
        """
        known = self.blobs.get((repository, digest))
        if known is None or generation not in (None, known.generation):
            known = await self._look_up_blob(repository, digest, self._observe)
        await self._verify_content(known.found.content, known.found.descriptor.size)
        return known.found

    async def observe_content(self, digest: Digest) -> int:
        """Return the size of content to rely on. One call, two if it is condemned.

        :raises NotFound: there is none.
        """
        size = (await self._observe(self.layout.content(digest))).size
        self._note_content(digest, size)
        return size

    async def _verify_content(self, digest: Digest, size: int | None) -> None:
        """Observe content, whole. One call, none if it was observed lately.

        :param size: the size that it must have; None: any but 0.
        :raises NotFound: it is gone or incomplete.
        """
        known = self.contents.get(digest)
        if known is not None and size in (None, known):
            return
        found = (await self._observe(self.layout.content(digest))).size
        if found != size and (size is not None or found == 0):
            raise NotFound(f"the content of {digest} is incomplete")
        self._note_content(digest, found)

    def _note_content(self, digest: Digest, size: int) -> None:
        """Note content that this request observed, as an earlier one may have noted already."""
        if self.contents.get(digest) is None:
            self.contents.put(digest, size)

    async def _look_up_blob(
        self, repository: str, digest: Digest, look: Look
    ) -> _Lookup[LinkedBlob]:
        generation = self.generations.get(repository)
        path = self.layout.blob_link(repository, digest)
        try:
            properties = await look(path)
            found = await self._describe(path, Link(digest).described_by(properties))
        except NotFound:
            self.blobs.forget((repository, digest))
            raise
        known = _Lookup(found, generation)
        if not is_condemned(properties):  # a push may rely on what is cached
            self.blobs.put((repository, digest), known)
        return known

    async def _describe(self, path: str, link: Link) -> LinkedBlob:
        size, content = link.size, link.digest
        if size is None:
            if link.digest.algorithm != SHA256:
                # distribution stores all content under its sha256, which the link names then.
                content = (await read_link(self.store, path)).digest
            properties = await self.store.head(self.layout.content(content))
            size = properties.size
            if not is_condemned(properties):
                self._note_content(content, size)
        descriptor = Descriptor(OCTET_STREAM, link.digest, size)
        return LinkedBlob(descriptor, content, read_image(link.extra))

    async def link_blob(
        self,
        repository: str,
        digest: Digest,
        size: int,
        image: ImageConfig | None = None,
        *,
        observed: float,
    ) -> Descriptor:
        """Make content of ``size`` bytes, which was observed, a blob of the repository. One call.

        :param image: what the content says if it is an image config, where that is known.
        :param observed: when the content was observed, by `clock`.
        :raises Unavailable: that is too long ago by now, and the content is gone.
        """
        generation = self.generations.get(repository)
        blob = LinkedBlob(Descriptor(OCTET_STREAM, digest, size), digest, image)
        link = Link.to(blob.descriptor, image_metadata(image))
        path = self.layout.blob_link(repository, digest)
        etag = await put_link(self.store, path, link)
        if not self.is_recent(observed):
            await self._observe_again(path, etag, digest, size)
        self.blobs.put((repository, digest), _Lookup(blob, generation))
        if self.clock() - observed < MEMBERSHIP_SECONDS:  # else it is observed by the next push
            self._note_content(digest, size)
        return blob.descriptor

    async def _observe_again(self, path: str, etag: str, digest: Digest, size: int) -> None:
        """Observe the content of a link that was written so late that it may have been collected.

        Storage was slow, or the machine suspended. One call; two if the content is gone: then the
        link is deleted again.

        :raises Unavailable: the content is gone.
        """
        try:
            await self._verify_content(digest, size)
        except NotFound:
            await delete_if(self.store, path, if_match(etag))
            raise collected(f"the content of {digest}") from None

    async def find_manifest(self, repository: str, digest: Digest) -> Link:
        """Return the revision link, if the repository has the manifest. One call, none if cached.

        :raises NotFound: the repository does not have it.
        """
        known = self.manifests.get((repository, digest))
        return (known or await self._look_up_manifest(repository, digest, self.store.head)).found

    async def observe_manifest(self, repository: str, digest: Digest) -> Link:
        """Return the revision link, for a client that goes on to rely on the manifest.

        As `find_manifest`; one call more if it is condemned.

        :raises NotFound: the repository does not have it.
        """
        known = self.manifests.get((repository, digest))
        return (known or await self._look_up_manifest(repository, digest, self._observe)).found

    async def verify_manifest(
        self, repository: str, digest: Digest, generation: str | None = None
    ) -> Link:
        """Return the revision link, if the repository has the manifest and its content is there.

        As `verify_blob`.

        :raises NotFound: the repository does not have it, or the content is gone or incomplete.
        """
        known = self.manifests.get((repository, digest))
        if known is None or generation not in (None, known.generation):
            known = await self._look_up_manifest(repository, digest, self._observe)
        await self._verify_content(digest, known.found.size)
        return known.found

    async def _look_up_manifest(self, repository: str, digest: Digest, look: Look) -> _Lookup[Link]:
        generation = self.generations.get(repository)
        try:
            properties = await look(self.layout.revision_link(repository, digest))
        except NotFound:
            self.manifests.forget((repository, digest))
            raise
        link = Link(digest).described_by(properties)
        if is_condemned(properties):  # a push may rely on what is cached
            return _Lookup(link, generation)
        return self._cache(repository, link, generation)

    async def link_manifest(self, repository: str, link: Link) -> str:
        """Make a manifest, whose content was observed, one of the repository. One call.

        Return the ETag of the link.
        """
        generation = self.generations.get(repository)
        path = self.layout.revision_link(repository, link.digest)
        etag = await put_link(self.store, path, link)
        self._cache(repository, link, generation)
        if link.size is not None:
            self._note_content(link.digest, link.size)
        return etag

    def _cache(self, repository: str, link: Link, generation: str | None) -> _Lookup[Link]:
        """Cache a revision link, without the metadata that only listings use: up to 7 KiB each."""
        known = _Lookup(replace(link, extra={}), generation)
        self.manifests.put((repository, link.digest), known)
        return known

    async def is_known(self, repository: str) -> bool:
        """Return whether the repository has manifests or tags. One call."""
        return await exists_below(self.store, self.layout.manifests(repository))


def collected(what: str) -> Unavailable:
    """Return the error of a push that took so long that what it relied on was collected."""
    return Unavailable(
        f"{what} was collected as garbage while the push was held up",
        public="what the push relied on is gone, since it was held up for long; push again",
    )
