"""Tags: whether each leads to a manifest that the repository has."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

from ...aio import for_each
from ...object_store.interface import Entry, delete_if, if_match, list_all
from ...spec.digest import Digest
from ...storage.layout_parse import Kind
from .content import holds_manifest
from .context import CONCURRENCY, CheckContext, Repair
from .links import ListedLink, ListedLinks, ListedTag
from .repairs import restore_link, restore_tag, rewrite_link
from .report import Problem


@dataclass
class TagCheck:
    """Checks the tags of one repository.

    ``dangling`` are the digests that tags lead to and whose content is missing; ``unlinked`` those
    whose content exists, but that have no revision link in the repository.
    """

    context: CheckContext
    repository: str
    links: ListedLinks
    dangling: set[Digest] = field(default_factory=set)
    unlinked: set[Digest] = field(default_factory=set)

    async def run(self) -> None:
        """Check every tag that was listed. No call for a tag in order whose content was listed."""
        await for_each(self.links.tags.items(), self._check, limit=CONCURRENCY)

    async def _check(self, item: tuple[str, ListedTag]) -> None:
        name, tag = item
        if tag.current is None:
            await self._check_incomplete(name, tag)
        elif tag.current.target is None and tag.current.properties.archived:
            return  # what it contains cannot be read
        elif tag.current.target is None:
            await self._report_torn(name, tag, tag.current)
        else:
            await self._check_target(name, tag.current, tag.current.target)

    async def _check_target(self, name: str, current: ListedLink, digest: Digest) -> None:
        self.context.content.mark(digest)
        if await self.context.content_size(digest) is None:
            self.dangling.add(digest)
            message = f"tag {name}: its manifest {digest} is missing"
            await self._report(Problem.TAG_DANGLING, current.path, message)
        elif digest not in self.links.revisions:
            await self._check_revision_link(name, digest)

    async def _check_revision_link(self, name: str, digest: Digest) -> None:
        path = self.context.layout.revision_link(self.repository, digest)
        if digest in self.unlinked or await self.context.exists(path):
            return
        self.unlinked.add(digest)
        repair: Repair | None = None
        if await holds_manifest(self.context, digest):
            repair = partial(restore_link, self.context, Kind.REVISION_LINK, path, digest)
        await self._report(
            Problem.TAG_UNLINKED,
            path,
            f"tag {name}: the repository has no manifest {digest}, though it is in storage",
            repair,
        )

    async def _report_torn(self, name: str, tag: ListedTag, current: ListedLink) -> None:
        newest = await self._newest_indexed(tag)
        message = f"tag {name}: its current link contains no digest"
        if newest is None:
            await self._report(Problem.TAG_TORN, current.path, message)
            return
        repair = partial(
            rewrite_link,
            self.context,
            Kind.TAG_LINK,
            current.path,
            newest,
            seen=current.properties,
        )
        message = f"{message}; the newest in its index is {newest}"
        await self._report(Problem.TAG_TORN, current.path, message, repair)

    async def _check_incomplete(self, name: str, tag: ListedTag) -> None:
        """Check a tag that has an index but no current link."""
        path = self.context.layout.tag_link(self.repository, name)
        modified = datetime.fromtimestamp(tag.last_indexed, UTC)
        if self.context.is_young(modified) or await self.context.exists(path):
            return
        entries = await self._list_index(name)
        if not entries:  # deleted since
            return
        newest = await self._newest_indexed(tag)
        message = f"tag {name} has no current link"
        if newest is None:
            message = f"{message}, and its index names no manifest that exists"
            repair: Repair = partial(self._delete_index, entries)
        else:
            message = f"{message}; the newest in its index is {newest}"
            repair = partial(restore_tag, self.context, self.repository, name, newest)
        await self._report(Problem.TAG_INCOMPLETE, path, message, repair)

    async def _newest_indexed(self, tag: ListedTag) -> Digest | None:
        """Return the newest digest in the index that the repository has: what readers get."""
        for digest in tag.by_age():
            path = self.context.layout.revision_link(self.repository, digest)
            if await self.context.content_size(digest) is not None and (
                digest in self.links.revisions or await self.context.exists(path)
            ):
                return digest
        return None

    async def _list_index(self, name: str) -> list[Entry]:
        prefix = self.context.layout.tag_index(self.repository, name)
        return [entry async for entry in list_all(self.context.store, prefix)]

    async def _delete_index(self, entries: list[Entry]) -> str:
        """Delete an index that leads nowhere, as far as it has not changed."""
        deleted = 0

        async def delete(entry: Entry) -> None:
            nonlocal deleted
            assert entry.properties is not None  # only listings by folder have rows without
            unchanged = if_match(entry.properties.etag)
            if await delete_if(self.context.store, entry.path, unchanged):
                deleted += 1

        await for_each(entries, delete, limit=CONCURRENCY)
        return f"index of {deleted} deleted" if deleted == len(entries) else ""

    async def _report(
        self, problem: Problem, path: str, message: str, repair: Repair | None = None
    ) -> None:
        await self.context.report_problem(
            problem, path, message, repository=self.repository, repair=repair
        )
