"""The examination: one walk over the container, each registry in it checked for itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from ...aio import for_each
from ...object_store.errors import ConditionFailed, NotFound, RangeNotSatisfiable
from ...object_store.interface import ObjectStore, Properties, list_all
from ...spec.digest import Digest
from ...storage.layout import Layout
from ...storage.layout_parse import Kind
from ...storage.root import LEADING_SLASH, PLAIN, RootAmbiguous, find_root
from ..digest_table import DigestTable
from ..walk import ListedBlocks, ListedObject, OnProgress, walk
from .content import count_blocks, report_if_damaged, verify_content
from .context import CONCURRENCY, CheckContext, DoctorOptions
from .repairs import complete_replacements
from .report import DoctorReport, Finding, Problem, UploadCount
from .repository import RepositoryCheck, check_stale_marker
from .trash import check_trash

# The default age at which CNCF distribution purges uploads.
_LEFT_BEHIND = timedelta(days=7)

_MAX_DUE = 1000

_LINKS = {
    Kind.LAYER_LINK,
    Kind.REVISION_LINK,
    Kind.TAG_LINK,
    Kind.INDEX_LINK,
    Kind.REFERRER,
}


async def examine(
    store: ObjectStore, report: DoctorReport, options: DoctorOptions, on_progress: OnProgress
) -> None:
    """Examine a container and enter the results into ``report``, also when this is cancelled.

    One call per 5,000 objects, one for each manifest, one for each link whose metadata do not
    contain its digest, one for each record of a deletion, one for each path where blocks are staged
    and nothing is committed, and a few for each problem.

    :raises StoreUnavailable: storage cannot be used; the report is incomplete.
    """
    root = await _choose_root(store, report, options)
    examination = Examination(store, report, options, on_progress, root)
    if options.repair and root is not None:
        await _complete_repairs(examination.context(root))
    if options.verify:
        await examination.verify()
    await examination.run()


@dataclass
class Examination:
    """One examination of a container. ``root``: the registry's to repair, None if there are two."""

    store: ObjectStore
    report: DoctorReport
    options: DoctorOptions
    on_progress: OnProgress
    root: str | None
    _contexts: dict[str, CheckContext] = field(default_factory=dict)

    def context(self, root: str) -> CheckContext:
        """Return what the checks of the registry under this root share."""
        if root not in self._contexts:
            is_served = self.options.root is not None or root in (PLAIN, LEADING_SLASH)
            may_repair = self.options.repair and self.root is not None and is_served
            self._contexts[root] = CheckContext(
                self.store,
                Layout(root),
                self.report,
                self.options,
                self.on_progress,
                may_repair,
            )
        return self._contexts[root]

    async def verify(self) -> None:
        """Hash content before anything else is listed, as that may take days.

        What is moved away is then missing for whatever links to it.
        """
        listed: dict[str, DigestTable] = {}
        async for item in walk(self.store, self._prefix, self.on_progress):
            place = item.place
            if place.kind is Kind.CONTENT and place.digest and isinstance(item, ListedObject):
                table = listed.setdefault(place.root, DigestTable())
                if str(place.digest).startswith(self.options.verify_prefix):
                    table.add(place.digest, item.properties.size)
        for root, table in listed.items():
            await verify_content(self.context(root), table)

    async def run(self) -> None:
        """Walk over the container, and check each registry in it."""
        check: RegistryCheck | None = None
        async for item in _walk_objects(self.store, self._prefix, self.report, self.on_progress):
            place = item.place
            if place.kind is Kind.UNKNOWN:
                continue
            if check is None or check.context.layout.root != place.root:
                if check:
                    await check.finish()
                self.report.roots.append(place.root)
                check = RegistryCheck(self.context(place.root))
            await check.add(item)
        if check:
            await check.finish()
            await _check_served(check.context)

    @property
    def _prefix(self) -> str:
        return "" if self.options.root is None else Layout(self.options.root).base


async def _walk_objects(
    store: ObjectStore, prefix: str, report: DoctorReport, on_progress: OnProgress
) -> AsyncIterator[ListedObject]:
    """Yield and count every object; count the blocks that are staged elsewhere."""
    staged = StagedBlocksCount(store, report)
    async for item in walk(store, prefix, on_progress):
        if isinstance(item, ListedBlocks):
            await staged.add(item)
        else:
            report.count(item.place.kind, item.properties)
            yield item
    await staged.finish()


@dataclass
class StagedBlocksCount:
    """Counts the blocks that are staged where nothing is committed. One call for each path."""

    store: ObjectStore
    report: DoctorReport
    _due: list[ListedBlocks] = field(default_factory=list)

    async def add(self, item: ListedBlocks) -> None:
        """Accept a path. Makes calls only once there are many."""
        self._due.append(item)
        if len(self._due) >= _MAX_DUE:
            await self.finish()

    async def finish(self) -> None:
        """Count what is left."""
        due, self._due = self._due, []
        await for_each(due, self._count, limit=CONCURRENCY)

    async def _count(self, item: ListedBlocks) -> None:
        await count_blocks(self.store, self.report, item.place.kind, item.path)


async def _choose_root(
    store: ObjectStore, report: DoctorReport, options: DoctorOptions
) -> str | None:
    """Return the root of the registry to repair; None, and a finding, if there are two."""
    if options.root is not None:
        return options.root
    try:
        return await find_root(store, setting=options.root_setting)
    except RootAmbiguous as error:
        message = f"{error}; nothing is repaired until then"
        report.add(Finding(Problem.TWO_REGISTRIES, "", message))
        return None


