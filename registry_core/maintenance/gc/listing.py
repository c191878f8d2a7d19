"""Listings that can be continued later, one page after another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from ...object_store.interface import ObjectStore
from ...storage.layout_parse import parse_path
from ..walk import ListedObject

# How many rows are parsed between two turns of the event loop: a few milliseconds.
_TURN = 250


async def list_objects(
    store: ObjectStore, prefix: str, *, after: str = ""
) -> AsyncIterator[list[ListedObject]]:
    """Yield the objects under ``prefix``, with their metadata, behind ``after``, page by page.

    One call for each page, of up to 5,000 objects.

    :raises StoreUnavailable, ContinuationInvalid: the listing ends early.
    """
    continuation: str | None = None
    is_first = True
    while is_first or continuation is not None:
        page = await store.list_page(
            prefix,
            metadata=True,
            start_from=after if is_first and after.startswith(prefix) else None,
            continuation=continuation,
        )
        is_first, continuation = False, page.continuation
        rows: list[ListedObject] = []
        for number, entry in enumerate(page.entries, 1):
            # Without folders and uncommitted blocks every row is an object. A store may ignore
            # where the listing is to start.
            if entry.properties is not None and entry.path > after:
                rows.append(ListedObject(entry.path, parse_path(entry.path), entry.properties))
            if number % _TURN == 0:
                await asyncio.sleep(0)
        yield rows
