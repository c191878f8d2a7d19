"""Copies what a document lists, entry by entry; one that fails stops no other."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol

from ..registry import Listing
from ..spec.endpoints import PageQuery
from ..spec.errors import RegistryError
from .copy import copy_manifest, copy_tags, list_tags
from .locations import Location, RegistryRoot, Selected, target_tags
from .options import CopyOptions
from .place import Place, Source, Target
from .progress import CopyProgress, OnProgress
from .report import CopyReport
from .run import CopyRun
from .sync_document import SyncEntry, SyncImage, SyncRegistry, SyncTags


class Catalog(Protocol):
    """A registry that lists its repositories."""

    async def list_repositories(self, page: PageQuery) -> Listing[str]:
        """See `registry.Lister`."""


class Opener(Protocol):
    """Opens places, and keeps them open until the end."""

    async def source(self, location: Location) -> Place[Source]:
        """Open what is copied from."""

    async def target(self, location: Location) -> Place[Target]:
        """Open what is copied to."""

    async def select(self, location: Location) -> Selected:
        """Return what the location of a source names.

        :raises ManifestUnknown: it does not name one manifest.
        """

    async def catalog(self, root: RegistryRoot) -> Catalog:
        """Open a registry to list its repositories."""


@dataclass(frozen=True)
class EntryReport:
    """What became of an entry.

    ``failures``: what could not be copied at all, by location, and why; the tags that could not are
    in ``copies``. ``unmatched``: the locations where no tag or repository matches.
    """

    entry: SyncEntry
    copies: tuple[CopyReport, ...] = ()
    failures: Mapping[str, RegistryError] = field(default_factory=dict)
    unmatched: tuple[str, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether something could not be copied."""
        return bool(self.failures) or any(copy.failures for copy in self.copies)


async def sync(
    entries: Iterable[SyncEntry],
    opener: Opener,
    options: CopyOptions,
    run: CopyRun,
    *,
    on_progress: Callable[[SyncEntry, CopyProgress], None],
    on_entry: Callable[[EntryReport], None],
) -> None:
    """Copy what entries list, one entry after the other.

    :param options: those of all entries; an entry has its own platforms and referrers.
    :param on_entry: called with the report of each entry when it is done.
    """
    for entry in entries:
        own = replace(options, platforms=entry.platforms, referrers=entry.referrers)
        copying = _EntrySync(entry, opener, own, run, partial(on_progress, entry))
        on_entry(await copying.report())


class _EntrySync:
    """The work on one entry."""

    def __init__(
        self,
        entry: SyncEntry,
        opener: Opener,
        options: CopyOptions,
        run: CopyRun,
        on_progress: OnProgress,
    ) -> None:
        self._entry = entry
        self._opener = opener
        self._options = options
        self._run = run
        self._on_progress = on_progress
        self._copies: list[CopyReport] = []
        self._failures: dict[str, RegistryError] = {}
        self._unmatched: list[str] = []

    async def report(self) -> EntryReport:
        """Copy what the entry lists, as far as that is possible."""
        what = self._entry.what
        try:
            if isinstance(what, SyncImage):
                await self._image(what)
            elif isinstance(what, SyncTags):
                await self._tags(what)
            else:
                await self._registry(what)
        except RegistryError as error:
            self._failures[str(what.source)] = error
        return EntryReport(self._entry, tuple(self._copies), self._failures, tuple(self._unmatched))

    async def _image(self, image: SyncImage) -> None:
        source = await self._opener.source(image.source)
        target = await self._opener.target(image.target)
        selected = await self._opener.select(image.source)
        tags = target_tags(image.source, selected.tag, image.target)
        self._copies.append(
            await copy_manifest(
                source,
                selected.reference,
                target,
                tags,
                self._options,
                self._on_progress,
                run=self._run,
            )
        )

    async def _tags(self, tags: SyncTags) -> None:
        source = await self._opener.source(tags.source)
        target = await self._opener.target(tags.target)
        matching = await list_tags(source, tags.tags, tags.exclude)
        if not matching:
            self._unmatched.append(str(tags.source))
            return
        self._copies.append(
            await copy_tags(
                source, matching, target, self._options, self._on_progress, run=self._run
            )
        )

    async def _registry(self, what: SyncRegistry) -> None:
        catalog = await self._opener.catalog(what.source)
        found = False
        async for name in _repositories(catalog, what):
            found = True
            source = what.source.repository(name)
            target = what.target.repository(name)
            try:
                await self._tags(SyncTags(source, target, what.tags, what.exclude))
            except RegistryError as error:
                self._failures[str(source)] = error
        if not found:
            self._unmatched.append(str(what.source))


async def _repositories(catalog: Catalog, what: SyncRegistry) -> AsyncIterator[str]:
    """Yield the names that match, without the prefix; none of what earlier runs have copied."""
    copies = what.target.prefix if what.is_within_itself else None
    page: PageQuery | None = PageQuery()
    while page is not None:
        listing = await catalog.list_repositories(page)
        for name in listing.entries:
            below = name.removeprefix(what.source.prefix)
            if copies is not None and name.startswith(copies):
                continue
            if name.startswith(what.source.prefix) and what.repositories.match(below):
                yield below
        page = listing.next
