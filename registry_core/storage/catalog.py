"""The catalog: a marker for each repository that has manifests.

A marker's ETag is the repository's generation: every deletion of a manifest changes it, so that a
push that runs at the same time finds out.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field

from ..caches import Cache
from ..object_store.interface import NotFound, ObjectStore, delete_if, exists_below
from ..registry import Listing
from ..spec.endpoints import PageQuery
from ..spec.names import is_name
from .layout import Layout
from .membership import MEMBERSHIP_SECONDS
from .paging import Window, list_names

# "~" sorts behind all that a name may continue with, so it begins right after those names.
_BEGINNING = re.compile(r"[\w./-]{1,255}~?", re.ASCII)

# More only if storage returns empty pages, or does not support `start_from`.
_MOST_CALLS = 8


@dataclass
class Catalog:
    """`Lister`'s repositories over the object store, and their generations.

    ``generations`` caches the generation of each repository that was seen lately.
    """

    store: ObjectStore
    layout: Layout = field(default_factory=Layout)
    generations: Cache[str, str] = field(default_factory=lambda: Cache(MEMBERSHIP_SECONDS))

    async def list_repositories(self, page: PageQuery) -> Listing[str]:
        """See `Lister`. One call for each 5,000 repositories, `_MOST_CALLS` for a page of ``n``."""
        most_calls = sys.maxsize if page.n is None else _MOST_CALLS
        return await list_names(self._read, page, most_calls=most_calls)

    async def _read(self, window: Window) -> tuple[list[str], str | None]:
        start = window.start(_BEGINNING)
        page = await self.store.list_page(
            self.layout.catalog,
            start_from=self.layout.catalog_marker(start) if start else None,
            continuation=window.continuation,
            limit=window.limit,
        )
        names = [self.layout.marked_repository(row.path) for row in page.entries]
        return [name for name in names if is_name(name)], page.continuation

    async def mark(self, repository: str) -> None:
        """Write the repository's marker, so that it is listed, with a new generation. One call."""
        etag = await self.store.put(self.layout.catalog_marker(repository), b"")
        self.generations.put(repository, etag)

    async def is_unchanged(self, repository: str, generation: str) -> bool:
        """Return whether no manifest of the repository was deleted since ``generation``. One call.

        A marker that is missing is written.
        """
        try:
            etag = (await self.store.head(self.layout.catalog_marker(repository))).etag
        except NotFound:
            await self.mark(repository)
            return False
        self.generations.put(repository, etag)
        return etag == generation

    async def update(self, repository: str) -> None:
        """Begin a new generation after a deletion; without manifests, delete the marker."""
        if not await self._has_manifests(repository):
            if not await delete_if(self.store, self.layout.catalog_marker(repository)):
                return
            if not await self._has_manifests(repository):
                return
        await self.mark(repository)

    async def _has_manifests(self, repository: str) -> bool:
        return await exists_below(self.store, self.layout.revisions(repository))
