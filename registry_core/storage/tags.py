"""Tags, listed: the folders that their links are in.

A folder without its link, which a push that was cut off or another registry may have left, is
listed, too, as in CNCF distribution: to look into each would cost a call for each.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..aio import together
from ..object_store.interface import NotFound
from ..registry import Listing
from ..spec.endpoints import PageQuery
from ..spec.errors import NameUnknown
from .membership import Shelf
from .paging import Place, list_names

# Of a tag's characters, those that sort before the "/" which ends its folder.
_BEFORE_SLASH = "-."
_BEGINNING = re.compile(r"[\w.-]{1,128}", re.ASCII)


@dataclass
class Tags:
    """`Lister`'s tags over the object store."""

    shelf: Shelf

    async def list_tags(self, repository: str, page: PageQuery) -> Listing[str]:
        """One call for each 5000 tags, and sometimes a few more at the same time: see `_early`."""

        async def read(place: Place) -> tuple[list[str], str | None]:
            return await self._read(repository, place)

        known = 1 + len(_prefixes(page.last or ""))
        listing = await list_names(read, page, known=known)
        if not listing.entries and not await self._is_known(repository):
            raise NameUnknown(f"repository {repository} is not known")
        return listing

    async def _read(self, repository: str, place: Place) -> tuple[list[str], str | None]:
        prefix = self.shelf.layout.tags(repository)
        start = place.start(_BEGINNING)
        page = await self.shelf.store.list_page(
            prefix,
            by_folder=True,
            start_from=prefix + start if start else None,
            continuation=place.continuation,
            limit=place.limit,
        )
        folders = [row.path.removeprefix(prefix) for row in page.entries]
        tags = [folder[:-1] for folder in folders if folder.endswith("/")]
        if page.continuation and folders:
            asked = _prefixes(folders[-1].rstrip("/")) - set(tags)
            tags += await self._early(repository, [tag for tag in asked if tag > place.last])
        return sorted(tags), page.continuation

    async def _early(self, repository: str, tags: list[str]) -> list[str]:
        """Which of them exist.

        Storage has "a-b/" before "a/", but "a" comes before "a-b". So where a page ends with
        "a-b", it is asked whether there is an "a". That happens once for each such "a", not once
        for each page.
        """

        async def exists(tag: str) -> bool:
            try:
                await self.shelf.store.head(self.shelf.layout.tag_link(repository, tag))
            except NotFound:
                return False
            return True

        found = await together(exists(tag) for tag in tags)
        return [tag for tag, there in zip(tags, found, strict=True) if there]

    async def _is_known(self, repository: str) -> bool:
        page = await self.shelf.store.list_page(self.shelf.layout.manifests(repository), limit=1)
        return bool(page.entries)


def _prefixes(tag: str) -> set[str]:
    """The tags before ``tag`` in lexical order that storage has behind it."""
    return {tag[:end] for end in range(1, len(tag)) if tag[end] in _BEFORE_SLASH}
