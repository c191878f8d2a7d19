"""Deletions of blobs, tags and manifests. Content stays: other repositories may have it.

The order is the reverse of a push's: first the tags that point to a manifest, on condition that
they still do, and its entry among the referrers, then the revision link. Of a tag the index goes
first: without a current link, the index would still say what the tag points to.

Each object is deleted on the condition that it is the one that was seen. So a request that arrives
late, after the same thing was pushed again, deletes nothing. How a deletion and a push of the same
manifest notice each other is said in `manifests`.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace

from ..aio import for_each, off_loop
from ..object_store.errors import NotFound, StoreUnavailable, contended
from ..object_store.interface import Entry, Properties, delete_if, if_match, list_all
from ..registry import DeletedManifest
from ..spec.digest import Digest
from ..spec.errors import BlobUnknown, ManifestInvalid, ManifestUnknown
from ..spec.manifest import Manifest, parse_manifest
from ..spec.preconditions import Precondition
from .catalog import Catalog
from .content import Content
from .link_metadata import parse_digest
from .links import Link, announce_removal, read_link
from .membership import Membership
from .protection import check_not_needed
from .referrers import Referrers
from .tags import Tags, newest_first

_AT_ONCE = 16
# How often something is deleted that others write at the same time.
_ATTEMPTS = 16


@dataclass
class _TagRows:
    """A listing's rows of one tag: its current link, if there is one, and its index."""

    name: str
    current: Entry | None = None
    index: list[Entry] = field(default_factory=list)


