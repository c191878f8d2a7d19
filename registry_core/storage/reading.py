"""Objects read in pieces, the next ones fetched while one is taken."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from ..object_store.interface import UNCONDITIONAL, Condition, ObjectStore, StoredObject, if_match

PIECE = 4 * 2**20
_AHEAD = 2  # memory is bounded by (1 + _AHEAD) pieces


async def open_pieces(
    store: ObjectStore, path: str, *, offset: int, length: int, condition: Condition = UNCONDITIONAL
) -> AsyncGenerator[bytes, None]:
    """``length`` bytes from ``offset``; the first piece is there when this returns. A call a piece.

    All pieces come from the same version of the object; a change raises `ConditionFailed`.

    :raises NotFound, RangeNotSatisfiable, ConditionFailed: as `ObjectStore.get`.
    """
    first = await store.get(path, offset=offset, length=min(PIECE, length), condition=condition)
    return _pieces(store, path, first, offset=offset, length=length)


async def _pieces(
    store: ObjectStore, path: str, first: StoredObject, *, offset: int, length: int
) -> AsyncGenerator[bytes, None]:
    same = if_match(first.properties.etag)
    end = offset + length
    starts = iter(range(offset + PIECE, end, PIECE))
    ahead: list[asyncio.Task[StoredObject]] = []

    def fetch_next() -> None:
        start = next(starts, None)
        if start is not None:
            part = store.get(path, offset=start, length=min(PIECE, end - start), condition=same)
            ahead.append(asyncio.ensure_future(part))

    try:
        for _ in range(_AHEAD):
            fetch_next()
        yield first.content
        while ahead:
            piece = await ahead.pop(0)
            fetch_next()
            yield piece.content
    finally:
        for task in ahead:
            task.cancel()
        await asyncio.gather(*ahead, return_exceptions=True)
