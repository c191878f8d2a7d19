"""One repository: its links as they are listed, its checks once all are known, its marker."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from functools import partial

from ...object_store.interface import exists_below
from ...storage.catalog import Catalog
from ...storage.layout_parse import Kind
from ..walk import ListedObject
from .context import CheckContext
from .links import LinkCheck, ListedLinks, listed_link
from .manifests import ManifestCheck, check_referrers
from .report import Problem
from .tags import TagCheck

_MAX_UNDECIDED = 1000


@dataclass
class RepositoryCheck:
    """Checks one repository: `add` its links in the order of the listing, then `finish`."""

    context: CheckContext
    name: str
    links: ListedLinks = field(default_factory=ListedLinks)
    link_check: LinkCheck = field(init=False)

    def __post_init__(self) -> None:
        self.link_check = LinkCheck(self.context, self.links)

    async def add(self, item: ListedObject) -> None:
        """Add a link. Makes calls only once many links need to be read."""
        link = listed_link(item)
        self.link_check.add(link)
        self.links.add(link)
        if item.place.digest and item.place.kind in (Kind.LAYER_LINK, Kind.REVISION_LINK):
            self.context.content.mark(item.place.digest)
        if len(self.link_check.undecided) >= _MAX_UNDECIDED:
            await self.link_check.run()

    async def finish(self, marked: Collection[str]) -> bool:
        """Run the checks. Returns whether the repository has manifests.

        ``marked`` are the names of all repositories with a catalog marker.
        """
        await self.link_check.run()
        tags = TagCheck(self.context, self.name, self.links)
        await tags.run()
        manifests = ManifestCheck(self.context, self.name, self.links, tags.dangling)
        await manifests.run(tags.unlinked)
        await check_referrers(manifests)
        self._count()
        has_manifests = bool(len(self.links.revisions) or tags.unlinked)
        if has_manifests and self.name not in marked:
            await self._report_unmarked()
        return has_manifests

    def _count(self) -> None:
        links, report = self.links, self.context.report
        report.repositories += bool(len(links.layers) or len(links.revisions) or links.tags)
        report.manifests += len(links.revisions)
        report.tags += len(links.tags)

    async def _report_unmarked(self) -> None:
        path = self.context.layout.catalog_marker(self.name)
        if await self.context.exists(path):
            return
        await self.context.report_problem(
            Problem.MARKER_MISSING,
            path,
            f"the catalog does not list {self.name}",
            repository=self.name,
            repair=partial(_write_marker, self.context, self.name),
        )


async def check_stale_marker(context: CheckContext, name: str, path: str) -> None:
    """Check a catalog marker whose repository had no manifests in the listing. Two calls."""
    if not await context.exists(path) or await _has_manifests(context, name):
        return
    await context.report_problem(
        Problem.MARKER_STALE,
        path,
        f"the catalog lists {name!r}, which has no manifests",
        repository=name,
        repair=partial(_delete_marker, context, name),
    )


async def _has_manifests(context: CheckContext, name: str) -> bool:
    return await exists_below(context.store, context.layout.revisions(name))


async def _write_marker(context: CheckContext, name: str) -> str:
    catalog = Catalog(context.store, context.layout)
    await catalog.mark(name)
    await catalog.update(name)  # if the manifests were deleted meanwhile, the marker goes again
    return "marker written" if await context.exists(context.layout.catalog_marker(name)) else ""


async def _delete_marker(context: CheckContext, name: str) -> str:
    await Catalog(context.store, context.layout).update(name)
    return "" if await context.exists(context.layout.catalog_marker(name)) else "marker deleted"
