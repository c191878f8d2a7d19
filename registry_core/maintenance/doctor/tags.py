"""The tags of one repository: each is to lead to a manifest that the repository has."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

from ...aio import together
from ...object_store.interface import Entry, list_all
from ...spec.digest import Digest
from ...storage.layout_parse import Kind
from .case import Case, Repair, for_each
from .links import Seen
from .repairs import link, restore_tag, rewrite
from .replacing import remove
from .report import Trouble
from .rows import Rows, TagRows


@dataclass
class TagCheck:
    """``dangling`` are the digests that tags lead to and whose content is missing.

    ``unlinked`` are those whose content is there, but that the repository does not have.
    """

    case: Case
    repository: str
    rows: Rows
    dangling: set[Digest] = field(default_factory=set)
    unlinked: set[Digest] = field(default_factory=set)

    async def run(self) -> None:
        await for_each(self.rows.tags.items(), self._check)

    async def _check(self, item: tuple[str, TagRows]) -> None:
        name, tag = item
        if tag.current is None:
            await self._incomplete(name, tag)
        elif tag.current.target is None:
            await self._torn(name, tag, tag.current)
        else:
            await self._target(name, tag.current, tag.current.target)

    async def _target(self, name: str, current: Seen, digest: Digest) -> None:
        self.case.content.mark(digest)
        if await self.case.size_of(digest) is None:
            self.dangling.add(digest)
            await self._found(
                Trouble.TAG_DANGLING, current.path, f"tag {name}: its manifest {digest} is missing"
            )
        elif digest not in self.rows.revisions:
            await self._unlinked(name, digest)

    async def _unlinked(self, name: str, digest: Digest) -> None:
        path = self.case.layout.revision_link(self.repository, digest)
        if digest in self.unlinked or await self.case.is_there(path):
            return
        self.unlinked.add(digest)
        await self._found(
            Trouble.TAG_UNLINKED,
            path,
            f"tag {name}: the repository has no manifest {digest}, though it is in storage",
            partial(link, self.case, Kind.REVISION_LINK, path, digest),
        )

    async def _torn(self, name: str, tag: TagRows, current: Seen) -> None:
        last = await self._last(tag)
        says = f"tag {name}: its current link holds no digest"
        if last is None:
            await self._found(Trouble.TAG_TORN, current.path, says)
            return
        properties = current.properties
        repair = partial(
            rewrite,
            self.case,
            Kind.TAG_LINK,
            current.path,
            last,
            etag=properties.etag,
            is_append=properties.is_append,
        )
        await self._found(Trouble.TAG_TORN, current.path, f"{says}; its index: {last}", repair)

    async def _incomplete(self, name: str, tag: TagRows) -> None:
        path = self.case.layout.tag_link(self.repository, name)
        modified = datetime.fromtimestamp(tag.last_indexed, UTC)
        if self.case.is_young(modified) or await self.case.is_there(path):
            return
        entries = await self._index(name)
        if not entries:  # deleted since
            return
        last = await self._last(tag)
        if last is None:
            says = f"tag {name} has no current link, and its index names no manifest that is there"
            repair = partial(self._forget, name, entries)
        else:
            says = f"tag {name} has no current link; its index: {last}"
            repair = partial(restore_tag, self.case, self.repository, name, last)
        await self._found(Trouble.TAG_INCOMPLETE, path, says, repair)

    async def _last(self, tag: TagRows) -> Digest | None:
        """The newest in the tag's index that the repository has, as readers find it."""
        for digest in tag.by_age():
            path = self.case.layout.revision_link(self.repository, digest)
            if await self.case.size_of(digest) is not None and (
                digest in self.rows.revisions or await self.case.is_there(path)
            ):
                return digest
        return None

    async def _index(self, name: str) -> list[Entry]:
        prefix = self.case.layout.tag_index(self.repository, name)
        return [entry async for entry in list_all(self.case.store, prefix)]

    async def _forget(self, name: str, entries: list[Entry]) -> str:
        """Delete the index, which leads nowhere, as it was seen."""
        removed = await together(
            remove(self.case.store, entry.path, entry.properties.etag)
            for entry in entries
            if entry.properties
        )
        return f"index of {len(removed)} deleted" if all(removed) else ""

    async def _found(
        self, trouble: Trouble, path: str, says: str, repair: Repair | None = None
    ) -> None:
        await self.case.found(trouble, path, says, repository=self.repository, repair=repair)
