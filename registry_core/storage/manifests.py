"""Manifests: pushed, read and listed.

The order of writes is what keeps readers whole: what a manifest references is there before its
content, its content before the revision link, and all of it before the tag's current link makes it
visible. A deletion of the same manifest may run at the same time. It begins a new generation of the
repository before it looks for tags. So either it finds the push's tag, or the push finds in the end
that the generation is another one, and puts its revision link again, which the deletion then does
not delete, because it is not the one that it has seen.

A collection of garbage may run at the same time, too. What the push relies on was observed, and
that holds for a while (`condemnation`): the push checks that, once its link is there and once all
is, and otherwise observes everything again.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ..aio import both, for_each, off_loop, together
from ..object_store.errors import NotFound, contended
from ..object_store.interface import Properties, delete_if, if_match
from ..registry import Listing, ManifestInfo, PushedManifest
from ..spec.descriptor import Descriptor
from ..spec.digest import Digest
from ..spec.endpoints import PageQuery, Reference
from ..spec.errors import ManifestBlobUnknown, ManifestInvalid, ManifestUnknown, NameUnknown
from ..spec.manifest import Manifest, detect_media_type, parse_manifest
from ..spec.preconditions import Precondition
from .catalog import Catalog
from .content import Content
from .layout import linked_digest
from .link_metadata import manifest_info, read_manifest_info, revision_link, tag_link
from .links import Link
from .membership import Membership, collected
from .paging import MOST_DETAILED, Window, list_names
from .protection import keep_needed
from .references import References
from .referrers import Referrers
from .tag_rows import TagListing
from .tags import SeenTag, Tags

# How many tags are set at the same time.
_AT_ONCE = 32
# How often a push writes what deletions at the same time delete.
_ATTEMPTS = 8
# How many manifests are in memory at the same time while a listing reads them.
_READ_AT_ONCE = 8

_BEGINNING = re.compile(r"sha(?:256|512):[a-f0-9]*")


@dataclass(frozen=True)
class _Written:
    """A manifest's revision link as a push has written it, and when it observed what that needs."""

    manifest: Manifest
    link: Link
    etag: str
    observed: float


