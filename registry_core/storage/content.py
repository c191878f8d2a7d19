"""Content at its address: nothing is written there before its hash is known.

Finding content there already is never an error, since it hashes to the same address. Only its size
is checked: another registry, which writes in two steps, may have been cut off between them.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from ..aio import SharedReads, off_loop
from ..caches import Cache
from ..object_store.interface import (
    IF_ABSENT,
    UNCONDITIONAL,
    BlockListInvalid,
    Condition,
    ConditionFailed,
    NotFound,
    ObjectStore,
    StoreRefused,
    TooLarge,
    WrongKind,
    delete_if,
    if_match,
)
from ..registry import Chunk
from ..spec.digest import Buffer, Digest, new_hasher
from ..spec.errors import DigestInvalid, Unavailable
from ..spec.manifest import MAX_MANIFEST_BYTES
from .ingest import Budget, Ingested, ingest
from .layout import Layout
from .links import REREAD_DELAYS

_log = logging.getLogger(__name__)

MANIFEST_CACHE_BYTES = 32 * 2**20

# Bytes that one call reads. Each is billed, so they are large; of a range of up to 4 MiB, Azurite
# also computes an MD5 in JavaScript, which takes longer than sending it.
RANGE = 8 * 2**20

_TRIES = 3

# The usual cause: a client that sends the digest to the first Location, not to that of its PATCH.
_EMPTY = "no content arrived; after a PATCH, continue at the Location of its answer"


@dataclass
class Content:
    """The content of all repositories, by digest. ``manifests`` caches that of manifests."""

    store: ObjectStore
    layout: Layout = field(default_factory=Layout)
    manifests: Cache[Digest, bytes] = field(
        default_factory=lambda: Cache(capacity=MANIFEST_CACHE_BYTES, size_of=len)
    )

    def __post_init__(self) -> None:
        self._reads = SharedReads(self._read_manifest)

    async def read_manifest(self, digest: Digest) -> bytes:
        """Return the content of a manifest. One call, none if cached; concurrent readers share it.

        :raises NotFound: it is missing, incomplete or damaged, or too large to be a manifest.
        """
        known = self.manifests.get(digest)
        return await self._reads.get(digest) if known is None else known

    async def _read_manifest(self, digest: Digest) -> bytes:
        known = self.manifests.get(digest)
        if known is not None:  # read meanwhile
            return known
        path = self.layout.content(digest)
        try:
            content = (await self.store.get(path, limit=MAX_MANIFEST_BYTES)).content
        except TooLarge as error:
            _log.warning("%s is too large to be a manifest", path)
            raise NotFound(f"{path} is not a manifest") from error
        actual = await off_loop(len(content), Digest.of, content, digest.algorithm)
        if actual != digest:
            _log.error("%s does not hash to its address; push it again", path)
            raise NotFound(f"{path} is damaged")
        self.manifests.put(digest, content)
        return content

    async def put_manifest(self, digest: Digest, content: bytes) -> None:
        """Write the content of a manifest, and cache it. One call, two if it is there already."""
        await self.put(digest, content)
        self.manifests.put(digest, content)

    async def put(self, digest: Digest, content: Buffer) -> None:
        """Write content that hashes to ``digest``. One call, two if it is there already."""
        path = self.layout.content(digest)
        size = memoryview(content).nbytes
        for _ in range(_TRIES):
            try:
                await self.store.put(path, content, condition=IF_ABSENT)
            except (ConditionFailed, WrongKind):
                if not await self.is_whole(digest, size):
                    continue
            except StoreRefused:
                if not await self.is_whole(digest, size):
                    raise
            return
        raise Unavailable(f"{digest} is being written by another registry; try again")

    async def receive(self, digest: Digest, chunk: Chunk, budget: Budget) -> Ingested:
        """Stage all of the content at its address, and commit it once its hash is known.

        One call if it fits in one block, else one for each block and one more.

        :raises DigestInvalid: the content does not hash to ``digest``.
        :raises SizeInvalid: it does not have the length that was announced.
        """
        hasher = new_hasher(digest.algorithm)
        path = self.layout.content(digest)
        got = await ingest(self.store, path, chunk, hasher, budget)
        if hasher.digest() != digest:
            raise DigestInvalid(
                f"the content's digest is {hasher.digest()}, not {digest}" if got.size else _EMPTY
            )
        if got.single is not None:
            await self.put(digest, got.single)
            return got
        try:
            await self.store.commit(path, got.block_ids, condition=IF_ABSENT)
        except (ConditionFailed, WrongKind, BlockListInvalid):
            # There already: another upload was quicker, and its commit dropped our blocks.
            if not await self.is_whole(digest, got.size):
                if got.refusal:
                    raise got.refusal from None
                raise Unavailable("storage has lost staged blocks; push the blob again") from None
        except StoreRefused:
            if not await self.is_whole(digest, got.size):
                raise
        return got

    async def copy(self, digest: Digest, source: str, size: int, etag: str | None) -> bool:
        """Copy content that is known to be at ``source``. False if that has another ETag by now.

        :raises NotFound: nothing is at ``source``.
        """
        condition = IF_ABSENT
        for _ in range(_TRIES):
            try:
                await self.store.copy(
                    self.layout.content(digest),
                    source,
                    size=size,
                    source_etag=etag,
                    metadata={"digest": str(digest)},  # else the source's would be copied
                    condition=condition,
                )
            except (ConditionFailed, WrongKind):
                if not await self.is_whole(digest, size):
                    # It was there in part, and is deleted now; or the source has changed; or
                    # another upload has staged blocks, which storage may take for an object.
                    condition = UNCONDITIONAL
                    continue
            except StoreRefused:
                if not await self.is_whole(digest, size):
                    raise
            return True
        return False

    async def hash(self, path: str, size: int, algorithm: str, etag: str | None) -> Digest:
        """Return the digest of ``size`` bytes that are stored at ``path``, by reading them.

        :raises NotFound, ConditionFailed: they are gone, or do not have the ETag (any more).
        """
        hasher = new_hasher(algorithm)
        condition = if_match(etag) if etag else UNCONDITIONAL
        pieces = await read_pieces(self.store, path, offset=0, length=size, condition=condition)
        async with aclosing(pieces):
            async for piece in pieces:
                await off_loop(len(piece), hasher.update, piece)
        return hasher.digest()

    async def is_whole(self, digest: Digest, size: int) -> bool:
        """Return whether the content is there. What stays there in part is deleted.

        One call, unless it is there in part: then another registry may be about to complete it.
        """
        path = self.layout.content(digest)
        try:
            for delay in (*REREAD_DELAYS, None):
                found = await self.store.head(path)
                if found.size == size:
                    return True
                if delay is not None:
                    await asyncio.sleep(delay)
        except NotFound:
            return False
        await delete_if(self.store, path, if_match(found.etag))
        return False


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
