"""The catalog: the repositories that have a marker, which are those that have manifests."""

from __future__ import annotations

from dataclasses import dataclass

from ..registry import Listing
from ..spec.endpoints import PageQuery
from ..spec.names import is_name
from .paging import Place, list_names
from .shelf import Shelf


@dataclass
class Catalog:
    """`Lister`'s repositories over the object store."""

    shelf: Shelf

    async def list_repositories(self, page: PageQuery) -> Listing[str]:
        """One call for each 5000 repositories."""
        return await list_names(self._read, page)

    async def _read(self, place: Place, _: str) -> tuple[list[str], str | None]:
        layout = self.shelf.layout
        page = await self.shelf.store.list_page(
            layout.catalog, continuation=place.continuation, limit=place.limit
        )
        names = [layout.marked_repository(row.path) for row in page.entries]
        return [name for name in names if is_name(name)], page.continuation
