"""Tags and the catalog as clients go through them, over a store of the test's own."""

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

LAYOUT = Layout()
DIGEST = Digest.of(b"{}")

Ask = Callable[[PageQuery], Awaitable[Listing[str]]]
BetweenPages = Callable[[], Awaitable[None]]


class FromTheBeginning(MemoryStore):
    """A store that does not know `start_from`, as Azure's before its version of 2026-02-06."""

    async def list_page(self, prefix: str, **options: Any) -> Page:
        return await super().list_page(prefix, **(options | {"start_from": None}))


class Exacting(MemoryStore):
    """A store that takes no `start_from` but one which could be a path of the registry's."""

    async def list_page(self, prefix: str, **options: Any) -> Page:
        start = options.get("start_from")
        assert start is None or re.fullmatch(r"[\w./~-]{1,1024}", start, re.ASCII)
        return await super().list_page(prefix, **options)


async def put_tag(store: ObjectStore, tag: str) -> None:
    """As a push does."""
    await store.put(LAYOUT.tag_index_link("r", tag, DIGEST), str(DIGEST).encode())
    await store.put(LAYOUT.tag_link("r", tag), str(DIGEST).encode())


async def put_revision(store: ObjectStore) -> None:
    """What makes the repository known, tags or no tags."""
    await store.put(LAYOUT.revision_link("r", DIGEST), str(DIGEST).encode())


def tags_of(store: ObjectStore) -> Ask:
    registry = StoredRegistry(store)

    async def names(page: PageQuery) -> Listing[str]:
        listing = await registry.list_tags("r", page)
        return Listing(tuple(tag.name for tag in listing.entries), listing.next)

    return names


def catalog_of(store: ObjectStore) -> Ask:
    return Catalog(store).list_repositories


async def pages_by_link(
    ask: Ask, page: PageQuery, between: BetweenPages | None = None
) -> list[tuple[str, ...]]:
    """Every page, as a client sees them that follows the links."""
    pages: list[tuple[str, ...]] = []
    following: PageQuery | None = page
    while following:
        listing = await ask(following)
        assert page.n is None or len(listing.entries) <= page.n
        pages.append(listing.entries)
        following = listing.next
        if between:
            await between()
    return pages


async def pages_by_last(
    ask: Ask, n: int, between: BetweenPages | None = None
) -> list[tuple[str, ...]]:
    """Every page, as a client sees them that asks for what comes behind the last entry it got."""
    pages: list[tuple[str, ...]] = []
    last: str | None = None
    while page := (await ask(PageQuery(n, last))).entries:
        pages.append(page)
        last = page[-1]
        if between:
            await between()
    return pages


def joined(pages: list[tuple[str, ...]]) -> list[str]:
    return [entry for page in pages for entry in page]