@dataclass
class Manifests:
    """`Reader`'s, `Writer`'s and `Lister`'s manifests over the object store.

    ``pushed_by``: the name of the caller, recorded with what they push. ``now``: Unix time.
    """

    membership: Membership
    content: Content
    catalog: Catalog
    tags: Tags
    referrers: Referrers
    references: References
    pushed_by: str = ""
    now: Callable[[], float] = time.time

    async def resolve_manifest(self, repository: str, reference: Reference) -> Descriptor:
        """See `Reader`. One call, none by digest if cached; more where another registry pushed."""
        try:
            if isinstance(reference, Digest):
                # A client that finds a manifest does not push it again: see `condemnation`.
                link = await self.membership.observe_manifest(repository, reference)
            else:
                link = await self.tags.read(repository, reference)
            return await self.tags.describe(link)
        except NotFound:
            raise _unknown(repository, reference) from None

    async def get_manifest(self, repository: str, reference: Reference) -> Manifest:
        """See `Reader`. Two calls; one by tag, none by digest if cached."""
        try:
            # In this order: content that the repository lacks is not even looked for.
            link = await self._find(repository, reference)
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
        self,
        repository: str,
        manifest: Manifest,
        tags: Sequence[str] = (),
        precondition: Precondition | None = None,
    ) -> PushedManifest:
        """See `Writer`."""
        size, observed = len(manifest.content), self.membership.clock()
        seen, (generation, image) = await both(
            self.tags.look(repository, dict.fromkeys(tags), manifest.digest, precondition),
            self.references.check(repository, manifest),
        )
        pushed = int(self.now())
        link = await off_loop(
            size, revision_link, manifest, image, pushed=pushed, pushed_by=self.pushed_by
        )
        generation = await self._put_content(repository, manifest, generation)
        etag = await self.membership.link_manifest(repository, link)
        written = _Written(manifest, link, etag, observed)
        written = await self._observe_again(repository, written)
        await self._publish(repository, manifest, seen, pushed)
        if any(tag.is_immutable for tag in seen):
            await self._keep_needed(repository, manifest)
        if not await self._is_undisturbed(repository, generation):
            written = await self._keep(repository, written, seen, pushed)
        await self._observe_again(repository, written, seen)
        subject = manifest.document.subject
        return PushedManifest(manifest.descriptor, subject.digest if subject else None)

    async def _put_content(
        self, repository: str, manifest: Manifest, generation: str | None
    ) -> str:
        """Write the content and, where the repository lacks one, its marker: return the generation.

        A deletion that began without a marker has seen no revision link that is written after this.
        """
        put = self.content.put_manifest(manifest.digest, manifest.content)
        if generation is None:
            return (await both(put, self.catalog.mark(repository)))[1]
        await put
        return generation

    async def _observe_again(
        self, repository: str, written: _Written, tags: Sequence[SeenTag] = ()
    ) -> _Written:
        """Observe again what a manifest needs, if its link came so late that it may be gone.

        No call as a rule. Storage was slow, or the machine suspended.

        :param tags: those that point to the manifest by now.
        :raises Unavailable: it is gone; then the link and the tags are deleted again.
        """
        manifest = written.manifest
        for _ in range(_ATTEMPTS):
            if self.membership.is_recent(written.observed):
                return written
            observed = self.membership.clock()
            try:
                await self.references.check(repository, manifest, fresh=True)
            except ManifestBlobUnknown:
                await self._withdraw(repository, written, tags)
                raise collected(f"what {manifest.digest} references") from None
            await self.content.put_manifest(manifest.digest, manifest.content)
            etag = await self.membership.link_manifest(repository, written.link)
            written = replace(written, etag=etag, observed=observed)
        raise contended(self.membership.layout.revision_link(repository, manifest.digest))

    async def _withdraw(self, repository: str, written: _Written, tags: Sequence[SeenTag]) -> None:
        """Delete a manifest that is incomplete, and the tags that this push has set.

        Unless another push has written them since: that one has found everything. A manifest that
        other tags lead to was there before, and was damaged by a deletion that can be undone.
        """
        digest, membership = written.manifest.digest, self.membership

        async def untag(tag: SeenTag) -> None:
            if tag.link.digest != digest:
                await self.tags.withdraw(repository, tag, digest)

        await for_each(tags, untag, limit=_AT_ONCE)
        rows = TagListing(membership.store, membership.layout)
        if any(tag.current for tag in await rows.pointing_to(repository, digest)):
            return
        path = membership.layout.revision_link(repository, digest)
        await delete_if(membership.store, path, if_match(written.etag))
        membership.manifests.forget((repository, digest))

    async def _publish(
        self, repository: str, manifest: Manifest, tags: Sequence[SeenTag], pushed: int
    ) -> None:
        """Write everything that leads to the manifest, at the same time.

        A tag with a precondition comes first: if it does not hold, nothing else is moved.
        """
        link = tag_link(manifest.descriptor, pushed)

        async def point(tag: SeenTag) -> None:
            await self.tags.point(repository, tag, link)

        if tags and tags[0].precondition:
            first, *tags = tags
            await point(first)

        await together(
            [
                self.referrers.add(repository, manifest),
                for_each(tags, point, limit=_AT_ONCE),
            ]
        )

    async def _is_undisturbed(self, repository: str, generation: str) -> bool:
        """Return whether no deletion has begun since ``generation``, which came before all links.

        A marker that is about to be deleted, or gone, is written again.
        """
        now = await self.catalog.generation(repository)
        if now is None:
            await self.catalog.mark(repository)
        return now == generation

    async def _keep(
        self,
        repository: str,
        written: _Written,
        tags: Sequence[SeenTag],
        pushed: int,
    ) -> _Written:
        """Keep the manifest from deletions that may have begun before its tags were written.

        One call, and one for each tag; of a referrer two more, as a rule. A deletion deletes the
        revision link last, if it is the one that it has seen. So it is written again; then tags and
        a referrer's entry are looked at, which the deletion may still remove: it has noted that in
        them before it looked at the revision link.

        :raises StoreUnavailable: it is deleted again and again.
        """
        manifest, link = written.manifest, written.link
        for _ in range(_ATTEMPTS):
            await self.referrers.add(repository, manifest)
            etag = await self.membership.link_manifest(repository, link)
            if await self.referrers.is_kept(repository, manifest):
                break
        else:
            raise contended(self.membership.layout.revision_link(repository, link.digest))
        target = tag_link(manifest.descriptor, pushed)

        async def keep(tag: SeenTag) -> None:
            await self.tags.keep(repository, tag, target)

        await for_each(tags, keep, limit=_AT_ONCE)
        return replace(written, etag=etag)

    async def _keep_needed(self, repository: str, manifest: Manifest) -> None:
        """Keep what an immutable tag needs from deletions that have begun before it was set.

        :raises ManifestBlobUnknown: some of it is gone: to push that and the manifest again helps.
        """
        gone = await keep_needed(self.content, repository, manifest)
        if gone and self.references.require_blobs and self.references.require_children:
            raise ManifestBlobUnknown(detail=sorted(map(str, gone)))

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
            return await self.info(*links[name])

        names = await list_names(read, page, most=MOST_DETAILED)
        if not names.entries and not await self.membership.is_known(repository):
            raise NameUnknown(f"repository {repository} is not known")
        infos = await for_each(names.entries, info, limit=_READ_AT_ONCE)
        return Listing(tuple(infos), names.next)

    async def info(self, digest: Digest, properties: Properties) -> ManifestInfo:
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


def _unknown(repository: str, reference: Reference) -> ManifestUnknown:
    return ManifestUnknown(f"manifest unknown to {repository}: {reference}")
