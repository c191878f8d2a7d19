"""The catalog: a marker for each repository that has manifests.

A marker's ETag is the repository's generation. Every deletion of a manifest begins a new one before
it looks at anything, so that a push that runs at the same time finds out, and another one after it,
as does the deletion of a blob: what an instance has cached of the repository's membership holds for
the generation in which it was looked up.
"""

from __future__ import annotations

import re
import sys
from contextlib import suppress
from dataclasses import dataclass, field

from ..caches import Cache
from ..object_store.errors import ConditionFailed, NotFound, contended
from ..object_store.interface import (
    IF_ABSENT,
    ObjectStore,
    Properties,
    delete_if,
    exists_below,
    if_match,
)
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

# Of a marker that is about to be deleted, because its repository had no manifests any more.
_EMPTYING = {"emptying": "1"}

_ATTEMPTS = 8


def _is_emptying(marker: Properties) -> bool:
    return _EMPTYING.items() <= marker.metadata.items()


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

    async def generation(self, repository: str) -> str | None:
        """Return the repository's generation; None if it has no marker. One call.

        None, too, where a deletion is about to delete the marker.
        """
        try:
            marker = await self.store.head(self.layout.catalog_marker(repository))
        except NotFound:
            marker = None
        if marker is None or _is_emptying(marker):
            self.generations.forget(repository)
            return None
        return self._note(repository, marker.etag)

    async def mark(self, repository: str) -> str:
        """Write the repository's marker, so that it is listed, unless it is there. One call or two.

        One that a deletion is about to delete is written again, which keeps it. Returns the
        generation.

        :raises StoreUnavailable: others write and delete it again and again.
        """
        path = self.layout.catalog_marker(repository)
        condition = IF_ABSENT
        for _ in range(_ATTEMPTS):
            with suppress(NotFound, ConditionFailed):
                return self._note(repository, await self.store.put(path, b"", condition=condition))
            condition = IF_ABSENT
            with suppress(NotFound):
                marker = await self.store.head(path)
                if not _is_emptying(marker):
                    return self._note(repository, marker.etag)
                condition = if_match(marker.etag)
        raise contended(path)

    def _note(self, repository: str, generation: str) -> str:
        self.generations.put(repository, generation)
        return generation

    async def begin_generation(self, repository: str) -> None:
        """Begin a new generation, if the repository has a marker. Two calls.

        It begins at some moment between call and return, here or by another deletion.
        """
        self.generations.forget(repository)
        path = self.layout.catalog_marker(repository)
        with suppress(NotFound, ConditionFailed):
            marker = await self.store.head(path)
            await self.store.put(path, b"", condition=if_match(marker.etag))

    async def update(self, repository: str) -> None:
        """Begin a new generation after a deletion; without manifests, delete the marker.

        Before it looks for the last time, it notes in the marker that this is about to be deleted.
        A push after that look finds it so, or gone, and writes it again: `generation`, `mark`.
        """
        await self.begin_generation(repository)
        path = self.layout.catalog_marker(repository)
        is_empty = not await self._has_manifests(repository)
        for _ in range(_ATTEMPTS if is_empty else 0):
            with suppress(ConditionFailed):
                try:
                    marker = await self.store.head(path)
                except NotFound:
                    return
                if not _is_emptying(marker):
                    unchanged = if_match(marker.etag)
                    await self.store.put(path, b"", metadata=_EMPTYING, condition=unchanged)
                elif await self._has_manifests(repository):
                    await self.mark(repository)
                    return
                elif await delete_if(self.store, path, if_match(marker.etag)):
                    return

    async def _has_manifests(self, repository: str) -> bool:
        return await exists_below(self.store, self.layout.revisions(repository))
