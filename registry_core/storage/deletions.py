"""Deletions of blobs, tags and manifests. Content stays: other repositories may have it.

The order is the reverse of a push's: first the tags that point to a manifest, on condition that
they still do, and its entry among the referrers, then the revision link. Of a tag the index goes
first: without a current link, the index would still say what the tag points to.

Each object is deleted on the condition that it is the one that was seen. So a request that arrives
late, after the same thing was pushed again, deletes nothing. How a deletion and a push of the same
manifest notice each other is said in `manifests`.

Before anything is deleted, a record of the deletion is written (`trash`). It is withdrawn where the
deletion turns out to have deleted nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from ..aio import for_each, off_loop
from ..object_store.errors import (
    ConditionFailed,
    NotFound,
    StoreRefused,
    StoreUnavailable,
    contended,
)
from ..object_store.interface import Entry, Properties, delete_if, if_match, list_all
from ..registry import DeletedManifest
from ..spec.digest import Digest
from ..spec.errors import BlobUnknown, Denied, ManifestInvalid, ManifestUnknown
from ..spec.manifest import Manifest, parse_manifest
from ..spec.preconditions import Precondition
from .catalog import Catalog
from .content import Content
from .links import Link, announce_removal
from .membership import Membership
from .protection import check_not_needed, keep_needed
from .recording import Recorded, Recorder
from .referrers import Referrers
from .tag_rows import TagListing, TagRows
from .tags import Tags

_AT_ONCE = 16
# How often something is deleted that others write at the same time.
_ATTEMPTS = 16

# Who has deleted what no caller has.
RETENTION = "retention"
COLLECTION = "garbage collection"


@dataclass(frozen=True)
class _Target:
    """The manifest that is deleted, as it was before the deletion was announced.

    ``etag``: its revision link's. ``content`` is None if it cannot be read, ``manifest`` also if it
    is not one that could be pushed.
    """

    link: Link
    etag: str
    content: bytes | None
    manifest: Manifest | None


class _PushedAgain(StoreUnavailable):
    """The manifest was pushed again during its deletion, and stays."""


@dataclass
class Deletions:
    """`Deleter` over the object store, and the deletions of collections of garbage."""

    membership: Membership
    content: Content
    catalog: Catalog
    tags: Tags
    referrers: Referrers
    recorder: Recorder

    def __post_init__(self) -> None:
        self._store = self.membership.store
        self._layout = self.membership.layout
        self._rows = TagListing(self._store, self._layout)

    async def delete_blob(self, repository: str, digest: Digest) -> None:
        """See `Deleter`. Five calls; three more, at least, where immutable tags are configured.

        A blob that is linked again meanwhile stays, as if the deletion had come first.
        """
        path = self._layout.blob_link(repository, digest)
        try:
            found = await self._announce(path)
            await self._check_not_needed(repository, digest)
            recorded = await self.recorder.blob(repository, digest, path, found)
            if not await delete_if(self._store, path, if_match(found.etag)):
                await self.recorder.withdraw(recorded)
        except NotFound:
            raise BlobUnknown(f"blob unknown to {repository}: {digest}") from None
        finally:
            self.membership.blobs.forget((repository, digest))
            # Also where it is gone: that may be the work of a deletion that was cut off before.
            await self.catalog.begin_generation(repository)

    async def delete_tag(
        self, repository: str, tag: str, precondition: Precondition | None = None
    ) -> Digest | None:
        """See `Deleter`. Four calls, and one per entry of the index.

        One more if the link has to be read, and one if the manifest is not cached.

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
            rows = await self._rows.of_tag(repository, tag)
            if rows is None:
                raise unknown
            digest = await self._rows.target(repository, rows)
            if precondition is not None:
                precondition.check(digest)
            is_deleted = await self._delete_tag(repository, rows, digest, self.recorder)
            if is_deleted or precondition is None:
                return digest
        raise contended(self._layout.tag_link(repository, tag))

    async def expire_tag(self, repository: str, tag: str, etag: str, reason: str) -> bool:
        """Delete a tag that retention lets go, if its current link still has the ETag.

        Calls as for `delete_tag`. The manifest stays. An immutable tag does, too.

        :param reason: for the record, for people.
        :return: whether it was deleted.
        :raises StoreRefused: storage does not permit it.
        """
        if self.tags.immutable.match(repository, tag):
            return False
        rows = await self._rows.of_tag(repository, tag)
        current = rows.current.properties if rows and rows.current else None
        if rows is None or current is None or current.etag != etag:
            return False
        recorder = replace(self.recorder, deleted_by=RETENTION, reason=reason)
        digest = await self._rows.target(repository, rows)
        return await self._delete_tag(repository, rows, digest, recorder)

    async def _delete_tag(
        self, repository: str, tag: TagRows, digest: Digest | None, recorder: Recorder
    ) -> bool:
        """Delete a tag; return False if it was moved meanwhile.

        One whose link is damaged leaves no record: nothing could be restored.
        """
        recorded = None
        if digest is not None:
            link = Link(digest)
            if tag.current is not None and tag.current.properties is not None:
                link = link.described_by(tag.current.properties)
            recorded = await recorder.tag(repository, tag.name, link)
        try:
            is_deleted = await self._untag(repository, tag)
        except StoreRefused:
            await recorder.withdraw(recorded)
            raise
        if not is_deleted:
            await recorder.withdraw(recorded)
        return is_deleted

    async def delete_manifest(self, repository: str, digest: Digest) -> DeletedManifest:
        """See `Deleter`."""
        self.membership.manifests.forget((repository, digest))
        try:
            target = await self._target_of(repository, digest)
            tags = await self._announce_deletion(repository, target)
            return (await self._delete_manifest(repository, target, tags, self.recorder))[0]
        except NotFound:
            await self.catalog.update(repository)  # where a deletion was cut off before it
            raise ManifestUnknown(f"manifest unknown to {repository}: {digest}") from None
        finally:
            self.membership.manifests.forget((repository, digest))

    async def collect_manifest(
        self, repository: str, digest: Digest, etag: str, reason: str
    ) -> DeletedManifest | None:
        """Delete a manifest that is garbage, if its revision link still has the ETag.

        Calls as for `delete_manifest`. One that has tags by now stays, and so does one that an
        immutable tag needs.

        :param reason: for the record, for people.
        :return: None if it was not deleted.
        :raises StoreRefused: storage does not permit it.
        """
        self.membership.manifests.forget((repository, digest))
        recorder = replace(self.recorder, deleted_by=COLLECTION, reason=reason)
        try:
            target = await self._target_of(repository, digest, etag)
            if await self._announce_deletion(repository, target):
                return None
            deleted, went = await self._delete_manifest(repository, target, [], recorder)
        except StoreRefused:  # which is a `Denied`, too
            raise
        except (NotFound, ConditionFailed, Denied, _PushedAgain):
            return None
        finally:
            self.membership.manifests.forget((repository, digest))
        return deleted if went else None

    async def _target_of(self, repository: str, digest: Digest, etag: str | None = None) -> _Target:
        """Return what a deletion is about to delete. Two calls, one if the content is cached.

        :param etag: that of the revision link that is meant; None: whatever is there.
        :raises NotFound: the repository does not have the manifest.
        :raises ConditionFailed: its revision link does not have the ETag.
        """
        found = await self._announce(self._layout.revision_link(repository, digest), etag)
        content = await self._read(digest)
        manifest = None if content is None else await _parse(digest, content)
        link = Link(digest).described_by(found)
        if link.descriptor is None and manifest is not None:
            link = Link.to(manifest.descriptor)
        return _Target(link, found.etag, content, manifest)

    async def _announce(self, path: str, etag: str | None = None) -> Properties:
        """Return the link that is about to be deleted. One call.

        Two where immutable tags are configured: then the link itself announces it to a push that
        sets one, and needs the link. Either that push finds the note after it has set its tag, or
        this deletion finds the tag after it has made the note.

        :raises NotFound: the link does not exist.
        :raises ConditionFailed: it does not have the ETag, if one is given.
        """
        if self.tags.immutable.texts:
            return await announce_removal(self._store, path, etag=etag)
        found = await self._store.head(path)
        if etag not in (None, found.etag):
            raise ConditionFailed(f"{path} was written again")
        return found

    async def _announce_deletion(self, repository: str, target: _Target) -> list[TagRows]:
        """Announce the deletion of a manifest to pushes; return the tags that point to it.

        :raises Denied: it cannot be deleted.
        """
        digest = target.link.digest
        await self.catalog.begin_generation(repository)  # announced before anything is looked for
        tags = await self._rows.pointing_to(repository, digest)
        self.tags.check_deletable(repository, [tag.name for tag in tags])
        await self._check_not_needed(repository, digest)
        return tags

    async def _delete_manifest(
        self, repository: str, target: _Target, tags: Sequence[TagRows], recorder: Recorder
    ) -> tuple[DeletedManifest, bool]:
        """Delete a manifest, unless its revision link is written again meanwhile.

        Return what went, and whether the manifest itself did, or was gone already.

        :raises _PushedAgain: it was: then it stays, with the tags that the push has set.
        """
        link, digest = target.link, target.link.digest
        names = [tag.name for tag in tags]
        recorded = await recorder.manifest(repository, link, target.content, names)

        async def untag(tag: TagRows) -> bool:
            return await self._untag_target(repository, target, tag)

        try:
            await self._unlist(repository, target)
        except _PushedAgain:
            await recorder.withdraw(recorded)
            raise
        untagged = await for_each(tags, untag, limit=_AT_ONCE)
        names = [tag.name for tag, went in zip(tags, untagged, strict=True) if went]
        path = self._layout.revision_link(repository, digest)
        try:
            is_deleted = await delete_if(self._store, path, if_match(target.etag))
        except StoreRefused:
            if not names:
                await recorder.withdraw(recorded)
            raise
        if not is_deleted:
            await self._settle_undeleted(repository, target, recorder, recorded, names)
        await self.catalog.update(repository)
        if is_deleted:
            await self._restore_if_tagged(repository, target)
        return DeletedManifest(digest, link.descriptor, tuple(sorted(names))), is_deleted

    async def _settle_undeleted(
        self,
        repository: str,
        target: _Target,
        recorder: Recorder,
        recorded: Recorded | None,
        untagged: Sequence[str],
    ) -> None:
        """Withdraw the record of a deletion that has deleted neither a manifest nor a tag.

        :raises _PushedAgain: the manifest was pushed again, and stays.
        """
        if not untagged:
            await recorder.withdraw(recorded)
        await self._check_unchanged(repository, target)

    async def _unlist(self, repository: str, target: _Target) -> None:
        """Remove a manifest from its subject's referrers, if it is among them.

        A push that is about to write the revision link finds that the entry is about to be removed.

        :raises _PushedAgain: the manifest was pushed again since.
        :raises StoreUnavailable: others write the entry again and again.
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

    async def _untag_target(self, repository: str, target: _Target, tag: TagRows) -> bool:
        """Delete a tag of a manifest that is being deleted; return False if it was moved meanwhile.

        As in `_unlist`: a push that is about to write the revision link finds the note in the tag.

        :raises _PushedAgain: the manifest was pushed again since.
        """
        if tag.current is not None:
            try:
                noted = await announce_removal(self._store, tag.current.path)
            except NotFound:
                return False
            tag = replace(tag, current=replace(tag.current, properties=noted))
            if await self._rows.target(repository, tag) != target.link.digest:
                return False
        await self._check_unchanged(repository, target)
        return await self._untag(repository, tag)

    async def _check_unchanged(self, repository: str, target: _Target) -> None:
        """Check that the manifest was not pushed again since the deletion began. One call.

        :raises _PushedAgain: it was. Whoever wants it deleted all the same can try again.
        """
        path = self._layout.revision_link(repository, target.link.digest)
        with suppress(NotFound):
            if (await self._store.head(path)).etag != target.etag:
                raise _PushedAgain(
                    f"{path} was written again during its deletion",
                    public="the manifest was pushed again during its deletion; try again",
                )

    async def _check_not_needed(self, repository: str, digest: Digest) -> None:
        """Check that no immutable tag needs what is about to be deleted. No call without any.

        :raises Denied: one does.
        """
        if not self.tags.immutable.texts:
            return
        tags = await self._rows.of_all(repository)
        immutable = [tag for tag in tags if self.tags.immutable.match(repository, tag.name)]

        async def target(tag: TagRows) -> Digest | None:
            return await self._rows.target(repository, tag)

        targets = await for_each(immutable, target, limit=_AT_ONCE)
        await check_not_needed(self.content, repository, digest, filter(None, targets))

    async def _untag(self, repository: str, tag: TagRows) -> bool:
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

    async def _read(self, digest: Digest) -> bytes | None:
        """Return the content of a manifest; None if it cannot be read."""
        try:
            return await self.content.read_manifest(digest)
        except NotFound:
            return None

    async def _restore_if_tagged(self, repository: str, target: _Target) -> None:
        """Restore a deleted manifest that a push at the same time has tagged.

        A push that succeeds keeps its manifest itself; one that fails may leave a tag. Of a tag
        without a current link, which may just be moved, readers skip what is deleted.
        """
        tags = await self._rows.pointing_to(repository, target.link.digest)
        if not any(tag.current for tag in tags):
            return
        with suppress(NotFound):  # nothing to lead to
            await self.membership.observe_content(target.link.digest)
            if target.manifest is not None:  # before the link: its list must not lead nowhere
                await keep_needed(self.content, repository, target.manifest)
                await self.referrers.add(repository, target.manifest)
            await self.membership.link_manifest(repository, target.link)
        await self.catalog.mark(repository)

    async def _delete_all(self, entries: Iterable[Entry]) -> None:
        """Delete the objects of a listing, unless they have been written again since."""

        async def delete(entry: Entry) -> None:
            if entry.properties is not None:
                await delete_if(self._store, entry.path, if_match(entry.properties.etag))

        await for_each(entries, delete, limit=_AT_ONCE)


async def _parse(digest: Digest, content: bytes) -> Manifest | None:
    """Return the manifest; None if it is not one that could be pushed."""
    try:
        return await off_loop(len(content), parse_manifest, content, digest=digest)
    except ManifestInvalid:
        return None
