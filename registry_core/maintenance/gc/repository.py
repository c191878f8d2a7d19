"""One repository, as a listing shows it: what its links name, and what has to be read for that."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta

from ...object_store.interface import ObjectStore, Properties
from ...spec.digest import SHA256, Digest
from ...spec.media_types import INDEXES
from ...storage.condemnation import REASON, is_condemned
from ...storage.layout import Layout, linked_digest
from ...storage.layout_parse import Kind
from ...storage.link_metadata import is_attestation, parse_digest, pushed_at, read_expiry
from ..digest_table import DigestTable
from ..walk import ListedObject
from .listing import list_objects

_SIGNATURES = "/signatures/"


@dataclass(slots=True)
class Revision:
    """A manifest of the repository. Times are Unix seconds.

    ``mark`` is the reason that its link carries if it is condemned, None if it is not.
    ``needs`` are the repository's manifests that it names, ``subjects`` what it belongs to.
    ``is_index`` and ``is_attestation`` are False where the link does not say so.
    """

    pushed: float
    mark: str | None = None
    expires_after: timedelta | None = None
    is_index: bool = False
    is_attestation: bool = False
    needs: tuple[Digest, ...] = ()
    subjects: tuple[Digest, ...] = ()


@dataclass(slots=True)
class Tag:
    """A tag: what its current link says. Without one, ``newest`` is what its index says.

    ``etag`` is the current link's, empty if there is none; ``digest`` is None until the link is
    read. ``pushed`` is when the tag was set, ``modified`` when storage last wrote the current link.
    ``newest``: the last entries of the index that the repository has, and their time.
    """

    etag: str = ""
    digest: Digest | None = None
    pushed: float = 0.0
    modified: float = 0.0
    newest: list[Digest] = field(default_factory=list)
    newest_time: float = 0.0


@dataclass(frozen=True, slots=True)
class UnreadLink:
    """A link that has to be read to know what it names; ``tag`` is that of a current link."""

    path: str
    properties: Properties
    digest: Digest | None = None
    tag: str = ""


@dataclass
class ListedRepository:
    """The links of one repository, added in the order of the listing.

    ``named`` is called with every digest that a link names. ``history`` and ``entries`` are the
    index links, and entries of referrers lists, of manifests that the repository does not have.
    ``odd`` is an object among the manifests that nothing is known about.
    """

    name: str
    named: DigestTable
    layers: DigestTable = field(default_factory=DigestTable)
    revisions: dict[Digest, Revision] = field(default_factory=dict)
    tags: dict[str, Tag] = field(default_factory=dict)
    unread: list[UnreadLink] = field(default_factory=list)
    unknown: list[Digest] = field(default_factory=list)
    aliases: dict[Digest, Digest] = field(default_factory=dict)
    history: list[ListedObject] = field(default_factory=list)
    entries: list[ListedObject] = field(default_factory=list)
    uploads: dict[str, list[ListedObject]] = field(default_factory=dict)
    has_condemned_layers: bool = False
    odd: str = ""
    bytes: int = 0
    last_path: str = ""

    def add(self, item: ListedObject) -> None:
        """Add an object. Makes no calls."""
        self.last_path = item.path
        kind = item.place.kind
        if kind is Kind.UPLOAD:
            self.uploads.setdefault(item.place.upload, []).append(item)
        elif kind is Kind.REFERRER:  # only an index: what it names has links of its own
            self._add_entry(item)
        elif kind is not Kind.UNKNOWN:
            self._add_link(item)
        else:
            self._add_unknown(item)

    def _add_link(self, item: ListedObject) -> None:
        digest, properties, tag = item.place.digest, item.properties, item.place.tag
        stated = self._note_named(item, tag if item.place.kind is Kind.TAG_LINK else "")
        if item.place.kind is Kind.TAG_LINK:
            pushed = pushed_at(properties).timestamp()
            modified = properties.last_modified.timestamp()
            self.tags[tag] = Tag(properties.etag, stated, pushed, modified)
        elif digest is None:
            return
        elif item.place.kind is Kind.LAYER_LINK:
            self.layers.add(digest)
            self.has_condemned_layers |= is_condemned(properties)
            self._count(digest)
        elif item.place.kind is Kind.REVISION_LINK:
            self.revisions[digest] = _revision(properties)
            self._count(digest)
        elif item.place.kind is Kind.INDEX_LINK:
            self._add_history(item, digest)

    def _note_named(self, item: ListedObject, tag: str = "") -> Digest | None:
        """Mark what a link names: by its path, its metadata, or both. Return the latter.

        Keep the link to be read if that does not say all. CNCF distribution keeps content under its
        sha256, whatever the digest in the path.
        """
        properties = item.properties
        linked = linked_digest("/".join(item.path.split("/")[-3:]))
        stated = parse_digest(properties.metadata.get("digest"))
        if stated is not None and properties.size != len(str(stated)):
            stated = None
        for digest in (linked, stated):
            if digest is not None:
                self.named.mark(digest)
        if linked is not None and stated not in (None, linked):
            self.aliases[linked] = stated
        if stated is None and (linked is None or linked.algorithm != SHA256):
            self.unread.append(UnreadLink(item.path, properties, linked, tag))
        return stated

    def _count(self, digest: Digest) -> None:
        # What is a layer and a manifest is counted twice: hardly anything is.
        self.bytes += self.named.number(digest) or 0

    def _add_history(self, item: ListedObject, digest: Digest) -> None:
        if digest not in self.revisions:
            self.history.append(item)
            return
        tag = self.tags.setdefault(item.place.tag, Tag())
        time = item.properties.last_modified.timestamp()
        if tag.etag or time < tag.newest_time:
            return
        if time > tag.newest_time:
            tag.newest, tag.newest_time = [], time
        tag.newest.append(digest)

    def _add_entry(self, item: ListedObject) -> None:
        if item.place.digest not in self.revisions:
            self.entries.append(item)

    def _add_unknown(self, item: ListedObject) -> None:
        """Note what is at a path that the layout does not have: what it names may be needed."""
        folder = item.path.rpartition(f"/{self.name}/_")[2]
        is_odd = folder.startswith("manifests/") and _SIGNATURES not in folder
        if is_odd and not self.odd:
            self.odd = item.path
        if not item.path.endswith("/link"):
            return
        stated = self._note_named(item)
        linked = linked_digest("/".join(item.path.split("/")[-3:]))
        self.unknown += [digest for digest in (linked, stated) if digest is not None]


def _revision(properties: Properties) -> Revision:
    metadata = properties.metadata
    mark = metadata.get(REASON, "") if is_condemned(properties) else None
    return Revision(
        pushed_at(properties).timestamp(),
        mark,
        read_expiry(metadata),
        is_index=metadata.get("mediatype") in INDEXES,
        is_attestation=is_attestation(metadata),
    )


async def list_repositories(
    store: ObjectStore, layout: Layout, named: DigestTable, *, after: str = ""
) -> AsyncIterator[ListedRepository]:
    """Yield the repositories behind the path ``after``, each with all of its links.

    One call for 5,000 objects. A repository's objects are contiguous in a listing: no component of
    a name begins with "_". Paths without a repository's folders are one by itself each. That of
    ``after`` itself is not yielded again, although it may have new objects.

    :param named: gets a mark for each digest that a link names.
    :raises StoreUnavailable, ContinuationInvalid: the listing ends early.
    """
    prefix = layout.repository("")

    def name_in(path: str) -> str:
        return path.removeprefix(prefix).partition("/_")[0]

    done = name_in(after) if after else None
    current: ListedRepository | None = None
    async for rows in list_objects(store, prefix, after=after):
        for item in rows:
            name = name_in(item.path)
            if current is None or current.name != name:
                if current is not None and current.name != done:
                    yield current
                current = ListedRepository(name, named)
            current.add(item)
    if current is not None and current.name != done:
        yield current
