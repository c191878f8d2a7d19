"""Tag history: what a tag has pointed to, and when.

The layout of CNCF distribution has it already: a tag's index keeps a link for each manifest that
the tag was set to, written anew each time. A deletion of the tag deletes it, and a collection of
garbage the links of manifests that are gone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ..aio import for_each
from ..object_store.errors import NotFound
from ..registry import ManifestInfo
from ..spec.digest import Digest
from ..spec.errors import ManifestUnknown
from .layout import linked_digest
from .link_metadata import parse_digest, pushed_at
from .links import read_link
from .manifests import Manifests
from .tag_rows import TagListing, TagRows
from .trash import Trash, TrashEntry, TrashKind

# How many manifests are looked at at the same time.
_AT_ONCE = 16


class Presence(StrEnum):
    """Where a manifest is by now."""

    HERE = "here"
    TRASH = "trash"
    GONE = "gone"


@dataclass(frozen=True)
class PastTarget:
    """A manifest that a tag points to or has pointed to.

    :ivar since: when the tag was last set to it.
    :ivar is_current: whether the tag points to it now.
    :ivar manifest: what is known of it; None if it is not here.
    :ivar deletion: its newest record in the trash, if it is there.
    """

    digest: Digest
    since: datetime
    is_current: bool = False
    manifest: ManifestInfo | None = None
    deletion: TrashEntry | None = None

    @property
    def presence(self) -> Presence:
        """Where the manifest is."""
        if self.manifest is not None:
            return Presence.HERE
        return Presence.GONE if self.deletion is None else Presence.TRASH


@dataclass(frozen=True)
class History:
    """What tags have pointed to."""

    manifests: Manifests
    trash: Trash

    async def of_tag(self, repository: str, tag: str) -> list[PastTarget]:
        """Return what a tag points to and has pointed to, what it was last set to first.

        Calls: one for each 5,000 manifests, and two for each, four at most where another registry
        wrote it. If some are not here, one for each 5,000 deletions.

        :raises ManifestUnknown: the tag does not exist; says whether the trash has it.
        """
        layout = self.manifests.membership.layout
        listing = TagListing(self.manifests.membership.store, layout)
        rows = await listing.of_tag(repository, tag)
        if rows is None:
            raise ManifestUnknown(await self._explain(repository, tag))
        times = _times(layout.tag_index(repository, tag), rows)
        current = None
        if rows.current is not None and rows.current.properties is not None:
            current = await listing.target(repository, rows)
            if current is not None:  # another registry may have been cut off before the index
                times.setdefault(current, pushed_at(rows.current.properties))
        digests = sorted(times, key=lambda digest: (times[digest], digest == current), reverse=True)

        async def look(digest: Digest) -> ManifestInfo | None:
            return await self._look(repository, digest)

        infos = await for_each(digests, look, limit=_AT_ONCE)
        found = dict(zip(digests, infos, strict=True))
        if rows.current is None and not self.manifests.tags.immutable.match(repository, tag):
            current = next((digest for digest in digests if found[digest]), None)
        deleted = {} if all(found.values()) else await self._deleted(repository)
        return [
            PastTarget(
                digest,
                times[digest],
                digest == current,
                found[digest],
                None if found[digest] else deleted.get(digest),
            )
            for digest in digests
        ]

    async def _look(self, repository: str, digest: Digest) -> ManifestInfo | None:
        """Return what is known of a manifest; None if it, or its content, is not there."""
        membership = self.manifests.membership
        store, layout = membership.store, membership.layout
        path = layout.revision_link(repository, digest)
        try:
            link = await store.head(path)
            target = (
                parse_digest(link.metadata.get("digest")) or (await read_link(store, path)).digest
            )
            await store.head(layout.content(target))
        except NotFound:
            return None
        return await self.manifests.info(target, link)

    async def _deleted(self, repository: str) -> dict[Digest, TrashEntry]:
        """Return the newest deletion of each manifest that the trash has."""
        return {
            entry.digest: entry
            async for entry in self.trash.list(repository)
            if entry.digest is not None and entry.kind is not TrashKind.BLOB
        }

    async def _explain(self, repository: str, tag: str) -> str:
        """Return why a tag has no history."""
        missing = f"the repository {repository} has no tag {tag}"
        newest: TrashEntry | None = None
        async for entry in self.trash.list(repository):
            if tag in entry.tags:
                newest = entry
        if newest is None:
            return missing
        return (
            f"{missing}: it was deleted on {newest.deleted:%Y-%m-%d %H:%M}Z, when it pointed to "
            f"{newest.digest}; the trash has it: {newest.id}"
        )


def _times(prefix: str, rows: TagRows) -> dict[Digest, datetime]:
    """Return when a tag was last set to what its index names."""
    times = {}
    for entry in rows.index:
        digest = linked_digest(entry.path.removeprefix(prefix))
        if digest is not None and entry.properties is not None:
            times[digest] = pushed_at(entry.properties)
    return times
