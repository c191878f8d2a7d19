"""Listing tags and the catalog page by page, as clients do, over any store."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

from registry_core.object_store.interface import ObjectStore, Page
from registry_core.object_store.memory import MemoryStore
from registry_core.registry import Listing
from registry_core.spec.digest import Digest
from registry_core.spec.endpoints import PageQuery
from registry_core.storage.catalog import Catalog
from registry_core.storage.layout import Layout
from registry_core.storage.stored_registry import StoredRegistry
from tests.support.counting import CountingStore

LAYOUT = Layout()
DIGEST = Digest.of(b"{}")

ListPage = Callable[[PageQuery], Awaitable[Listing[str]]]
BetweenPages = Callable[[], Awaitable[None]]


class WithoutStartFrom(MemoryStore):
    """A store that ignores `start_from`, as Azure did before its version 2026-02-06."""

    async def list_page(self, prefix: str, **options: Any) -> Page:
        return await super().list_page(prefix, **(options | {"start_from": None}))


class StrictStartFrom(MemoryStore):
    """A store that accepts `start_from` only if it could be a path of the registry."""

    async def list_page(self, prefix: str, **options: Any) -> Page:
        start = options.get("start_from")
        assert start is None or re.fullmatch(r"[\w./~-]{1,1024}", start, re.ASCII)
        return await super().list_page(prefix, **options)


class SparsePages(MemoryStore):
    """A store whose listings begin with an empty page and continue with short ones."""

    def __init__(self) -> None:
        super().__init__(sparse_pages=True)


class EmptyPages(CountingStore):
    """A store that returns empty pages for ever, as Azure does where many objects were deleted."""

    async def list_page(self, prefix: str, **_options: Any) -> Page:
        self.calls.append(("list_page", prefix))
        return Page([], "more")


async def put_tag(store: ObjectStore, tag: str) -> None:
    """Write a tag as a push does."""
    await store.put(LAYOUT.tag_index_link("r", tag, DIGEST), str(DIGEST).encode())
    await store.put(LAYOUT.tag_link("r", tag), str(DIGEST).encode())


async def put_revision(store: ObjectStore) -> None:
    """Make the repository exist, with or without tags."""
    await store.put(LAYOUT.revision_link("r", DIGEST), str(DIGEST).encode())


def tags_of(store: ObjectStore) -> ListPage:
    """Return what lists the tags of the repository."""
    registry = StoredRegistry(store)

    async def list_names(page: PageQuery) -> Listing[str]:
        listing = await registry.list_tags("r", page)
        return Listing(tuple(tag.name for tag in listing.entries), listing.next)

    return list_names


def catalog_of(store: ObjectStore) -> ListPage:
    """Return what lists the repositories."""
    return Catalog(store).list_repositories


async def pages_by_link(
    list_page: ListPage, page: PageQuery, between: BetweenPages | None = None
) -> list[tuple[str, ...]]:
    """Return every page, as a client gets them that follows the links."""
    pages: list[tuple[str, ...]] = []
    following: PageQuery | None = page
    while following:
        listing = await list_page(following)
        assert page.n is None or len(listing.entries) <= page.n
        pages.append(listing.entries)
        following = listing.next
        if between:
            await between()
    return pages


async def pages_by_last(
    list_page: ListPage, n: int, between: BetweenPages | None = None
) -> list[tuple[str, ...]]:
    """Return every page, as a client gets them that passes the last entry of each as `last`."""
    pages: list[tuple[str, ...]] = []
    last: str | None = None
    while page := (await list_page(PageQuery(n, last))).entries:
        pages.append(page)
        last = page[-1]
        if between:
            await between()
    return pages


def joined(pages: list[tuple[str, ...]]) -> list[str]:
    """Return the entries of all pages."""
    return [entry for page in pages for entry in page]
