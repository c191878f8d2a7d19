"""Links: whether each is whole, a block blob, and contains the digest that its path says."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from ...aio import for_each, run_to_completion, together
from ...object_store.errors import (
    ConditionFailed,
    NotFound,
    RangeNotSatisfiable,
    StoreRefused,
    TooLarge,
)
from ...object_store.interface import Properties
from ...spec.digest import SHA256, Digest
from ...spec.errors import DigestInvalid
from ...storage.layout_parse import Kind, Place
from ...storage.link_metadata import is_descriptor
from ...storage.links import MAX_LINK_BYTES, read_link
from ..digest_table import DigestTable
from ..walk import ListedObject
from .content import report_if_damaged
from .context import CheckContext
from .repairs import (
    REPLACEMENT_BATCH,
    Replacement,
    describe_link,
    observe_content,
    remove_blob_link,
    replace_links,
    rewrite_link,
)
from .report import Finding, Problem

_CONCURRENCY = 16


@dataclass
class ListedLink:
    """A link as it was listed or read. ``target`` is the digest it contains, None if it is torn.

    ``target`` is only known after `read_metadata` or `LinkCheck`.
    """

    path: str
    place: Place
    properties: Properties
    target: Digest | None = None

    @property
    def is_alias(self) -> bool:
        """Whether it leads to the same bytes under another digest, as CNCF distribution has it."""
        path, target = self.place.digest, self.target
        return (
            self.place.kind is Kind.LAYER_LINK
            and path is not None
            and target is not None
            and path.algorithm != SHA256 == target.algorithm
        )

    @property
    def stated_size(self) -> int | None:
        """The size of its target in bytes, as the metadata say; None if they do not."""
        size = self.properties.metadata.get("size", "")
        return int(size) if size.isdecimal() else None

    @property
    def _is_described(self) -> bool:
        """Whether it is an entry of a list of referrers whose content is a descriptor."""
        return self.place.kind is Kind.REFERRER and is_descriptor(self.properties)

    def read_metadata(self) -> bool:
        """Set ``target`` from the metadata. Returns whether they prove that the link is whole."""
        self.target = _parse(self.properties.metadata.get("digest", ""))
        return (
            self.target is not None
            and (self.properties.size == len(str(self.target)) or self._is_described)
            and self.place.digest in (None, self.target)
        )


@dataclass
class ListedTag:
    """A tag's current link, None if there is none, and its index: digests with Unix times."""

    current: ListedLink | None = None
    index: DigestTable = field(default_factory=DigestTable)

    def by_age(self) -> list[Digest]:
        """Return the digests in the index, the newest first."""
        rows = sorted(self.index.rows(), key=lambda row: row[1], reverse=True)
        return [digest for digest, _, _ in rows]

    @property
    def last_indexed(self) -> int:
        """The Unix time of the newest link in the index, 0 if there is none."""
        return max((time for _, time, _ in self.index.rows()), default=0)


@dataclass
class ListedLinks:
    """All links of one repository. ``referrers`` are keyed by subject and referrer.

    ``layers`` whose content is missing are marked.
    """

    layers: DigestTable = field(default_factory=DigestTable)
    revisions: DigestTable = field(default_factory=DigestTable)
    tags: dict[str, ListedTag] = field(default_factory=dict)
    referrers: dict[tuple[Digest, Digest], ListedLink] = field(default_factory=dict)

    def add(self, link: ListedLink) -> None:
        """Add a link. Links must be added in the order of the listing."""
        place = link.place
        if place.kind is Kind.TAG_LINK:
            self.tags.setdefault(place.tag, ListedTag()).current = link
        elif place.digest is None:
            return
        elif place.kind is Kind.LAYER_LINK:
            self.layers.add(place.digest)
        elif place.kind is Kind.REVISION_LINK:
            self.revisions.add(place.digest)
        elif place.kind is Kind.INDEX_LINK:
            time = int(link.properties.last_modified.timestamp())
            self.tags.setdefault(place.tag, ListedTag()).index.add(place.digest, time)
        elif place.kind is Kind.REFERRER and place.subject is not None:
            self.referrers[place.subject, place.digest] = link


