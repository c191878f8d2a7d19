"""The catalog: the repositories that have a marker, which are those that have manifests."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..registry import Listing
from ..spec.endpoints import PageQuery
from ..spec.names import is_name
from .membership import Shelf
from .paging import Place, list_names

_BEGINNING = re.compile(r"[\w./-]{1,255}", re.ASCII)


@dataclass
class Catalog:
    """`Lister`'s repositories over the object store."""

    shelf: Shelf

    async def list_repositories(self, page: PageQuery) -> Listing[str]:
        """One call for each 5000 repositories."""
        return await list_names(self._read, page)

    async def _read(self, place: Place) -> tuple[list[str], str | None]:
        layout = self.shelf.layout
        start = place.start(_BEGINNING)
        page = await self.shelf.store.list_page(
            layout.catalog,
            start_from=layout.catalog_marker(start) if start else None,
            continuation=place.continuation,
            limit=place.limit,
        )
        names = [layout.marked_repository(row.path) for row in page.entries]
        return [name for name in names if is_name(name)], page.continuation
