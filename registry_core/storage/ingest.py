"""Ingestion: content is received, hashed and staged at the same time, in bounded memory.

Sources: REST "Put Block" (block ids of one blob are equally long) and "Scalability targets for Blob
storage" (50,000 committed blocks).
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..aio import Budget, off_loop
from ..object_store.errors import BlocksRefused, StoreRefused, WrongKind
from ..object_store.interface import ObjectStore
from ..registry import Chunk
from ..spec.digest import Hasher
from ..spec.errors import SizeInvalid
from ..spec.staging import MAX_BLOCKS, block_id

BLOCK = 8 * 2**20
_LARGE_BLOCK = 64 * 2**20
_LARGE_FROM = 30_000 * BLOCK  # bytes: 234 GiB, and 20,000 larger blocks make 1.4 TiB
# Each request of an upload reads and writes the list of its blocks: many tiny ones would cost more
# than they bring.
ANY_SIZE = 1000
"""How many blocks of an upload may be of any size."""
LEAST_BLOCK = 512 * 2**10
"""Bytes: the average size of an upload's blocks, if they are more."""
_IN_FLIGHT = 4
GROWS_TO = 2**20  # bytes


@dataclass(frozen=True)
class Ingested:
    """``size`` bytes: in ``single`` if they fitted in one block; else ``block_ids`` are staged.

    They are staged at ``path``; None if nothing was staged, because the content is there already.
    ``refusal`` says why storage refused to stage some of them: a commit will fail. ``received`` is
    when all had arrived, by the clock of `Content`, where that says it.
    """

    size: int
    single: bytearray | None
    path: str | None = None
    block_ids: Sequence[str] = ()
    refusal: StoreRefused | None = None
    received: float = 0.0


def block_size(offset: int) -> int:
    """Return the bytes of the block at ``offset``: they grow, so that 50,000 suffice.

    They depend on what has arrived, not on the number of blocks: many tiny ones make none large.
    """
    return BLOCK if offset < _LARGE_FROM else _LARGE_BLOCK


def new_nonce() -> str:
    """Return a prefix for the ids of one request's blocks, which no other request has."""
    return secrets.token_hex(8)


ChoosePath = Callable[[], Awaitable[str | None]]
"""Returns the path where blocks are staged; None if the content is there already."""


@dataclass(frozen=True)
class Target:
    """Where content goes that does not fit in one block.

    ``choose`` is called when the first block is full, while the next one is received. Blocks that
    are refused where it says, because of blocks that other uploads have left there, are staged at
    ``instead``, if there is such a path.
    """

    choose: ChoosePath
    instead: str | None = None

    @classmethod
    def at(cls, path: str) -> Target:
        """The target of blocks that have only one place."""

        async def choose() -> str:
            return path

        return cls(choose)


async def ingest(
    store: ObjectStore,
    target: Target,
    chunk: Chunk,
    hasher: Hasher | None,
    budget: Budget,
    *,
    first_block: int = 0,
    offset: int = 0,
) -> Ingested:
    """Receive a chunk. What does not fit in one block is staged at the target, uncommitted.

    :param hasher: takes the content, in order; None where it cannot be hashed now.
    :param first_block: how many blocks the object has already; with any, even one block is staged.
    :param offset: how many bytes these have.
    :raises SizeInvalid: the chunk does not have the length that was announced, or takes too many
        blocks, or ones that are too small.
    """
    stager = _Stager(store, target, hasher, budget, first_block, offset)
    try:
        buffer, size = await _receive(chunk, stager)
        _check_length(chunk, size, complete=True)
        if stager.index == 0:
            await _hash(hasher, buffer)
            return Ingested(size, buffer)
        if buffer:
            await stager.stage(buffer)
        return await stager.finish(size)
    except BaseException:
        await stager.abort()
        raise


async def _receive(chunk: Chunk, stager: _Stager) -> tuple[bytearray, int]:
    """Hand full blocks to the stager; return the last, incomplete one, and the size of all."""
    block, size = ReceivedBlock(block_size(stager.offset)), 0
    async for piece in chunk.body:
        size += len(piece)
        _check_length(chunk, size, complete=False)
        rest = block.add(memoryview(piece))
        while rest:
            await stager.stage(block.content())
            block = ReceivedBlock(block_size(stager.offset))
            rest = block.add(rest)
    return block.content(), size