@dataclass(frozen=True)
class _Target:
    """The manifest that is deleted, as it was before the deletion was announced.

    ``etag``: its revision link's. ``manifest`` is None if it cannot be read.
    """

    link: Link
    etag: str
    manifest: Manifest | None


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
        """See `Deleter`. Four calls; three more, at least, where immutable tags are configured.

        A blob that is linked again meanwhile stays, as if the deletion had come first.
        """
        path = self._layout.blob_link(repository, digest)
        try:
            found = await self._announce(path)
            await self._check_not_needed(repository, digest)
            await delete_if(self._store, path, if_match(found.etag))
        except NotFound:
            raise BlobUnknown(f"blob unknown to {repository}: {digest}") from None
        finally:
            self.membership.blobs.forget((repository, digest))
            # Also where it is gone: that may be the work of a deletion that was cut off before.
            await self.catalog.begin_generation(repository)

    async def delete_tag(
        self, repository: str, tag: str, precondition: Precondition | None = None
    ) -> Digest | None:
        """See `Deleter`. Three calls, one per entry of the index, one if the link has to be read.

        A tag that is moved meanwhile stays, as if the deletion had come first. With a precondition
        that is checked again, so that of two who expect the same tag only one succeeds.

        :raises PreconditionFailed: it does not hold.
        :raises StoreUnavailable: the tag is moved again and again.
        """
        unknown = ManifestUnknown(f"manifest unknown to {repository}: {tag}")
        if self.tags.immutable.match(repository, tag):
            with suppress(NotFound):
                await self.tags.read(repository, tag)
                self.tags.check_deletable(repository, [tag])
            raise unknown
        for _ in range(_ATTEMPTS):
            rows = await self._list_tags(repository, f"{self._layout.tags(repository)}{tag}/")
            if tag not in rows:
                raise unknown
            digest = await self._target(repository, rows[tag])
            if precondition is not None:
                precondition.check(digest)
            if await self._untag(repository, rows[tag]) or precondition is None:
                return digest
        raise contended(self._layout.tag_link(repository, tag))

    async def delete_manifest(self, repository: str, digest: Digest) -> DeletedManifest:
        """See `Deleter`."""
        self.membership.manifests.forget((repository, digest))
        try:
            return await self._delete_manifest(
                repository, await self._target_of(repository, digest)
            )
        except NotFound:
            await self.catalog.update(repository)  # where a deletion was cut off before it
            raise ManifestUnknown(f"manifest unknown to {repository}: {digest}") from None
        finally:
            self.membership.manifests.forget((repository, digest))

    async def _target_of(self, repository: str, digest: Digest) -> _Target:
        """Return what a deletion is about to delete. Two calls, one if the content is cached.

        :raises NotFound: the repository does not have the manifest.
        """
        found = await self._announce(self._layout.revision_link(repository, digest))
        manifest = await self._read(digest)
        link = Link(digest).described_by(found)
        if link.descriptor is None and manifest is not None:
            link = Link.to(manifest.descriptor)
        return _Target(link, found.etag, manifest)

    async def _announce(self, path: str) -> Properties:
        """Return the link that is about to be deleted. One call.

        Two where immutable tags are configured: then the link itself announces it to a push that
        sets one, and needs the link. Either that push finds the note after it has set its tag, or
        this deletion finds the tag after it has made the note.

        :raises NotFound: the link does not exist.
        """
        if self.tags.immutable.texts:
            return await announce_removal(self._store, path)
        return await self._store.head(path)

    async def _delete_manifest(self, repository: str, target: _Target) -> DeletedManifest:
        """Delete a manifest, unless its revision link is written again meanwhile.

        :raises StoreUnavailable: it is: then it stays, with the tags that the push has set.
        """
        link, digest = target.link, target.link.digest
        await self.catalog.begin_generation(repository)  # announced before anything is looked for
        tags = await self._tags_to(repository, digest)
        self.tags.check_deletable(repository, [tag.name for tag in tags])
        await self._check_not_needed(repository, digest)

        async def untag(tag: _TagRows) -> bool:
            return await self._untag_target(repository, target, tag)

        await self._unlist(repository, target)
        untagged = await for_each(tags, untag, limit=_AT_ONCE)
        names = [tag.name for tag, went in zip(tags, untagged, strict=True) if went]
        path = self._layout.revision_link(repository, digest)
        is_deleted = await delete_if(self._store, path, if_match(target.etag))
        if not is_deleted:
            await self._check_unchanged(repository, target)
        await self.catalog.update(repository)
        if is_deleted:
            await self._restore_if_tagged(repository, target)
        return DeletedManifest(digest, link.descriptor, tuple(sorted(names)))

    async def _unlist(self, repository: str, target: _Target) -> None:
        """Remove a manifest from its subject's referrers, if it is among them.

        A push that is about to write the revision link finds that the entry is about to be removed.

        :raises StoreUnavailable: the manifest was pushed again since; or others write the entry
            again and again.
        """
        manifest = target.manifest
        if manifest is None:
            return
        for _ in range(_ATTEMPTS):
            entry = await self.referrers.announce_removal(repository, manifest)
            if entry is None:
                return
            await self._check_unchanged(repository, target)
            if await self.referrers.remove(repository, manifest, entry):
                return
        raise contended(self._layout.revision_link(repository, manifest.digest))

    async def _untag_target(self, repository: str, target: _Target, tag: _TagRows) -> bool:
        """Delete a tag of a manifest that is being deleted; return False if it was moved meanwhile.

        As in `_unlist`: a push that is about to write the revision link finds the note in the tag.

        :raises StoreUnavailable: the manifest was pushed again since.
        """
        if tag.current is not None:
            try:
                noted = await announce_removal(self._store, tag.current.path)
            except NotFound:
                return False
            tag = replace(tag, current=replace(tag.current, properties=noted))
            if await self._target(repository, tag) != target.link.digest:
                return False
        await self._check_unchanged(repository, target)
        return await self._untag(repository, tag)

    async def _check_unchanged(self, repository: str, target: _Target) -> None:
        """Check that the manifest was not pushed again since the deletion began. One call.

        :raises StoreUnavailable: it was. Whoever wants it deleted all the same can try again.
        """
        path = self._layout.revision_link(repository, target.link.digest)
        with suppress(NotFound):
            if (await self._store.head(path)).etag != target.etag:
                raise StoreUnavailable(
                    f"{path} was written again during its deletion",
                    public="the manifest was pushed again during its deletion; try again",
                )

    async def _check_not_needed(self, repository: str, digest: Digest) -> None:
        """Check that no immutable tag needs what is about to be deleted. No call without any.

        :raises Denied: one does.
        """
        if not self.tags.immutable.texts:
            return
        tags = await self._list_tags(repository, self._layout.tags(repository))
        immutable = [
            tag for name, tag in tags.items() if self.tags.immutable.match(repository, name)
        ]

        async def target(tag: _TagRows) -> Digest | None:
            return await self._target(repository, tag)

        targets = await for_each(immutable, target, limit=_AT_ONCE)
        await check_not_needed(self.content, repository, digest, filter(None, targets))

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
        await self._delete_all(tag.index)
        if tag.current is not None and tag.current.properties is not None:
            unchanged = if_match(tag.current.properties.etag)
            if not await delete_if(self._store, tag.current.path, unchanged):
                return False
        # A push at the same time may have left an entry of the index.
        prefix = self._layout.tag_index(repository, tag.name)
        await self._delete_all([entry async for entry in list_all(self._store, prefix)])
        return True

    async def _read(self, digest: Digest) -> Manifest | None:
        """Return the manifest; None if it cannot be read."""
        try:
            content = await self.content.read_manifest(digest)
            return await off_loop(len(content), parse_manifest, content, digest=digest)
        except (NotFound, ManifestInvalid):
            return None

    async def _restore_if_tagged(self, repository: str, target: _Target) -> None:
        """Restore a deleted manifest that a push at the same time has tagged.

        A push that succeeds keeps its manifest itself; one that fails may leave a tag. Of a tag
        without a current link, which may just be moved, readers skip what is deleted.
        """
        tags = await self._tags_to(repository, target.link.digest)
        if not any(tag.current for tag in tags):
            return
        with suppress(NotFound):  # nothing to lead to
            await self.membership.observe_content(target.link.digest)
            if target.manifest is not None:  # before the link: its list must not lead nowhere
                await self.referrers.add(repository, target.manifest)
            await self.membership.link_manifest(repository, target.link)
        await self.catalog.mark(repository)

    async def _delete_all(self, entries: Iterable[Entry]) -> None:
        """Delete the objects of a listing, unless they have been written again since."""

        async def delete(entry: Entry) -> None:
            if entry.properties is not None:
                await delete_if(self._store, entry.path, if_match(entry.properties.etag))

        await for_each(entries, delete, limit=_AT_ONCE)
