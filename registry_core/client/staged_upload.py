"""A blob's bytes staged straight to storage: in blocks, several at a time, each repeatable.

Source: REST "Put Block".
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import time
from base64 import b64encode
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from http import HTTPStatus
from types import TracebackType
from typing import Final, Self

from ..aio import Budget
from ..spec.digest import Buffer
from ..spec.errors import Denied, RegistryError, SizeInvalid, Unavailable
from ..spec.staging import MAX_BLOCKS, Staging
from .errors import PeerUnavailable
from .session import Session

MIB: Final = 2**20
MIN_BLOCK: Final = 8 * MIB
MAX_BLOCK: Final = 64 * MIB
"""The least and the most bytes of a block, except for the last one."""

PARALLEL: Final = 4
"""The blocks of one upload that are under way at the same time."""

# A blob is cut into so many blocks, as far as the bounds of a block allow.
_BLOCKS_WANTED = 512

Renew = Callable[[], Awaitable[Staging | None]]


class StorageFailed(Unavailable):
    """Storage has not taken a block. ``status``: that of its last answer."""

    def __init__(self, status: int) -> None:
        public = f"storage answered with status {status} to a block of the content; push again"
        super().__init__(public, public=public)


def block_length(size: int) -> int:
    """Return how many bytes a block has in a blob of ``size`` bytes, or of so many up to now."""
    return min(max(size // _BLOCKS_WANTED, MIN_BLOCK), MAX_BLOCK)


class BlockStager:
    """Stages what is added, in blocks; an async context manager that ends what is under way.

    ```
    async with BlockStager(storage, staging, renew, size=size) as stager:
        async for piece in body:
            await stager.add(piece)
        blocks = await stager.finish()
    ```

    Holds ``parallel`` blocks in memory, and the one that is being filled. What has been staged
    without being finished stays in storage until the upload is cancelled, or for a week.
    """

    def __init__(
        self,
        storage: Session,
        staging: Staging,
        renew: Renew,
        *,
        size: int | None = None,
        parallel: int = PARALLEL,
        largest: int = MAX_BLOCK,
        budget: Budget | None = None,
    ) -> None:
        """Stage nothing yet.

        :param storage: sends the blocks; without credentials, which the staging's URL has.
        :param staging: where to; see `Stager.open_staging`.
        :param renew: returns the staging with more time: `Stager.open_staging` again.
        :param size: the size of the blob in bytes, if known: it decides the size of blocks.
        :param parallel: the most blocks that are under way at the same time.
        :param largest: the most bytes of a block.
        :param budget: bounds the bytes under way together with those of other uploads.
        """
        self._storage = storage
        self._use(staging)
        self._renew = renew
        self._size = size
        self._parallel = parallel
        self._largest = largest
        self._budget = budget
        self._renewal = asyncio.Lock()
        self._block = bytearray()
        self._blocks = 0
        self._added = 0
        self._under_way: set[asyncio.Task[None]] = set()

    @property
    def blocks(self) -> int:
        """The number of blocks up to now, those under way included."""
        return self._blocks

    @property
    def held(self) -> int:
        """The bytes that wait for more to fill a block."""
        return len(self._block)

    async def add(self, data: Buffer) -> None:
        """Add the next bytes, however many. Waits while as many blocks as allowed are under way.

        :raises Unavailable: a block could not be staged.
        :raises Denied: storage refuses the client, such as by its firewall.
        :raises SizeInvalid: the blob has more blocks than an upload may have.
        """
        view = memoryview(data).cast("B")
        while view:
            room = self._block_length - len(self._block)
            self._block += view[:room]
            self._added += len(view[:room])
            view = view[room:]
            if len(self._block) >= self._block_length:
                await self._send()

    async def settle(self) -> None:
        """Wait until no block is under way.

        :raises Unavailable, Denied: as `add`.
        """
        while self._under_way:
            await self._wait_for_one()

    async def finish(self) -> int:
        """Stage what is left, wait for all blocks, and return their number: at least 1.

        :raises Unavailable, Denied, SizeInvalid: as `add`.
        """
        if self._block or not self._blocks:
            await self._send()
        await self.settle()
        return self._blocks

    async def abort(self) -> None:
        """Cancel what is under way."""
        tasks, self._under_way = self._under_way, set()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._block.clear()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.abort()

    @property
    def _block_length(self) -> int:
        return min(block_length(self._size or self._added), self._largest)

    async def _send(self) -> None:
        """Begin to stage the block that is filled."""
        if self._blocks == MAX_BLOCKS:
            raise SizeInvalid(f"the blob has more than {MAX_BLOCKS} blocks")
        while len(self._under_way) >= self._parallel:
            await self._wait_for_one()
        budget, size = self._budget, len(self._block)
        if budget is not None:
            await budget.take(size)
        content, self._block = bytes(self._block), bytearray()
        index, self._blocks = self._blocks, self._blocks + 1
        task = asyncio.create_task(self._stage(index, content))
        if budget is not None:
            task.add_done_callback(lambda _: budget.give_back(size))
        self._under_way.add(task)

    async def _wait_for_one(self) -> None:
        done, self._under_way = await asyncio.wait(
            self._under_way, return_when=asyncio.FIRST_COMPLETED
        )
        failures = [error for task in done if (error := task.exception())]
        if failures:
            raise failures[0]

    async def _stage(self, index: int, content: bytes) -> None:
        # Without an MD5, storage computes a checksum of its own, which costs Azurite two thirds of
        # its throughput; with one, damage on the way is noticed at once.
        md5 = await asyncio.to_thread(hashlib.md5, content, usedforsecurity=False)
        headers = {"Content-MD5": b64encode(md5.digest()).decode()}
        staging = await self._valid_staging()
        try:
            await self._put(staging.block_url(index), content, headers)
        except Denied:
            # The signature may have expired by a clock that differs, or its key been replaced.
            staging = await self._renewed(staging)
            await self._put(staging.block_url(index), content, headers)

    async def _put(self, url: str, content: bytes, headers: dict[str, str]) -> None:
        request = self._storage.request(
            "PUT",
            url,
            headers=headers,
            body=content,
            ok=(HTTPStatus.CREATED,),
            redirects=False,
            scopes=(),
            retry=True,
        )
        try:
            async with request:
                return
        except PeerUnavailable:
            raise  # it names its peer
        except RegistryError as error:
            status = error.http_status
            if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
                text = f"storage refuses to take content from this client (status {status})"
                raise Denied(text, status=status) from error
            raise StorageFailed(status) from error

    def _use(self, staging: Staging) -> None:
        self._staging = staging
        left = (staging.expires - datetime.now(UTC)).total_seconds()
        # By a clock that is far ahead of the registry's, the staging has expired. Then storage
        # knows better, which refuses what has.
        self._renewed_at = time.monotonic() + left / 2 if left > 0 else math.inf

    async def _valid_staging(self) -> Staging:
        staging = self._staging
        return staging if time.monotonic() < self._renewed_at else await self._renewed(staging)

    async def _renewed(self, old: Staging) -> Staging:
        """Return the staging that replaces ``old``: one renewal serves all blocks that wait for it.

        :raises Unavailable: the registry does not offer staging any more.
        """
        async with self._renewal:
            if self._staging is old:
                renewed = await self._renew()
                if renewed is None:
                    raise Unavailable("the registry does not offer staging any more; push again")
                self._use(renewed)
            return self._staging
