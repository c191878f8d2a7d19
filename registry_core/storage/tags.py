"""Tags: what they point to, and which there are.

A tag points to what its current link says; while that is missing, to the newest entry of its index.
It is missing while an append blob that another registry wrote is being replaced, which storage
cannot do in one step, and after a push that was cut off. In both cases the newest entry of the
index is, or is about to become, what the tag points to. An immutable tag must not be seen to point
to one manifest and then to another: for it, the current link alone counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from http import HTTPStatus

from ..aio import SharedReads, for_each, in_slices, off_loop, together
from ..globs import NO_TAGS, TagGlobs
from ..object_store.errors import NotFound
from ..object_store.interface import Entry, Page, Properties, delete_if, list_all
from ..registry import Listing, TagInfo
from ..spec.descriptor import Descriptor
from ..spec.digest import Digest
from ..spec.endpoints import PageQuery
from ..spec.errors import Denied, ManifestInvalid, NameUnknown
from ..spec.manifest import detect_media_type
from ..spec.preconditions import Precondition
from .content import Content
from .layout import linked_digest
from .link_metadata import parse_digest, pushed_at
from .links import Link, Seen, is_removed, look_at_link, put_link, read_link, set_link
from .membership import Membership
from .paging import MOST, MOST_DETAILED, Window, list_names

# Of a tag's characters, those that sort before the "/" which ends its folder.
_BEFORE_SLASH = "-."
_BEGINNING = re.compile(r"[\w.-]{1,128}", re.ASCII)

_AT_ONCE = 16
# How many entries of an index are looked up, of a tag without a current link: the newest ones.
_NEWEST = 16


@dataclass(frozen=True)
class SeenTag:
    """A tag that a push is about to move: its current link as it was before anything was written.

    ``precondition`` is that of the request, if it concerns this tag.
    """

    name: str
    link: Seen
    is_immutable: bool = False
    precondition: Precondition | None = None


@dataclass
class Tags:
    """The tags of all repositories. ``immutable``: those that never move and are never deleted."""

    membership: Membership
    content: Content
    immutable: TagGlobs = NO_TAGS
    _current: SharedReads[str, Link] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        async def read(path: str) -> Link:
            return await read_link(self.membership.store, path)

        self._current = SharedReads(read)

    async def read(self, repository: str, tag: str) -> Link:
        """Return a link to the manifest that a tag points to. One call, if it has a current link.

        Concurrent readers of one tag share calls: every pull by tag reads the current link, which
        is never cached, and storage serves one blob to 500 requests a second at most.

        :raises NotFound: the tag does not exist.
        """
        try:
            return await self._current.get(self.membership.layout.tag_link(repository, tag))
        except NotFound:
            if self.immutable.match(repository, tag):
                raise
            return await self._newest_in_index(repository, tag)

    async def _newest_in_index(self, repository: str, tag: str) -> Link:
        prefix = self.membership.layout.tag_index(repository, tag)
        entries = [entry async for entry in list_all(self.membership.store, prefix)]
        for digest in newest_first(prefix, entries)[:_NEWEST]:
            try:
                return await self.membership.find_manifest(repository, digest)
            except NotFound:
                continue  # deleted since
        raise NotFound(f"{prefix} names no manifest")

    async def describe(self, link: Link) -> Descriptor:
        """Return the descriptor of a link's target. One call where the link does not say enough.

        :raises NotFound: the content is missing.
        :raises ManifestInvalid: it is not a manifest.
        """
        if link.descriptor is not None:
            return link.descriptor
        content = await self.content.read_manifest(link.digest)
        media_type = await off_loop(len(content), detect_media_type, content)
        return Descriptor(media_type, link.digest, len(content))

    async def look(
        self,
        repository: str,
        tags: Iterable[str],
        digest: Digest,
        precondition: Precondition | None = None,
    ) -> list[SeenTag]:
        """Return the tags as they are now, to be pointed to ``digest``. One call for each.

        :param precondition: of the first tag.
        :raises Denied: an immutable tag points to another manifest.
        :raises PreconditionFailed: the precondition does not hold.
        """

        async def look_at(entry: tuple[int, str]) -> SeenTag:
            number, name = entry
            path = self.membership.layout.tag_link(repository, name)
            link = await look_at_link(self.membership.store, path)
            is_immutable = self.immutable.match(repository, name)
            tag = SeenTag(name, link, is_immutable, None if number else precondition)
            if tag.precondition and link.etag is None and not is_immutable:
                with suppress(NotFound):
                    newest = (await self._newest_in_index(repository, name)).digest
                    link = Seen(digest=newest)
            _check_movable(repository, tag, link, digest)
            return tag

        return await for_each(enumerate(tags), look_at, limit=_AT_ONCE)

    async def point(self, repository: str, tag: SeenTag, link: Link) -> None:
        """Make a tag that was looked at point to a manifest whose revision link is there.

        Two calls, unless another push moved the tag meanwhile, or an append blob is in the place of
        the current link. They are made at the same time: if only one takes place, the tag points to
        the manifest, or where it did before.

        :raises Denied: the tag is immutable, and points to another manifest by now.
        :raises PreconditionFailed: the tag was moved meanwhile, and its precondition does not hold.
        """
        layout, store = self.membership.layout, self.membership.store
        index = layout.tag_index_link(repository, tag.name, link.digest)
        current = self._set_current(repository, tag, link)
        if tag.is_immutable or tag.precondition:  # without an entry for what is refused
            await current
            await put_link(store, index, link)
            return
        await together([put_link(store, index, link), current])

    async def _set_current(self, repository: str, tag: SeenTag, link: Link) -> None:
        if tag.is_immutable and tag.link.digest == link.digest:
            return

        def check(current: Seen) -> bool:
            if current.digest == link.digest and (tag.is_immutable or tag.precondition):
                return False  # it is this very write, whose answer was lost, or one like it
            _check_movable(repository, tag, current, link.digest)
            return True

        path = self.membership.layout.tag_link(repository, tag.name)
        await set_link(self.membership.store, path, link, tag.link, check)

    async def keep(self, repository: str, tag: SeenTag, link: Link) -> None:
        """Set a tag of a push again if a deletion removes it at the same time. One call as a rule.

        A tag that points to another manifest by now was moved by another push.

        :raises StoreUnavailable: others write it again and again.
        """
        layout, store = self.membership.layout, self.membership.store
        path = layout.tag_link(repository, tag.name)
        seen = Seen()
        with suppress(NotFound):
            found = await store.head(path)
            if not is_removed(found) or found.metadata.get("digest") != str(link.digest):
                return
            seen = Seen(found.etag, link.digest)
        await put_link(store, layout.tag_index_link(repository, tag.name, link.digest), link)

        def check(current: Seen) -> bool:
            return current.digest in (None, link.digest)

        await set_link(store, path, link, seen, check)

    async def withdraw(self, repository: str, tag: SeenTag, digest: Digest) -> None:
        """Delete a tag that points to a manifest which is gone, unless it is moved. Two calls."""
        path = self.membership.layout.tag_link(repository, tag.name)
        found = await look_at_link(self.membership.store, path, delays=())
        if found.digest == digest:
            await delete_if(self.membership.store, path, found.condition)

    def check_deletable(self, repository: str, tags: Iterable[str]) -> None:
        """Check that none of the tags, which exist, is immutable.

        :raises Denied: one is.
        """
        for tag in tags:
            if self.immutable.match(repository, tag):
                raise _denied(f"tag {tag} of {repository} is immutable: it cannot be deleted")

    async def list_tags(
        self, repository: str, page: PageQuery, *, details: bool = False
    ) -> Listing[TagInfo]:
        """See `Lister`. One call for each 5,000 tags or, with details, for each 5,000 links.

        At times there are a few more, at the same time: see `_find_earlier`. A tag without a
        current link, which a push that was cut off or another registry may have left, is listed,
        too, as in CNCF distribution: to look into each would cost a call for each.
        """
        reading = _TagPages(self, repository, details)
        known = 1 + len(_earlier(page.last or ""))
        most = MOST_DETAILED if details else None
        names = await list_names(reading.read, page, known=known, most=most)
        if not names.entries and not await self.membership.is_known(repository):
            raise NameUnknown(f"repository {repository} is not known")
        if not details:
            found: list[TagInfo] = []
            async for some in in_slices(names.entries):
                found += map(TagInfo, some)
            return Listing(tuple(found), names.next)
        infos = await for_each(names.entries, reading.info, limit=_AT_ONCE)
        return Listing(tuple(infos), names.next)


@dataclass
class _TagPages:
    """Reads pages of a repository's tags: only their folders or, with details, all their links."""

    tags: Tags
    repository: str
    details: bool

    def __post_init__(self) -> None:
        self._layout = self.tags.membership.layout
        self._store = self.tags.membership.store
        self._prefix = self._layout.tags(self.repository)
        self._current: dict[str, Properties] = {}

    async def read(self, window: Window) -> tuple[list[str], str | None]:
        """Return the tags of one call's worth: see `paging.Read`."""
        start = window.start(_BEGINNING)
        page = await self._store.list_page(
            self._prefix,
            by_folder=not self.details,
            metadata=self.details,
            start_from=self._prefix + start if start else None,
            continuation=window.continuation,
            limit=min(2 * window.limit, MOST) if self.details else window.limit,
        )
        tags = self._tags_of(page)
        if page.continuation and tags:
            earlier = _earlier(tags[-1]) - set(tags)
            tags += await self._find_earlier([tag for tag in earlier if tag > window.last])
        return sorted(tags), page.continuation

    def _tags_of(self, page: Page) -> list[str]:
        tags: dict[str, None] = {}
        for row in page.entries:
            tag, slash, rest = row.path.removeprefix(self._prefix).partition("/")
            if slash:
                tags[tag] = None
            if rest == "current/link" and row.properties is not None:
                self._current[tag] = row.properties
        return list(tags)

    async def _find_earlier(self, tags: list[str]) -> list[str]:
        """Return those of the tags that exist.

        Storage has "a-b/" before "a/", but "a" comes before "a-b". So where a page ends with "a-b",
        look whether there is an "a". That happens once for each such "a", not once for each page.
        """

        async def is_there(tag: str) -> bool:
            try:
                self._current[tag] = await self._store.head(
                    self._layout.tag_link(self.repository, tag)
                )
            except NotFound:
                return False
            return True

        found = await for_each(tags, is_there, limit=_AT_ONCE)
        return [tag for tag, there in zip(tags, found, strict=True) if there]

    async def info(self, tag: str) -> TagInfo:
        """Return the details of a listed tag: without a call where its current link says them."""
        properties = self._current.get(tag)
        info = TagInfo(tag, updated=pushed_at(properties) if properties else None)
        try:
            link = _link_of(properties) if properties else None
            link = link or await self.tags.read(self.repository, tag)
            info = replace(info, digest=link.digest)
            target = await self.tags.describe(link)
        except (NotFound, ManifestInvalid):
            return info
        return replace(info, media_type=target.media_type, size=target.size)