async def _complete_repairs(context: CheckContext) -> None:
    """Complete interrupted repairs before the walk, which then lists the restored links."""
    entries = [entry async for entry in list_all(context.store, context.layout.replacements)]
    for entry in entries:
        if entry.properties:
            await _report_interrupted_repair(context, entry.path, entry.properties)


async def _report_interrupted_repair(
    context: CheckContext, path: str, properties: Properties
) -> None:
    if context.is_young(properties.last_modified):
        return
    await context.report_problem(
        Problem.REPLACEMENT_UNFINISHED,
        path,
        "a repair was interrupted while it replaced links",
        repair=partial(complete_replacements, context.store, path),
    )


async def _check_served(context: CheckContext) -> None:
    """Report a registry under a root that is served only if a setting names it."""
    roots = context.report.roots
    if context.options.root is not None or PLAIN in roots or LEADING_SLASH in roots:
        return
    setting = context.options.root_setting
    message = f"the registry under {roots[0]!r} is not served unless {setting} names it"
    await context.report_problem(Problem.NOT_SERVED, roots[0], message)


@dataclass
class RegistryCheck:
    """Checks one registry: `add` its objects in the order of the walk, then `finish`."""

    context: CheckContext
    markers: dict[str, str] = field(default_factory=dict)
    """The path of each repository's catalog marker."""
    filled: set[str] = field(default_factory=set)
    """The repositories that have manifests."""
    trashed: list[str] = field(default_factory=list)
    """The paths of the records of deletions."""
    repository: RepositoryCheck | None = None
    uploads: UploadAges = field(init=False)

    def __post_init__(self) -> None:
        self.uploads = UploadAges(self.context.report.uploads, self.context.now)

    async def add(self, item: ListedObject) -> None:
        """Add an object. A repository is checked when the next one begins."""
        place = item.place
        if item.properties.archived:
            await self._report_archived(item)
        if place.kind in _LINKS:
            if self.repository is None or self.repository.name != place.repository:
                await self._finish_repository()
                self.repository = RepositoryCheck(self.context, place.repository)
            await self.repository.add(item)
        elif place.kind is Kind.CONTENT and place.digest:
            self.context.content.add(place.digest, item.properties.size)
            if not item.properties.size:
                await self._check_emptied(place.digest, item.properties)
        else:
            await self._add_other(item)

    async def _add_other(self, item: ListedObject) -> None:
        """Add an object that is neither content nor a link."""
        place = item.place
        if place.kind is Kind.MARKER:
            self.markers[place.repository] = item.path
        elif place.kind is Kind.REPLACEMENT and not self.context.may_repair:
            await _report_interrupted_repair(self.context, item.path, item.properties)
        elif place.kind is Kind.UPLOAD:
            self.uploads.add(item)
        elif place.kind is Kind.TRASHED:
            self.trashed.append(item.path)

    async def _report_archived(self, item: ListedObject) -> None:
        status = item.properties.archive_status
        await self.context.report_problem(
            Problem.ARCHIVED,
            item.path,
            "the object is in the archive tier and cannot be read "
            + (f"yet ({status})" if status else "until its tier is set to Hot, Cool or Cold"),
            repository=item.place.repository,
        )

    async def _check_emptied(self, digest: Digest, seen: Properties) -> None:
        """Report content that has no bytes, if it is still so."""
        if not seen.archived:
            with suppress(NotFound, ConditionFailed, RangeNotSatisfiable):
                await report_if_damaged(self.context, digest)

    async def finish(self) -> None:
        """Check the last repository, and what can only be known now."""
        await self._finish_repository()
        self.uploads.finish()
        unfilled = [item for item in self.markers.items() if item[0] not in self.filled]
        await for_each(unfilled, self._check_marker, limit=CONCURRENCY)
        await check_trash(self.context, self.trashed)
        for digest, size, is_referenced in self.context.content.rows():
            if not is_referenced and digest not in self.context.quarantined:
                self.context.report.unreferenced.add(size)

    async def _finish_repository(self) -> None:
        repository, self.repository = self.repository, None
        if repository and await repository.finish(self.markers.keys()):
            self.filled.add(repository.name)

    async def _check_marker(self, marker: tuple[str, str]) -> None:
        await check_stale_marker(self.context, *marker)


@dataclass
class UploadAges:
    """Counts uploads by age. One of CNCF distribution is several objects; the youngest counts."""

    count: UploadCount
    now: datetime
    _upload: tuple[str, str] | None = None
    _touched: datetime | None = None

    def add(self, item: ListedObject) -> None:
        """Add an object of an upload. Objects must be added in the order of the walk."""
        upload = (item.place.repository, item.place.upload)
        if upload != self._upload:
            self.finish()
            self._upload = upload
        modified = item.properties.last_modified
        self._touched = max(self._touched or modified, modified)

    def finish(self) -> None:
        """Count the last upload."""
        if self._touched is None:
            return
        age = self.now - self._touched
        self.count.number += 1
        self.count.left_behind += age >= _LEFT_BEHIND
        self.count.oldest = max(self.count.oldest, int(age.total_seconds()))
        self._upload = self._touched = None
