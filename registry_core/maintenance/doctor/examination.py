"""The walk over a container: one listing of all of it, in order, each registry in it for itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

from ...object_store.interface import Entry, NotFound, ObjectStore, Properties, list_all
from ...storage.layout import Layout
from ...storage.layout_parse import Kind, Place, parse_path
from ...storage.root import LEADING_SLASH, PLAIN, RootAmbiguous, find_root
from .case import Case, Options, Progress, Tell, for_each
from .replacing import finish_replacing
from .report import Finding, Report, Trouble
from .repository import Repository, check_stale_marker
from .uploads import UploadCount
from .verification import verify

_TELL_EVERY = 1000
_OF_REPOSITORIES = {
    Kind.LAYER_LINK,
    Kind.REVISION_LINK,
    Kind.TAG_LINK,
    Kind.INDEX_LINK,
    Kind.REFERRER,
}


async def examine(store: ObjectStore, report: Report, options: Options, tell: Tell) -> None:
    """Look at everything and enter it into ``report``, which is right at any time it is cancelled.

    A call for each 5000 objects; one for each manifest and each link that a listing does not tell
    all of; some more for each finding.

    :raises StoreUnavailable:
    """
    root = await _find_root(store, report, options)
    may_repair = options.repair and root is not None
    if options.repair and root is not None:
        await _finish_repairs(Case(store, Layout(root), report, options, tell, may_repair))
    prefix = "" if options.root is None else Layout(options.root).base
    walk: _Walk | None = None
    async for entry in list_all(store, prefix, metadata=True):
        assert entry.properties is not None
        place = parse_path(entry.path)
        report.objects[place.kind].add(entry.properties)
        if report.number_of_objects % _TELL_EVERY == 1:
            tell(Progress("listing", report.number_of_objects, None, "objects"))
        if place.kind is Kind.UNKNOWN:
            continue
        if walk is None or walk.case.layout.root != place.root:
            if walk:
                await walk.finish()
            report.roots.append(place.root)
            served = options.root is not None or place.root in (PLAIN, LEADING_SLASH)
            layout = Layout(place.root)
            walk = _Walk(Case(store, layout, report, options, tell, may_repair and served))
        await walk.take(entry, place, entry.properties)
    if walk:
        await walk.finish()
        await _check_served(walk.case)


async def _find_root(store: ObjectStore, report: Report, options: Options) -> str | None:
    """The registry that is meant; None, and a finding, when that is not clear."""
    if options.root is not None:
        return options.root
    try:
        return await find_root(store, setting=options.setting)
    except RootAmbiguous as error:
        report.add(Finding(Trouble.TWO_REGISTRIES, "", f"{error}; nothing is repaired till then"))
        return None


async def _finish_repairs(case: Case) -> None:
    """Before all else is listed, so that the links that are put back are among it."""
    entries = [entry async for entry in list_all(case.store, case.layout.replacements)]
    for entry in entries:
        if entry.properties:
            await _unfinished(case, entry.path, entry.properties)


async def _unfinished(case: Case, path: str, properties: Properties) -> None:
    if case.is_young(properties.last_modified):
        return
    says = "a repair was cut off while it replaced links"
    repair = partial(_finish_replacing, case.store, path)
    await case.found(Trouble.REPLACEMENT_UNFINISHED, path, says, repair=repair)


@dataclass
class _Walk:
    """One registry: its content and markers come first in the listing, then its repositories."""

    case: Case
    markers: dict[str, str] = field(default_factory=dict)
    filled: set[str] = field(default_factory=set)
    repository: Repository | None = None
    uploads: UploadCount = field(init=False)

    def __post_init__(self) -> None:
        self.uploads = UploadCount(self.case.report.uploads, self.case.now)

    async def take(self, entry: Entry, place: Place, properties: Properties) -> None:
        if place.kind is Kind.CONTENT and place.digest:
            self.case.content.add(place.digest, properties.size)
        elif place.kind is Kind.MARKER:
            self.markers[place.repository] = entry.path
        elif place.kind is Kind.REPLACEMENT and not self.case.may_repair:
            await _unfinished(self.case, entry.path, properties)
        elif place.kind is Kind.UPLOAD:
            self.uploads.take(place, properties)
        elif place.kind in _OF_REPOSITORIES:
            if self.repository is None or self.repository.name != place.repository:
                await self._finish_repository()
                self.repository = Repository(self.case, place.repository)
            await self.repository.take(entry.path, place, properties)

    async def finish(self) -> None:
        await self._finish_repository()
        self.uploads.finish()
        stale = [item for item in self.markers.items() if item[0] not in self.filled]
        await for_each(stale, self._stale)
        for _, size, is_referenced in self.case.content.rows():
            if not is_referenced:
                self.case.report.unreferenced.add(size)
        if self.case.options.verify:
            await verify(self.case)

    async def _finish_repository(self) -> None:
        repository, self.repository = self.repository, None
        if repository and await repository.finish(self.markers.keys()):
            self.filled.add(repository.name)

    async def _stale(self, marker: tuple[str, str]) -> None:
        await check_stale_marker(self.case, *marker)


async def _finish_replacing(store: ObjectStore, path: str) -> str:
    try:
        return f"finished: {await finish_replacing(store, path)} links put back"
    except (NotFound, ValueError):
        return ""


async def _check_served(case: Case) -> None:
    """Registries in folders are not looked for: a setting names the one that is meant."""
    roots = case.report.roots
    if case.options.root is not None or PLAIN in roots or LEADING_SLASH in roots:
        return
    says = f"the registry under {roots[0]!r} is not served unless {case.options.setting} names it"
    await case.found(Trouble.NOT_SERVED, roots[0], says)
