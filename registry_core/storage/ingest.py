"""Ingestion: content is received, hashed and staged at the same time, in bounded memory.

Sources: REST "Put Block" (block ids of one blob are equally long) and "Scalability targets for Blob
storage" (50,000 committed blocks).
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..aio import off_loop
from ..object_store.interface import ObjectStore, StoreRefused, WrongKind
from ..registry import Chunk
from ..spec.digest import Hasher
from ..spec.errors import SizeInvalid

BLOCK = 8 * 2**20
_LARGE_BLOCK = 64 * 2**20
_LARGE_FROM = 30_000  # 234 GiB in blocks, and 20,000 larger ones make 1.4 TiB
MAX_BLOCKS = 50_000
_IN_FLIGHT = 4
GROWS_TO = 2**20  # bytes


@dataclass
class Budget:
    """The number of blocks that all uploads of a process may have in flight together.

    A block that is still being received does not count, so slow clients do not hold up others.
    """

    blocks: int = 16
    _free: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self._free = asyncio.Semaphore(self.blocks)

    async def take(self) -> None:
        """Wait until one more block may be in flight."""
        await self._free.acquire()

    def give_back(self) -> None:
        """Return what `take` took."""
        self._free.release()


@dataclass(frozen=True)
class Ingested:
    """``size`` bytes: in ``single`` if they fitted in one block; else ``block_ids`` are staged.

    ``refusal`` says why storage refused to stage some of them: a commit will fail.
    """

    size: int
    single: bytearray | None
    block_ids: Sequence[str] = ()
    refusal: StoreRefused | None = None


def block_size(index: int) -> int:
    """Return the bytes of an object's block number ``index``: they grow, so that 50,000 suffice."""
    return BLOCK if index < _LARGE_FROM else _LARGE_BLOCK


def new_nonce() -> str:
    """Return a prefix for the ids of one request's blocks, which no other request has."""
    return secrets.token_hex(8)


def block_id(nonce: str, index: int) -> str:
    """Return the id of an object's block number ``index``."""
    return f"{nonce}-{index:06d}"


async def ingest(
    store: ObjectStore,
    path: str,
    chunk: Chunk,
    hasher: Hasher | None,
    budget: Budget,
    *,
    first_block: int = 0,
) -> Ingested:
    """Receive a chunk. What does not fit in one block is staged at ``path``, uncommitted.

    :param hasher: takes the content, in order; None where it cannot be hashed now.
    :param first_block: how many blocks the object has already; with any, even one block is staged.
    :raises SizeInvalid: the chunk does not have the length that was announced, or takes too many
        blocks.
    """
    stager = _Stager(store, path, hasher, budget, first_block)
    try:
        buffer, size = await _receive(chunk, stager)
        _check_length(chunk, size, complete=True)
        if stager.index == 0:
            await _hash(hasher, buffer)
            return Ingested(size, buffer)
        if buffer:
            await stager.stage(buffer)
        return Ingested(size, None, await stager.finish(), stager.refusal)
    except BaseException:
        await stager.abort()
        raise


async def _receive(chunk: Chunk, stager: _Stager) -> tuple[bytearray, int]:
    """Hand full blocks to the stager; return the last, incomplete one, and the size of all."""
    block, size = ReceivedBlock(block_size(stager.index)), 0
    async for piece in chunk.body:
        size += len(piece)
        _check_length(chunk, size, complete=False)
        rest = block.add(memoryview(piece))
        while rest:
            await stager.stage(block.content())
            block = ReceivedBlock(block_size(stager.index))
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
    """Hashes blocks in order and stages them in parallel."""

    store: ObjectStore
    path: str
    hasher: Hasher | None
    budget: Budget
    index: int
    refusal: StoreRefused | None = None
    _nonce: str = field(default_factory=new_nonce)
    _ids: list[str] = field(default_factory=list)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _order: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def stage(self, content: bytearray) -> None:
        """Begin to stage a block; return as soon as there is room for the next one."""
        if self.index >= MAX_BLOCKS:
            raise SizeInvalid(f"an upload takes at most {MAX_BLOCKS} pieces; send larger ones")
        while len(self._tasks) >= _IN_FLIGHT:
            await self._wait(asyncio.FIRST_COMPLETED)
        await self.budget.take()
        name = block_id(self._nonce, self.index)
        task = asyncio.ensure_future(self._stage(name, content))
        task.add_done_callback(lambda _: self.budget.give_back())
        self._tasks.add(task)
        self._ids.append(name)
        self.index += 1

    async def _stage(self, name: str, content: bytearray) -> None:
        async with self._order:  # a lock is fair: blocks are hashed in order
            await _hash(self.hasher, content)
        md5 = await asyncio.to_thread(_md5, content)
        try:
            await self.store.stage(self.path, name, content, md5=md5)
        except WrongKind:
            return  # complete as an append blob already: the commit finds out
        except StoreRefused as error:
            self.refusal = error  # the content may be there already, archived or immutable

    async def finish(self) -> Sequence[str]:
        """Wait until all blocks are staged, and return their ids."""
        while self._tasks:
            await self._wait(asyncio.ALL_COMPLETED)
        return self._ids

    async def _wait(self, when: str) -> None:
        done, self._tasks = await asyncio.wait(self._tasks, return_when=when)
        failures = [error for task in done if (error := task.exception())]
        if failures:  # each was retrieved, or asyncio would report it as never retrieved
            raise failures[0]

    async def abort(self) -> None:
        """Cancel what is in flight. Storage drops staged blocks after a week."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
