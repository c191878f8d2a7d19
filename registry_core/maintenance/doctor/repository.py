"""One repository: what the listing has of it, and its judgement once all of that is known."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from functools import partial

from ...object_store.interface import Properties
from ...storage.catalog import Catalog
from ...storage.layout_parse import Kind, Place
from .case import Case
from .links import Links, Seen
from .manifests import ManifestCheck
from .referrers import check_entries
from .report import Trouble
from .rows import Rows
from .tags import TagCheck

_MOST_WAITING = 1000


@dataclass
class Repository:
    """Fed with its objects in the listing's order, then to be finished."""

    case: Case
    name: str
    rows: Rows = field(default_factory=Rows)
    links: Links = field(init=False)

    def __post_init__(self) -> None:
        self.links = Links(self.case)

    async def take(self, path: str, place: Place, properties: Properties) -> None:
        seen = Seen(path, place, properties)
        self.links.take(seen)
        self.rows.take(seen)
        if place.digest and place.kind in (Kind.LAYER_LINK, Kind.REVISION_LINK):
            self.case.content.mark(place.digest)
        if len(self.links.waiting) >= _MOST_WAITING:
            await self.links.settle()

    async def finish(self, markers: Collection[str]) -> bool:
        """``markers`` are the names of all that have one. Returns whether this one should."""
        await self.links.settle()
        tags = TagCheck(self.case, self.name, self.rows)
        await tags.run()
        manifests = ManifestCheck(self.case, self.name, self.rows, tags.dangling)
        await manifests.run(tags.unlinked)
        await check_entries(self.case, self.name, self.rows, manifests)
        self._count()
        has_manifests = bool(len(self.rows.revisions) or tags.unlinked)
        if has_manifests and self.name not in markers:
            await self._check_marker()
        return has_manifests

    def _count(self) -> None:
        rows, report = self.rows, self.case.report
        report.repositories += bool(len(rows.layers) or len(rows.revisions) or rows.tags)
        report.manifests += len(rows.revisions)
        report.tags += len(rows.tags)

    async def _check_marker(self) -> None:
        path = self.case.layout.catalog_marker(self.name)
        if await self.case.is_there(path):
            return
        await self.case.found(
            Trouble.MARKER_MISSING,
            path,
            f"the catalog does not list {self.name}",
            repository=self.name,
            repair=partial(_mark, self.case, self.name),
        )


async def check_stale_marker(case: Case, name: str, path: str) -> None:
    """A marker whose repository has no manifests in the listing."""
    if not await case.is_there(path) or await has_manifests(case, name):
        return
    await case.found(
        Trouble.MARKER_STALE,
        path,
        f"the catalog lists {name!r}, which has no manifests",
        repository=name,
        repair=partial(_unmark, case, name),
    )


async def has_manifests(case: Case, name: str) -> bool:
    page = await case.store.list_page(case.layout.revisions(name), limit=1)
    return bool(page.entries)


async def _mark(case: Case, name: str) -> str:
    # Whatever happens at the same time, it ends with a marker if there are manifests.
    await Catalog(case.store, case.layout).update(name)
    return "marker written" if await case.is_there(case.layout.catalog_marker(name)) else ""


async def _unmark(case: Case, name: str) -> str:
    await Catalog(case.store, case.layout).update(name)
    return "" if await case.is_there(case.layout.catalog_marker(name)) else "marker deleted"
