"""Deletions of blobs, tags and manifests. Content stays: other repositories may have it.

The order is the reverse of a push's: first the tags that point to a manifest, on condition that
they still do, and its entry among the referrers, then the revision link. Of a tag the index goes
first: without a current link, the index would still say what the tag points to.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field

from ..aio import both, for_each, off_loop
from ..object_store.interface import (
    Condition,
    Entry,
    NotFound,
    delete_if,
    exists,
    if_match,
    list_all,
)
from ..registry import DeletedManifest
from ..spec.digest import Digest
from ..spec.errors import BlobUnknown, ManifestInvalid, ManifestUnknown
from ..spec.manifest import Manifest, parse_manifest
from .catalog import Catalog
from .content import Content
from .link_metadata import parse_digest
from .links import Link, read_link
from .membership import Membership
from .referrers import Referrers
from .tags import Tags, newest_first

_AT_ONCE = 16


@dataclass
class _TagRows:
    """A listing's rows of one tag: its current link, if there is one, and its index."""

    name: str
    current: Entry | None = None
    index: list[Entry] = field(default_factory=list)


@dataclass
class Deletions:
    """`Deleter` over the object store."""

    membership: Membership
    content: Content
    catalog: Catalog
    tags: Tags
    referrers: Referrers

    def __post_init__(self) -> None:
        self._store = self.membership.store
        self._layout = self.membership.layout

    async def delete_blob(self, repository: str, digest: Digest) -> None:
        """See `Deleter`. One call."""
        try:
            await self._store.delete(self._layout.blob_link(repository, digest))
        except NotFound:
            raise BlobUnknown(f"blob unknown to {repository}: {digest}") from None
        finally:
            self.membership.blobs.forget((repository, digest))

    async def delete_tag(self, repository: str, tag: str) -> Digest | None:
        """See `Deleter`. Three calls, one per entry of the index, one if the link has to be read.

        A tag that is moved meanwhile stays, as if the deletion had come first.
        """
        unknown = ManifestUnknown(f"manifest unknown to {repository}: {tag}")
        if self.tags.immutable.match(repository, tag):
            with suppress(NotFound):
                await self.tags.read(repository, tag)
                self.tags.check_deletable(repository, [tag])
            raise unknown
        rows = await self._list_tags(repository, f"{self._layout.tags(repository)}{tag}/")
        if tag not in rows:
            raise unknown
        digest = await self._target(repository, rows[tag])
        await self._untag(repository, rows[tag])
        return digest

    async def delete_manifest(self, repository: str, digest: Digest) -> DeletedManifest:
        """See `Deleter`."""
        self.membership.manifests.forget((repository, digest))
        try:
            path = self._layout.revision_link(repository, digest)
            found = await self._store.head(path)
            link = Link(digest).described_by(found)
            return await self._delete_manifest(repository, link, if_match(found.etag))
        except NotFound:
            await self.catalog.update(repository)  # where a deletion was cut off before it
            raise ManifestUnknown(f"manifest unknown to {repository}: {digest}") from None
        finally:
            self.membership.manifests.forget((repository, digest))

    async def _delete_manifest(
        self, repository: str, link: Link, unchanged: Condition
    ) -> DeletedManifest:
        """Delete a manifest, unless its revision link is written again meanwhile."""
        digest = link.digest
        tags, manifest = await both(self._tags_to(repository, digest), self._read(digest))
        self.tags.check_deletable(repository, [tag.name for tag in tags])

        async def untag(tag: _TagRows) -> bool:
            return await self._untag(repository, tag)

        untagged, _ = await both(
            for_each(tags, untag, limit=_AT_ONCE), self._unlist(repository, manifest)
        )
        if link.descriptor is None and manifest is not None:
            link = Link.to(manifest.descriptor)
        await delete_if(self._store, self._layout.revision_link(repository, digest), unchanged)
        await self.catalog.update(repository)
        await self._restore_if_pushed(repository, link, manifest)
        names = [tag.name for tag, went in zip(tags, untagged, strict=True) if went]
        return DeletedManifest(digest, link.descriptor, tuple(sorted(names)))

    async def _list_tags(self, repository: str, prefix: str) -> dict[str, _TagRows]:
        """Return the rows of the tags whose paths begin with ``prefix``, by name."""
        tags: dict[str, _TagRows] = {}
        all_tags = self._layout.tags(repository)
        async for entry in list_all(self._store, prefix, metadata=True):
            name = entry.path.removeprefix(all_tags).partition("/")[0]
            tag = tags.setdefault(name, _TagRows(name))
            if entry.path == self._layout.tag_link(repository, name):
                tag.current = entry
            else:
                tag.index.append(entry)
        return tags

    async def _tags_to(self, repository: str, digest: Digest) -> list[_TagRows]:
        """Return the tags that point to the manifest, or would if they had no current link."""
        tags = await self._list_tags(repository, self._layout.tags(repository))

        async def target(tag: _TagRows) -> Digest | None:
            return await self._target(repository, tag)

        targets = await for_each(tags.values(), target, limit=_AT_ONCE)
        return [tag for tag, to in zip(tags.values(), targets, strict=True) if to == digest]

    async def _target(self, repository: str, tag: _TagRows) -> Digest | None:
        """Return what a tag points to. No call, unless another registry wrote its current link."""
        if tag.current is not None and tag.current.properties is not None:
            digest = parse_digest(tag.current.properties.metadata.get("digest"))
            if digest is not None:
                return digest
            with suppress(NotFound):
                return (await read_link(self._store, tag.current.path)).digest
        newest = newest_first(self._layout.tag_index(repository, tag.name), tag.index)
        return newest[0] if newest else None

    async def _untag(self, repository: str, tag: _TagRows) -> bool:
        """Delete a tag; return False if it was moved meanwhile: then it stays, without history."""
        await self._delete_all(entry.path for entry in tag.index)
        if tag.current is not None and tag.current.properties is not None:
            unchanged = if_match(tag.current.properties.etag)
            if not await delete_if(self._store, tag.current.path, unchanged):
                return False
        # A push at the same time may have left an entry of the index.
        prefix = self._layout.tag_index(repository, tag.name)
        await self._delete_all([entry.path async for entry in list_all(self._store, prefix)])
        return True

    async def _read(self, digest: Digest) -> Manifest | None:
        """Return the manifest; None if it cannot be read."""
        try:
            content = await self.content.read_manifest(digest)
            return await off_loop(len(content), parse_manifest, content, digest=digest)
        except (NotFound, ManifestInvalid):
            return None

    async def _restore_if_pushed(
        self, repository: str, link: Link, manifest: Manifest | None
    ) -> None:
        """Restore a manifest that a push at the same time has tagged or listed as a referrer."""
        await self._unlist(repository, manifest)
        is_referrer = manifest is not None and manifest.document.subject is not None
        path = self._layout.revision_link(repository, link.digest)
        tagged = await self._tags_to(repository, link.digest)
        if tagged or (is_referrer and await exists(self._store, path)):
            await self.membership.link_manifest(repository, link)
            if manifest is not None:
                await self.referrers.add(repository, manifest)
            await self.catalog.mark(repository)

    async def _unlist(self, repository: str, manifest: Manifest | None) -> None:
        """Remove a manifest from its subject's referrers, as far as it is known to have one."""
        if manifest is not None:
            await self.referrers.remove(repository, manifest)

    async def _delete_all(self, paths: Iterable[str]) -> None:
        async def delete(path: str) -> None:
            await delete_if(self._store, path)

        await for_each(paths, delete, limit=_AT_ONCE)