class ReceivedBlock:
    """A block that is being received.

    A large one is allocated whole: a buffer that grows piece by piece is copied again and again,
    megabytes at a time, which holds the event loop.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self.buffer = bytearray()
        self._filled = 0

    def add(self, piece: memoryview) -> memoryview:
        """Take as much as there is room for; return the rest."""
        piece, rest = piece[: self._size - self._filled], piece[self._size - self._filled :]
        end = self._filled + len(piece)
        if end > len(self.buffer):
            self._grow(end)
        self.buffer[self._filled : end] = piece
        self._filled = end
        return rest

    def _grow(self, needed: int) -> None:
        """Make room for small contents bit by bit, for a large one at once."""
        if needed <= GROWS_TO:
            self.buffer += bytes(needed - len(self.buffer))
            return
        whole = bytearray(self._size)
        whole[: self._filled] = self.buffer[: self._filled]
        self.buffer = whole

    def content(self) -> bytearray:
        """Return what has arrived; nothing can be added any more."""
        del self.buffer[self._filled :]
        return self.buffer


def _check_length(chunk: Chunk, size: int, *, complete: bool) -> None:
    if chunk.length is None or size == chunk.length or (size < chunk.length and not complete):
        return
    raise SizeInvalid(f"{chunk.length} bytes were announced, {size} or more arrived")


async def _hash(hasher: Hasher | None, content: bytearray) -> None:
    if hasher is not None:
        await off_loop(len(content), hasher.update, content)


def _md5(content: bytearray) -> bytes:
    return hashlib.md5(content, usedforsecurity=False).digest()


@dataclass
class _Stager:
    """Hashes blocks in order and stages them in parallel.

    ``index`` is the number of the next block, ``offset`` where it begins.
    """

    store: ObjectStore
    target: Target
    hasher: Hasher | None
    budget: Budget
    index: int
    offset: int
    _refusal: StoreRefused | None = None
    _path: asyncio.Future[str | None] | None = None
    _nonce: str = field(default_factory=new_nonce)
    _ids: list[str] = field(default_factory=list)
    _staged_instead: int = 0
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _order: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def stage(self, content: bytearray) -> None:
        """Begin to stage a block; return as soon as there is room for the next one.

        :raises SizeInvalid: there are too many blocks, or too small ones.
        """
        size = len(content)
        self._check_number(size)
        if self._path is None:
            self._path = asyncio.ensure_future(self.target.choose())
        while len(self._tasks) >= _IN_FLIGHT:
            await self._wait(asyncio.FIRST_COMPLETED)
        await self.budget.take(size)
        name = block_id(self._nonce, self.index)
        task = asyncio.ensure_future(self._stage(name, content, self._path))
        task.add_done_callback(lambda _: self.budget.give_back(size))
        self._tasks.add(task)
        self._ids.append(name)
        self.index += 1
        self.offset += size

    def _check_number(self, size: int) -> None:
        if self.index >= MAX_BLOCKS:
            raise SizeInvalid(f"an upload takes at most {MAX_BLOCKS} pieces; send larger ones")
        is_small = size < LEAST_BLOCK and self.offset < self.index * LEAST_BLOCK
        if is_small and self.index >= ANY_SIZE:
            raise SizeInvalid(
                f"after {ANY_SIZE} chunks an upload takes only chunks that have {LEAST_BLOCK} "
                "bytes on average; send larger ones"
            )

    async def _stage(
        self, name: str, content: bytearray, choice: asyncio.Future[str | None]
    ) -> None:
        async with self._order:  # a lock is fair: blocks are hashed in order
            await _hash(self.hasher, content)
        path = await choice
        if path is None or self._refusal:
            return
        md5 = await asyncio.to_thread(_md5, content)
        try:
            await self._stage_at(path, name, content, md5)
        except StoreRefused as error:
            self._refusal = error  # the content may be there already, archived or immutable

    async def _stage_at(self, path: str, name: str, content: bytearray, md5: bytes) -> None:
        try:
            await self.store.stage(path, name, content, md5=md5)
        except WrongKind:
            return  # complete as an append blob already: the commit finds out
        except BlocksRefused:
            if self.target.instead is None:
                raise
            await self.store.stage(self.target.instead, name, content, md5=md5)
            self._staged_instead += 1

    async def finish(self, size: int) -> Ingested:
        """Wait until all blocks are staged, and return where the ``size`` bytes are."""
        while self._tasks:
            await self._wait(asyncio.ALL_COMPLETED)
        path = await self._path if self._path else None
        if path is None:
            return Ingested(size, None)
        if self._staged_instead == len(self._ids):
            path = self.target.instead
        return Ingested(size, None, path, self._ids, self._refusal)

    async def _wait(self, when: str) -> None:
        done, self._tasks = await asyncio.wait(self._tasks, return_when=when)
        failures = [error for task in done if (error := task.exception())]
        if failures:  # each was retrieved, or asyncio would report it as never retrieved
            raise failures[0]

    async def abort(self) -> None:
        """Cancel what is in flight. Storage drops staged blocks after a week."""
        tasks: list[asyncio.Future[Any]] = [*self._tasks, *([self._path] if self._path else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
