"""Tags, listed."""

from __future__ import annotations

from dataclasses import dataclass

from ..registry import TagPage
from ..spec.errors import NameUnknown
from .object_store import list_all
from .shelf import Shelf


@dataclass
class Tags:
    """`Lister`'s tags over the object store."""

    shelf: Shelf

    async def list_tags(self, repository: str, *, limit: int | None, last: str | None) -> TagPage:
        prefix = self.shelf.layout.tags(repository)
        folders = list_all(self.shelf.store, prefix, by_folder=True)
        tags = [entry.path[len(prefix) :].rstrip("/") async for entry in folders]
        if not tags and not await self._has_manifests(repository):
            raise NameUnknown(f"repository {repository} is not known")
        # Folders are in the order of "<tag>/", where "a-b/" comes before "a/".
        behind = sorted(tag for tag in tags if last is None or tag > last)
        page = behind if limit is None else behind[:limit]
        return TagPage(tuple(page), more=len(page) < len(behind))

    async def _has_manifests(self, repository: str) -> bool:
        page = await self.shelf.store.list_page(self.shelf.layout.manifests(repository), limit=1)
        return bool(page.entries)