@dataclass
class LinkCheck:
    """Checks the links of one repository. ``undecided`` are those whose metadata do not suffice."""

    context: CheckContext
    links: ListedLinks
    undecided: list[ListedLink] = field(default_factory=list)
    _append_blobs: list[ListedLink] = field(default_factory=list)

    def add(self, link: ListedLink) -> None:
        """Accept a link whose metadata prove it whole, or keep it for `run`. No call."""
        is_whole = link.read_metadata()
        if not is_whole or link.properties.is_append or not self._has_listed_content(link):
            self.undecided.append(link)

    def _has_listed_content(self, link: ListedLink) -> bool:
        digest = link.place.digest
        if link.place.kind is not Kind.LAYER_LINK or digest is None:
            return True
        size = self.context.listed_size(digest)
        return size is not None and link.stated_size in (None, size)

    async def run(self) -> None:
        """Check the undecided links. One call each if the metadata do not contain the target."""
        links, self.undecided = self.undecided, []
        await for_each(links, self._check, limit=_CONCURRENCY)
        append_blobs, self._append_blobs = self._append_blobs, []
        # Tags come after their indexes, which stand in for them.
        for are_tags in (False, True):
            due = [link for link in append_blobs if (link.place.kind is Kind.TAG_LINK) is are_tags]
            for start in range(0, len(due), REPLACEMENT_BATCH):
                await run_to_completion(self._replace(due[start : start + REPLACEMENT_BATCH]))

    async def _check(self, link: ListedLink) -> None:
        with suppress(NotFound):  # deleted since
            if not link.read_metadata():
                if link.properties.archived:  # it cannot be read: its path has to do
                    link.target = link.place.digest
                    return
                await self._read(link)
            expected = link.target if link.is_alias else link.place.digest
            if link.is_alias and expected:
                self.context.content.mark(expected)
            if expected and link.target != expected:
                await self._report_torn(link, expected)
            elif (
                link.place.kind is Kind.LAYER_LINK
                and expected
                and not await self._check_content(link, expected)
            ):
                return
            elif link.properties.is_append and link.target:
                self._append_blobs.append(link)

    async def _read(self, link: ListedLink) -> None:
        """Update the target and properties from the link itself.

        :raises NotFound: the link was deleted since it was listed.
        """
        link.target = None
        with suppress(TooLarge):
            found = await self.context.store.get(link.path, limit=MAX_LINK_BYTES)
            if not found.content.strip():
                # Another registry may be about to fill it: `read_link` waits for that for a while.
                with suppress(NotFound):
                    await read_link(self.context.store, link.path)
                found = await self.context.store.get(link.path, limit=MAX_LINK_BYTES)
            link.properties = found.properties
            link.target = _parse(found.content.decode("ascii", errors="replace").strip())

    async def _report_torn(self, link: ListedLink, expected: Digest) -> None:
        content = f"leads to {link.target}" if link.target else "contains no digest"
        repair = partial(
            rewrite_link,
            self.context,
            link.place.kind,
            link.path,
            expected,
            seen=link.properties,
        )
        await self.context.report_problem(
            Problem.LINK_TORN,
            link.path,
            f"the link {content}, its path says {expected}",
            repository=link.place.repository,
            repair=repair,
        )

    async def _check_content(self, link: ListedLink, digest: Digest) -> bool:
        """Check that a blob's content is there. Returns whether the link may stay as it is."""
        size = await self.context.content_size(digest)
        if size is not None and link.stated_size not in (None, size):
            if not await self._is_damaged(digest):
                await self._report_wrong_size(link, digest, size)
                return False
            if digest not in self.context.quarantined:
                return True
            size = None
        if size is None:
            await self._report_dangling(link, digest)
        return size is not None

    async def _is_damaged(self, digest: Digest) -> bool:
        """Return whether content is damaged, or cannot be hashed at present; report the former."""
        with suppress(ConditionFailed, RangeNotSatisfiable, StoreRefused):
            return digest in self.context.damaged or await report_if_damaged(self.context, digest)
        return True

    async def _report_wrong_size(self, link: ListedLink, digest: Digest, size: int) -> None:
        await self.context.report_problem(
            Problem.LINK_TORN,
            link.path,
            f"the link says that blob {digest} has {link.stated_size} bytes, it has {size}",
            repository=link.place.repository,
            repair=partial(
                rewrite_link,
                self.context,
                link.place.kind,
                link.path,
                digest,
                seen=link.properties,
            ),
        )

    async def _report_dangling(self, link: ListedLink, digest: Digest) -> None:
        place = link.place
        if place.digest:
            self.links.layers.mark(place.digest)
        if await self.context.exists(link.path):
            await self.context.report_problem(
                Problem.BLOB_DANGLING,
                link.path,
                f"the content of blob {digest} is missing",
                repository=place.repository,
                repair=partial(
                    remove_blob_link,
                    self.context,
                    place.repository,
                    link.path,
                    digest,
                    seen=link.properties,
                ),
            )

    async def _replace(self, batch: Sequence[ListedLink]) -> None:
        replaced = [False] * len(batch)
        if self.context.may_repair:
            replacements = await together([self._replacement(link) for link in batch])
            replaced = await replace_links(self.context.store, self.context.layout, replacements)
        for link, is_done in zip(batch, replaced, strict=True):
            finding = Finding(
                Problem.LINK_APPEND,
                link.path,
                "the link is an append blob",
                link.place.repository,
                repairable=True,
                repaired="replaced by a block blob" if is_done else "",
            )
            self.context.report.add(finding)

    async def _replacement(self, link: ListedLink) -> Replacement:
        assert link.target is not None
        place = link.place
        pushed = link.properties.last_modified
        await observe_content(self.context, link.target)
        new = await describe_link(self.context, place.kind, link.target, pushed=pushed)
        # A tag is read from its index while its current link is missing.
        index = self.context.layout.tag_index_link(place.repository, place.tag, link.target)
        stand_in = index if place.kind is Kind.TAG_LINK else ""
        return Replacement(link.path, link.properties.etag, new, stand_in)


def listed_link(item: ListedObject) -> ListedLink:
    """Return a walked object as a link whose target is not known yet."""
    return ListedLink(item.path, item.place, item.properties)


def _parse(text: str) -> Digest | None:
    try:
        return Digest.parse(text)
    except DigestInvalid:
        return None
