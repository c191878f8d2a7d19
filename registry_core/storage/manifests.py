"""Manifests: pushed, read and listed.

The order of writes is what keeps readers whole: what a manifest references is there before its
content, its content before the revision link, and all of it before the tag's current link makes it
visible. A deletion of the same manifest may run at the same time: so the push checks in the end
whether anything was deleted, then whether its revision link is still there; and the deletion checks
in the end whether a tag was added meanwhile.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ..aio import both, for_each, off_loop, together
from ..object_store.interface import NotFound, Properties, exists
from ..registry import Listing, ManifestInfo, PushedManifest
from ..spec.descriptor import Descriptor
from ..spec.digest import Digest
from ..spec.endpoints import PageQuery, Reference
from ..spec.errors import ManifestBlobUnknown, ManifestInvalid, ManifestUnknown, NameUnknown
from ..spec.foreign_urls import NO_URLS, ForeignUrls
from ..spec.image_config import ImageConfig
from ..spec.manifest import Manifest, ManifestDocument, detect_media_type, parse_manifest
from ..spec.media_types import IMAGE_CONFIGS
from .catalog import Catalog
from .content import Content
from .layout import linked_digest
from .link_metadata import manifest_info, read_manifest_info, revision_link, tag_link
from .links import Link
from .membership import Membership
from .paging import Window, list_names
from .referrers import Referrers
from .tags import Tags

# How many references of one manifest are looked up, and how many tags are set, at the same time.
_AT_ONCE = 32
# How many manifests are in memory at the same time while a listing reads them.
_READ_AT_ONCE = 8

_BEGINNING = re.compile(r"sha(?:256|512):[a-f0-9]*")


@dataclass
class Manifests:
    """`Reader`'s, `Writer`'s and `Lister`'s manifests over the object store.

    ``require_blobs`` and ``require_children``: refuse a manifest whose blobs, an index whose
    manifests are missing. ``foreign_urls``: where else manifests may send clients; None: anywhere.
    ``pushed_by``: the name of the caller, recorded with what they push.
    ``now``: Unix time.
    """

    membership: Membership
    content: Content
    catalog: Catalog
    tags: Tags
    referrers: Referrers
    require_blobs: bool = True
    require_children: bool = True
    foreign_urls: ForeignUrls | None = NO_URLS
    pushed_by: str = ""
    now: Callable[[], float] = time.time

    async def resolve_manifest(self, repository: str, reference: Reference) -> Descriptor:
        """See `Reader`. One call, none by digest if cached; more where another registry pushed."""
        try:
            return await self.tags.describe(await self._find(repository, reference))
        except NotFound:
            raise _unknown(repository, reference) from None

    async def get_manifest(self, repository: str, reference: Reference) -> Manifest:
        """See `Reader`. Two calls; one by tag, none by digest if cached."""
        try:
            if isinstance(reference, Digest):  # neither depends on the other
                link, content = await both(
                    self.membership.find_manifest(repository, reference),
                    self.content.read_manifest(reference),
                )
            else:
                link = await self.tags.read(repository, reference)
                content = await self.content.read_manifest(link.digest)
        except NotFound:
            raise _unknown(repository, reference) from None
        media_type = link.media_type
        if media_type is None:
            media_type = await off_loop(len(content), detect_media_type, content)
        return Manifest(Descriptor(media_type, link.digest, len(content)), content)

    async def _find(self, repository: str, reference: Reference) -> Link:
        if isinstance(reference, Digest):
            return await self.membership.find_manifest(repository, reference)
        return await self.tags.read(repository, reference)

    async def push_manifest(
        self, repository: str, manifest: Manifest, tags: Sequence[str] = ()
    ) -> PushedManifest:
        """See `Writer`."""
        size = len(manifest.content)
        references = await off_loop(size, self._references, manifest)
        tags = tuple(dict.fromkeys(tags))
        _, image = await both(
            self.tags.check(repository, tags, manifest.digest),
            self._check_references(repository, manifest.document, references),
        )
        pushed = int(self.now())
        link = await off_loop(
            size, revision_link, manifest, image, pushed=pushed, pushed_by=self.pushed_by
        )
        await self.content.put_manifest(manifest.digest, manifest.content)
        generation = self.catalog.generations.get(repository)
        await self.membership.link_manifest(repository, link)
        is_marked = generation is not None
        await self._publish(repository, manifest, tags, pushed, is_marked=is_marked)
        if generation is None or not await self.catalog.is_unchanged(repository, generation):
            await self._restore_if_deleted(repository, link, manifest, pushed)
        subject = manifest.document.subject
        return PushedManifest(manifest.descriptor, subject.digest if subject else None)

    async def _publish(
        self,
        repository: str,
        manifest: Manifest,
        tags: Sequence[str],
        pushed: int,
        *,
        is_marked: bool,
    ) -> None:
        """Write everything that leads to the manifest, at the same time."""
        link = tag_link(manifest.descriptor, pushed)

        async def point(tag: str) -> None:
            await self.tags.point(repository, tag, link)

        await together(
            [
                *([] if is_marked else [self.catalog.mark(repository)]),
                self.referrers.add(repository, manifest),
                for_each(tags, point, limit=_AT_ONCE),
            ]
        )

    async def _restore_if_deleted(
        self, repository: str, link: Link, manifest: Manifest, pushed: int
    ) -> None:
        path = self.membership.layout.revision_link(repository, link.digest)
        if not await exists(self.membership.store, path):
            await self.membership.link_manifest(repository, link)
            await self._publish(repository, manifest, (), pushed, is_marked=False)

    def _references(self, manifest: Manifest) -> Sequence[tuple[bool, Digest]]:
        """Return each reference that must be there once, and whether it is a blob's.

        :raises ManifestInvalid: the manifest is not valid, or sends clients elsewhere.
        """
        document = manifest.document
        if self.foreign_urls is not None:
            self.foreign_urls.check(document)
        blobs = _unique(document.required_blobs) if self.require_blobs else ()
        children = _unique(document.manifests) if self.require_children else ()
        return [*((True, digest) for digest in blobs), *((False, digest) for digest in children)]

    async def _check_references(
        self,
        repository: str,
        document: ManifestDocument,
        references: Sequence[tuple[bool, Digest]],
    ) -> ImageConfig | None:
        """Check the references before anything is written; return what the config says.

        :raises ManifestBlobUnknown: some are missing.
        """
        config = document.config.digest if document.config else None
        image: ImageConfig | None = None

        async def is_there(reference: tuple[bool, Digest]) -> bool:
            nonlocal image
            is_blob, digest = reference
            try:
                if not is_blob:
                    await self.membership.find_manifest(repository, digest)
                    return True
                blob = await self.membership.find_blob(repository, digest)
            except NotFound:
                return False
            if digest == config:
                image = blob.image
            return True

        found = await for_each(references, is_there, limit=_AT_ONCE)
        missing = [
            str(digest) for (_, digest), there in zip(references, found, strict=True) if not there
        ]
        if missing:
            raise ManifestBlobUnknown(detail=missing)
        is_image = document.config is not None and document.config.media_type in IMAGE_CONFIGS
        return image if is_image else None

    async def list_manifests(self, repository: str, page: PageQuery) -> Listing[ManifestInfo]:
        """See `Lister`. One call for each 5,000 manifests.

        One more for each manifest that another registry pushed, if its content is not cached.
        """
        prefix = self.membership.layout.revisions(repository)
        links: dict[str, tuple[Digest, Properties]] = {}

        async def read(window: Window) -> tuple[list[str], str | None]:
            start = window.start(_BEGINNING).replace(":", "/")
            rows = await self.membership.store.list_page(
                prefix,
                metadata=True,
                start_from=prefix + start if start else None,
                continuation=window.continuation,
                limit=window.limit,
            )
            names = []
            for row in rows.entries:
                digest = linked_digest(row.path.removeprefix(prefix))
                if digest and row.properties:
                    links[str(digest)] = digest, row.properties
                    names.append(str(digest))
            return names, rows.continuation

        async def info(name: str) -> ManifestInfo:
            return await self._info(*links[name])

        names = await list_names(read, page)
        if not names.entries and not await self.membership.is_known(repository):
            raise NameUnknown(f"repository {repository} is not known")
        infos = await for_each(names.entries, info, limit=_READ_AT_ONCE)
        return Listing(tuple(infos), names.next)

    async def _info(self, digest: Digest, properties: Properties) -> ManifestInfo:
        known = read_manifest_info(digest, properties)
        if known is not None:
            return known
        try:
            content = await self.content.read_manifest(digest)
            return await off_loop(len(content), _read_info, content, digest, properties)
        except (NotFound, ManifestInvalid):
            return ManifestInfo(digest, pushed=properties.last_modified)


def _read_info(content: bytes, digest: Digest, properties: Properties) -> ManifestInfo:
    """:raises ManifestInvalid: the content is not a valid manifest."""
    return manifest_info(parse_manifest(content, digest=digest), properties)


def _unique(descriptors: Iterable[Descriptor]) -> Iterable[Digest]:
    return dict.fromkeys(descriptor.digest for descriptor in descriptors)


def _unknown(repository: str, reference: Reference) -> ManifestUnknown:
    return ManifestUnknown(f"manifest unknown to {repository}: {reference}")