def newest_first(prefix: str, index: Iterable[Entry]) -> list[Digest]:
    """Return the digests that the entries of a tag's index name, the newest first."""
    entries = sorted(index, key=_last_modified, reverse=True)
    found = (linked_digest(entry.path.removeprefix(prefix)) for entry in entries)
    return [digest for digest in found if digest]


def _last_modified(entry: Entry) -> float:
    return entry.properties.last_modified.timestamp() if entry.properties else 0.0


def _link_of(properties: Properties) -> Link | None:
    """Return the link whose metadata these are; None where they do not say enough."""
    digest = parse_digest(properties.metadata.get("digest"))
    link = Link(digest).described_by(properties) if digest else None
    return link if link and link.descriptor else None


def _check_movable(repository: str, tag: SeenTag, current: Seen, digest: Digest) -> None:
    """Check that a tag may point to ``digest``; ``current`` is its link by now.

    :raises Denied: it is immutable, and points to another manifest.
    :raises PreconditionFailed: its precondition does not hold.
    """
    if tag.precondition is not None:
        tag.precondition.check(current.digest)
    if not tag.is_immutable:
        return
    if current.damaged:
        raise _denied(f"tag {tag.name} of {repository} is immutable, and damaged: repair it first")
    if current.digest not in (None, digest):
        raise _denied(
            f"tag {tag.name} of {repository} is immutable and points to {current.digest}; "
            "push the manifest under another tag"
        )


def _denied(message: str) -> Denied:
    return Denied(message, status=HTTPStatus.CONFLICT)


def _earlier(tag: str) -> set[str]:
    """Return the tags before ``tag`` in lexical order that storage has behind it."""
    return {tag[:end] for end in range(1, len(tag)) if tag[end] in _BEFORE_SLASH}
