"""One run of a collection, or one slice of it: the order in which everything happens.

The order matters where a writer moves a reference: from a link to the record of its deletion. A
deletion writes the record first, so records are listed after links; content is judged last.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

from ...object_store.interface import ObjectStore
from ...spec.names import is_name
from ...storage.layout import Layout
from ..digest_table import DigestTable
from ..walk import OnProgress, Progress
from .acts import Acts
from .content import PASSES, ContentCollection, RecordedRoots, TooMuchContent, list_content
from .layer_links import collect_layer_links
from .leftovers import Leftovers, collect_foreign_uploads, collect_history
from .manifests import ManifestCollection, Removals
from .options import Deadline, GcOptions
from .reading import Opaque, RepositoryReader
from .record import Cursor, Phase, RunRecord
from .report import GcReport, RepositoryUsage
from .repository import ListedRepository, list_repositories
from .wanted import Pulls

_SAVED_EVERY = 300.0
"""Seconds between two savings of a run under way."""


class Paused(Exception):
    """The time of the slice is over; the run is saved."""


@dataclass
class Run:
    """A run under way. ``record`` is None in a dry run, which writes nothing."""

    acts: Acts
    layout: Layout
    removals: Removals
    on_progress: OnProgress
    cursor: Cursor
    record: RunRecord | None = None
    deadline: Deadline = None
    pulls: Pulls | None = None
    _named: DigestTable = field(default_factory=DigestTable)
    _replaced: frozenset[str] = frozenset()
    _saved: float = field(default_factory=time.monotonic)
    _repositories: int = 0
    _resumed: RunRecord | None = field(init=False)

    def __post_init__(self) -> None:
        self._resumed = self.record

    @property
    def _store(self) -> ObjectStore:
        return self.acts.store

    @property
    def _options(self) -> GcOptions:
        return self.acts.options

    @property
    def _report(self) -> GcReport:
        return self.acts.report

    async def go_on(self) -> None:
        """Run what remains.

        :raises Paused: the deadline has passed.
        :raises TakenOver: another collector continues the run.
        :raises StoreUnavailable, ContinuationInvalid: a listing ends early; nothing is deleted any
            more.
        """
        while self.cursor.phase is not Phase.LEFTOVERS:
            await self._list_content()
            if self.cursor.phase is Phase.REPOSITORIES:
                await self._walk_repositories()
                self.cursor.phase, self.cursor.after = Phase.CONTENT, ""
            await self._collect_content()
            self._next_pass()
        usage = self._report.usage
        usage.trash.number = 0
        filled = frozenset(name for name, each in usage.repositories.items() if each.manifests)
        await Leftovers(self.acts, self.layout, filled).run()

    async def _list_content(self) -> None:
        """Fill the table of this pass, with the marks of earlier slices."""
        self.on_progress(Progress("listing content", 0, None, "blobs"))
        limit = self._options.table_limit
        try:
            self._named = await list_content(self._store, self.layout, self.cursor.digit, limit)
        except TooMuchContent:
            # A pass may have more than its share: the limit is where several begin.
            if not self.cursor.passes:
                self.cursor = Cursor(passes="".join(PASSES))
            self._named = await list_content(
                self._store, self.layout, self.cursor.digit, limit * len(PASSES)
            )
        record, self._resumed = self._resumed, None
        if record is not None and not await record.load_marks(self._named):
            raise StateLost

    async def _walk_repositories(self) -> None:
        roots = RecordedRoots(self._store, self.layout, self._report, self._named)
        self._replaced = await roots.mark_replacements()
        repositories = list_repositories(
            self._store, self.layout, self._named, after=self.cursor.after
        )
        async for repository in repositories:
            await self._collect_repository(repository)
            self.cursor.after = repository.last_path
            self._repositories += 1
            self.on_progress(Progress("repositories", self._repositories, None, "repositories"))
            await self._checkpoint()
        await roots.mark_trash()

    async def _collect_repository(self, repository: ListedRepository) -> None:
        """Judge one repository. What it needs is marked in any case, or all content is kept."""
        self._count(repository)
        reader = RepositoryReader(self._store, self.layout, self._report, repository)
        try:
            await reader.read_links()
            if not self.cursor.is_first:
                return
            await collect_foreign_uploads(self.acts, repository)
            self._check_known(repository)
            await reader.check_tags(self.acts.started.timestamp())
            await collect_history(self.acts, repository)
            await reader.read_manifests()
        except Opaque as error:
            if self.cursor.is_first:
                self._report.opaque[repository.name] = str(error)
            return
        await collect_layer_links(self.acts, self.layout, repository)
        await ManifestCollection(
            self.acts, self.layout, self.removals, repository, self.pulls
        ).run()

    def _check_known(self, repository: ListedRepository) -> None:
        """Check that all of the repository's links are there, and known. :raises Opaque: no."""
        if repository.name in self._replaced:
            raise Opaque("a repair was cut off while it replaced links: run doctor --repair")
        if repository.odd:
            raise Opaque(f"{repository.odd} is not known to be part of a registry")

    def _count(self, repository: ListedRepository) -> None:
        if not is_name(repository.name):
            return
        usage = self._report.usage.repositories
        if self.cursor.is_first:
            usage[repository.name] = RepositoryUsage(
                len(repository.tags), len(repository.revisions)
            )
        usage.setdefault(repository.name, RepositoryUsage()).bytes += repository.bytes

    async def _collect_content(self) -> None:
        async def checkpoint(path: str) -> None:
            self.cursor.after = path
            examined = self._report.usage.content.number
            self.on_progress(Progress("content", examined, None, "blobs"))
            await self._checkpoint()

        collection = ContentCollection(
            self.acts, self.layout, self._named, self.cursor.digit, checkpoint
        )
        await collection.run(self.cursor.after)

    def _next_pass(self) -> None:
        cursor = self.cursor
        if cursor.number + 1 < len(cursor.passes):
            self.cursor = Cursor(Phase.REPOSITORIES, cursor.passes, cursor.number + 1)
        else:
            self.cursor = Cursor(Phase.LEFTOVERS, cursor.passes, cursor.number)

    async def _checkpoint(self) -> None:
        """Save the run now and then. :raises Paused: the deadline has passed."""
        is_over = _has_passed(self.deadline)
        if is_over or time.monotonic() - self._saved >= _SAVED_EVERY:
            await self._save()
        if is_over:
            raise Paused

    async def _save(self) -> None:
        if self.record is not None:
            self.record.cursor = self.cursor
            await self.record.save(self._options, self._named)
        self._saved = time.monotonic()


class StateLost(Exception):
    """What earlier slices had found cannot be read: the run has to begin anew."""


def _has_passed(deadline: Deadline) -> bool:
    if deadline is None:
        return False
    if callable(deadline):
        return deadline()
    return asyncio.get_running_loop().time() >= deadline
