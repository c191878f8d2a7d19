"""Reads of large objects: range by range, no further ahead than the reader keeps up."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass

from ..object_store.errors import NotFound
from ..object_store.interface import UNCONDITIONAL, Condition, ObjectStore, if_match

_log = logging.getLogger(__name__)

# Bytes that one call reads. Each is billed, so they are large; of a range of up to 4 MiB, Azurite
# also computes an MD5 in JavaScript, which takes longer than sending it.
RANGE = 8 * 2**20


async def read_pieces(
    store: ObjectStore,
    path: str,
    *,
    offset: int,
    length: int,
    size: int | None = None,
    condition: Condition = UNCONDITIONAL,
) -> AsyncGenerator[bytes, None]:
    """Read ``length`` bytes from ``offset`` of an object, a call for each `RANGE`.

    The first one has been read when this returns. All come from the same version of the object;
    where it changes, `ConditionFailed` is raised.

    :param size: the size that the object has if it is whole; None: any.
    :raises NotFound: the object does not exist, or has another size.
    :raises RangeNotSatisfiable, ConditionFailed: as `ObjectStore.get_range`.
    """
    first = await store.get_range(path, offset, min(RANGE, length), condition=condition)
    if size is not None and first.properties.size != size:
        _log.error("%s has %d bytes, not %d; push it again", path, first.properties.size, size)
        raise NotFound(f"{path} is incomplete")
    rest = range(offset + RANGE, offset + length, RANGE)
    same = if_match(first.properties.etag)

    async def read(start: int) -> Sequence[bytes]:
        wanted = min(RANGE, offset + length - start)
        return (await store.get_range(path, start, wanted, condition=same)).pieces

    return _pieces(deque(first.pieces), _ReadAhead(read, iter(rest)))


async def _pieces(pieces: deque[bytes], behind: _ReadAhead) -> AsyncGenerator[bytes, None]:
    """Yield the pieces of the first range and of those behind it.

    The next range is read once half of one has been taken, and what has been taken is forgotten: a
    slow reader holds a range and a half at most.
    """
    try:
        while pieces:
            left = sum(map(len, pieces))
            half = left // 2
            while pieces:
                if left <= half:
                    behind.begin()
                left -= len(pieces[0])
                yield pieces.popleft()
            pieces = deque(await behind.take())
    finally:
        await behind.close()


@dataclass
class _ReadAhead:
    """Ranges that are read in order, one at a time."""

    read: Callable[[int], Awaitable[Sequence[bytes]]]
    starts: Iterator[int]
    _task: asyncio.Task[Sequence[bytes]] | None = None

    def begin(self) -> None:
        """Begin to read the next range, if that has not begun and there is one."""
        if self._task is None and (start := next(self.starts, None)) is not None:
            self._task = asyncio.ensure_future(self.read(start))

    async def take(self) -> Sequence[bytes]:
        """Return the pieces of the next range; empty if there is none."""
        self.begin()
        if self._task is None:
            return ()
        pieces = await self._task
        self._task = None
        return pieces

    async def close(self) -> None:
        """Cancel what is being read."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
