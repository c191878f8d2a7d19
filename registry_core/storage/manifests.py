"""Manifests and the tags that point to them.

The order of writes is what keeps readers whole: what a manifest references is there before its
content, its content before the revision link, and all of it before the tag's current link makes it
visible. A deletion of the same manifest may run beside a push: so the push looks in the end whether
anything was deleted, then whether its revision link is still there; and the deletion looks in the
end whether a tag came meanwhile.
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ..aio import together
from ..object_store.interface import NotFound
from ..registry import ManifestContent, PushedManifest
from ..spec.descriptor import Descriptor
from ..spec.digest import SHA256, Digest
from ..spec.endpoints import Reference
from ..spec.errors import DigestInvalid, ManifestBlobUnknown, ManifestUnknown
from ..spec.manifest import Manifest, detect_media_type
from .content import Content
from .membership import Shelf
from .parsing import parse
from .referrers import Referrers
from .small_objects import Link
from .tag_links import TagLinks


@dataclass
class Manifests:
    """`Reader`'s and `Writer`'s manifests over the object store.

    ``require_blobs`` and ``require_children``: whether a manifest is refused when blobs, an index
    when manifests that it lists are not there.
    """

    shelf: Shelf
    tags: TagLinks
    referrers: Referrers
    require_blobs: bool = True
    require_children: bool = True

    async def resolve_manifest(self, repository: str, reference: Reference) -> Descriptor:
        try:
            link = await self._find(repository, reference)
            if link.descriptor is not None:
                return link.descriptor
            return _describe(link, await self.shelf.read_content(link.digest))
        except NotFound:
            raise _unknown(repository, reference) from None

    async def get_manifest(self, repository: str, reference: Reference) -> ManifestContent:
        try:
            if isinstance(reference, Digest):
                link, content = await self._find_and_read(repository, reference)
            else:
                link = await self._find(repository, reference)
                content = await self.shelf.read_content(link.digest)
        except NotFound:
            raise _unknown(repository, reference) from None
        return ManifestContent(_describe(link, content), content)

    async def _find(self, repository: str, reference: Reference) -> Link:
        if isinstance(reference, Digest):
            return await self.shelf.find_manifest(repository, reference)
        return await self.tags.read(repository, reference)

    async def _find_and_read(self, repository: str, digest: Digest) -> tuple[Link, bytes]:
        """Membership and content at the same time; they do not depend on each other."""
        link: Link | None = None
        content: bytes | None = None

        async def find() -> None:
            nonlocal link
            link = await self.shelf.find_manifest(repository, digest)

        async def read() -> None:
            nonlocal content
            content = await self.shelf.read_content(digest)

        await together((find(), read()))
        assert link is not None
        assert content is not None
        return link, content

    async def push_manifest(
        self,
        repository: str,
        reference: Reference,
        content: bytes,
        content_type: str | None,
        tags: Sequence[str] = (),
    ) -> PushedManifest:
        manifest = await parse(content, content_type)
        digest = _check_digest(reference, content)
        if isinstance(reference, str):
            tags = tuple(dict.fromkeys((reference, *tags)))
        await self.tags.check(repository, tags, digest)
        await self._check_references(repository, manifest)
        link = Link(digest, manifest.media_type, len(content))
        await Content(self.shelf.store, self.shelf.layout).put(digest, content)
        self.shelf.content.put(digest, content)
        mark = self.shelf.marked.get(repository)
        await self.shelf.link_manifest(repository, link)
        await self._show(repository, link, manifest, tags, is_marked=mark is not None)
        if mark is None or not await self.shelf.is_marked_still(repository, mark):
            await self._see_that_it_stays(repository, link, manifest)
        subject = manifest.subject.digest if manifest.subject else None
        return PushedManifest(Descriptor(manifest.media_type, digest, len(content)), subject)

    async def _show(
        self,
        repository: str,
        link: Link,
        manifest: Manifest,
        tags: Sequence[str],
        *,
        is_marked: bool,
    ) -> None:
        """Let all that leads to the manifest lead there."""
        await together(
            [
                *([] if is_marked else [self.shelf.mark_repository(repository)]),
                self.referrers.add(repository, link, manifest),
                *(self.tags.point(repository, tag, link) for tag in tags),
            ]
        )

    async def _see_that_it_stays(self, repository: str, link: Link, manifest: Manifest) -> None:
        try:
            await self.shelf.store.head(self.shelf.layout.revision_link(repository, link.digest))
        except NotFound:
            await self.shelf.link_manifest(repository, link)
            await self._show(repository, link, manifest, (), is_marked=False)

    async def _check_references(self, repository: str, manifest: Manifest) -> None:
        """All at once, each digest once; nothing is written before."""
        blobs = _unique(manifest.required_blobs) if self.require_blobs else []
        children = _unique(manifest.manifests) if self.require_children else []
        missing = await together(
            [
                *(_missing(d, self.shelf.find_blob(repository, d)) for d in blobs),
                *(_missing(d, self.shelf.find_manifest(repository, d)) for d in children),
            ]
        )
        unknown = [str(digest) for digest in missing if digest]
        if unknown:
            raise ManifestBlobUnknown(detail=unknown)


async def _missing(digest: Digest, lookup: Coroutine[Any, Any, object]) -> Digest | None:
    try:
        await lookup
    except NotFound:
        return digest
    return None


def _unique(descriptors: Iterable[Descriptor]) -> list[Digest]:
    return list(dict.fromkeys(descriptor.digest for descriptor in descriptors))


def _check_digest(reference: Reference, content: bytes) -> Digest:
    if not isinstance(reference, Digest):
        return Digest.of(content, SHA256)
    actual = Digest.of(content, reference.algorithm)
    if actual != reference:
        raise DigestInvalid(f"the manifest's digest is {actual}, not {reference}")
    return actual


def _describe(link: Link, content: bytes) -> Descriptor:
    media_type = link.media_type or detect_media_type(content)
    return Descriptor(media_type, link.digest, len(content))


def _unknown(repository: str, reference: Reference) -> ManifestUnknown:
    return ManifestUnknown(f"manifest unknown to {repository}: {reference}")
