"""The examination: one walk over the container, each registry in it checked for itself."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from ...aio import for_each
from ...object_store.interface import (
    ConditionFailed,
    NotFound,
    ObjectStore,
    Properties,
    RangeNotSatisfiable,
    StoreRefused,
    list_all,
)
from ...spec.digest import Digest
from ...storage.content import Content
from ...storage.layout import Layout
from ...storage.layout_parse import Kind
from ...storage.root import LEADING_SLASH, PLAIN, RootAmbiguous, find_root
from ..walk import ListedObject, OnProgress, Progress, walk
from .context import CONCURRENCY, CheckContext, DoctorOptions
from .repairs import complete_replacements
from .report import ContentCount, DoctorReport, Finding, Problem, UploadCount
from .repository import RepositoryCheck, check_stale_marker

_HASHING_CONCURRENCY = 4  # bounds memory: each keeps a few pieces of content

# The default age at which CNCF distribution purges uploads.
_LEFT_BEHIND = timedelta(days=7)

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
    contain its digest, and a few for each problem.

    :raises StoreUnavailable: storage cannot be used; the report is incomplete.
    """
    root = await _choose_root(store, report, options)
    may_repair = options.repair and root is not None
    if options.repair and root is not None:
        await _complete_repairs(
            CheckContext(store, Layout(root), report, options, on_progress, may_repair)
        )
    prefix = "" if options.root is None else Layout(options.root).base
    check: RegistryCheck | None = None
    async for item in walk(store, prefix, on_progress):
        place = item.place
        report.objects[place.kind].add(item.properties)
        if place.kind is Kind.UNKNOWN:
            continue
        if check is None or check.context.layout.root != place.root:
            if check:
                await check.finish()
            report.roots.append(place.root)
            is_served = options.root is not None or place.root in (PLAIN, LEADING_SLASH)
            layout = Layout(place.root)
            check = RegistryCheck(
                CheckContext(store, layout, report, options, on_progress, may_repair and is_served)
            )
        await check.add(item)
    if check:
        await check.finish()
        await _check_served(check.context)


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
    repository: RepositoryCheck | None = None
    uploads: UploadAges = field(init=False)

    def __post_init__(self) -> None:
        self.uploads = UploadAges(self.context.report.uploads, self.context.now)

    async def add(self, item: ListedObject) -> None:
        """Add an object. A repository is checked when the next one begins."""
        place = item.place
        if item.properties.archived:
            await self._report_archived(item)
        if place.kind is Kind.CONTENT and place.digest:
            self.context.content.add(place.digest, item.properties.size)
        elif place.kind is Kind.MARKER:
            self.markers[place.repository] = item.path
        elif place.kind is Kind.REPLACEMENT and not self.context.may_repair:
            await _report_interrupted_repair(self.context, item.path, item.properties)
        elif place.kind is Kind.UPLOAD:
            self.uploads.add(item)
        elif place.kind in _LINKS:
            if self.repository is None or self.repository.name != place.repository:
                await self._finish_repository()
                self.repository = RepositoryCheck(self.context, place.repository)
            await self.repository.add(item)

    async def _report_archived(self, item: ListedObject) -> None:
        await self.context.report_problem(
            Problem.ARCHIVED,
            item.path,
            "the object is in the archive tier and cannot be read until it is rehydrated",
            repository=item.place.repository,
        )

    async def finish(self) -> None:
        """Check the last repository, and what can only be known now."""
        await self._finish_repository()
        self.uploads.finish()
        unfilled = [item for item in self.markers.items() if item[0] not in self.filled]
        await for_each(unfilled, self._check_marker, limit=CONCURRENCY)
        for _, size, is_referenced in self.context.content.rows():
            if not is_referenced:
                self.context.report.unreferenced.add(size)
        if self.context.options.verify:
            await verify_content(self.context)

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


async def verify_content(context: CheckContext) -> None:
    """Hash all content that was listed, in pieces, a few objects at a time."""
    content = Content(context.store, context.layout)
    verified = context.report.verified = context.report.verified or ContentCount()
    total = sum(size for _, size, _ in context.content.rows())
    before = verified.bytes

    async def verify(row: tuple[Digest, int, bool]) -> None:
        digest, size, _ = row
        path = context.layout.content(digest)
        # Not judged: content that is deleted or written at the same time, and archived content.
        with suppress(NotFound, ConditionFailed, RangeNotSatisfiable, StoreRefused):
            if await content.hash(path, size, digest.algorithm, None) != digest:
                await context.report_damaged(digest)
            verified.add(size)
            context.on_progress(Progress("verifying", verified.bytes - before, total, "bytes"))

    await for_each(context.content.rows(), verify, limit=_HASHING_CONCURRENCY)
