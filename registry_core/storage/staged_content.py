"""Content that a client stages in storage by itself: committed, hashed by reading, published.

Whoever has the URL to stage blocks with can also write the object in other ways: its content, its
metadata, and properties such as ``Content-Encoding``, with which clients could not read it. So it
is committed here, which sets all of these, and only that version is hashed and copied, by its ETag.

REST "Put Block List": properties that the request does not set are cleared.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from weakref import WeakValueDictionary

from ..aio import off_loop
from ..object_store.errors import ConditionFailed
from ..object_store.interface import ObjectStore, if_match
from ..registry import HashingUnfinished
from ..spec.digest import Digest, Hasher
from ..spec.image_config import MAX_BYTES, ImageConfig, parse_image_config
from .content import Content
from .hash_record import HashRecord, write_hash_record
from .ranged_reads import read_pieces
from .staged_commit import StagedCommit, StagedUpload

HASH_SECONDS = 20.0
"""For how long one request hashes. What it has hashed then has to be copied as well.

containerd waits 30 s for an answer since version 2.3 (core/remotes/docker/registry.go,
"ResponseHeaderTimeout"); the front end of Azure Functions 230 s.
"""

# In bytes. Progress is recorded after so many: a request may be cut off at any time.
_RECORDED_AFTER = 2**30

# In bytes. What is larger is not copied by one call, but in pieces: see `Content.copy`.
_SLOW_TO_COPY = 2**28

_TRIES = 4


@dataclass(frozen=True)
class HashedContent:
    """A version of staged content, whose digest is known.

    ``image``: what it says if it is an image config; known only to whoever hashed it just now.
    """

    record: HashRecord
    digest: Digest
    image: ImageConfig | None = None


@dataclass
class StagedContent:
    """Staged content over the object store. ``monotonic``: like `time.monotonic`.

    ``seconds``: for how long one request hashes.
    """

    store: ObjectStore
    content: Content
    seconds: float = HASH_SECONDS
    monotonic: Callable[[], float] = time.monotonic
    _turns: WeakValueDictionary[str, asyncio.Lock] = field(
        default_factory=WeakValueDictionary, init=False
    )
    """By path: requests of this instance do not hash the same content at the same time."""

    def deadline(self) -> float:
        """Return when a request that begins now stops hashing."""
        return self.monotonic() + self.seconds

    async def take(
        self,
        upload: StagedUpload,
        block_ids: Sequence[str],
        algorithm: str,
        is_wanted: Callable[[Digest], bool],
        deadline: float,
    ) -> HashedContent:
        """Commit the blocks, hash them and, if the digest is wanted, publish them.

        :param deadline: see `_hash`.
        :raises HashingUnfinished: it has passed, or another request is about to do all this.
        :raises NotFound: a block is missing, or something else is there.
        """
        commit = StagedCommit(self.store, upload, block_ids)
        async with self._turns.setdefault(upload.path, asyncio.Lock()):
            for _ in range(_TRIES):
                record = await commit.record()
                try:
                    hashed = await self._hash(upload, record, algorithm, deadline)
                    if is_wanted(hashed.digest):
                        await self._leave_time_to_copy(upload, record, hashed, deadline)
                        await self._publish(upload, hashed)
                except ConditionFailed:  # another request has committed the blocks, too
                    continue
                return hashed
        raise HashingUnfinished

    async def _leave_time_to_copy(
        self, upload: StagedUpload, before: HashRecord, hashed: HashedContent, deadline: float
    ) -> None:
        """Leave a long copy to the next request if hashing has taken the time of this one.

        :raises HashingUnfinished: it has.
        """
        is_slow = before.digest is None and hashed.record.size > _SLOW_TO_COPY
        if is_slow and self.monotonic() >= deadline:
            await self.record(upload, hashed.record)
            raise HashingUnfinished

    async def _hash(
        self, upload: StagedUpload, record: HashRecord, algorithm: str, deadline: float
    ) -> HashedContent:
        """Hash what is left. One call for each 8 MiB, and one to record each GiB.

        :param deadline: by `monotonic`; then progress is recorded. A machine that cannot export the
            state of a hash goes on to the end.
        :raises HashingUnfinished: the deadline has passed.
        :raises NotFound: the content is gone.
        :raises ConditionFailed: it has changed.
        """
        record = record.of_algorithm(algorithm)
        if record.digest is not None:
            return HashedContent(record, record.digest)
        hasher, offset = record.resume()
        small = bytearray() if offset == 0 and record.size <= MAX_BYTES else None
        async with aclosing(self._pieces(upload, record, offset)) as pieces:
            async for piece in pieces:
                await off_loop(len(piece), hasher.update, piece)
                offset += len(piece)
                if small is not None:
                    small += piece
                if offset < record.size:
                    record = await self._pause(upload, record, hasher, offset, deadline)
        record = replace(record, offset=offset, state=None, digest=hasher.digest())
        return HashedContent(record, hasher.digest(), parse_image_config(small or b""))

    async def _pieces(
        self, upload: StagedUpload, record: HashRecord, offset: int
    ) -> AsyncGenerator[bytes, None]:
        """Yield the content from ``offset``, as long as it is the version of the record."""
        if offset >= record.size:
            return
        pieces = await read_pieces(
            self.store,
            upload.path,
            offset=offset,
            length=record.size - offset,
            condition=if_match(record.etag),
        )
        async with aclosing(pieces):
            async for piece in pieces:
                yield piece

    async def _pause(
        self, upload: StagedUpload, record: HashRecord, hasher: Hasher, offset: int, deadline: float
    ) -> HashRecord:
        """Record progress when that is due; stop when the deadline has passed.

        :raises HashingUnfinished: it has.
        """
        is_late = self.monotonic() >= deadline
        if not is_late and offset - record.offset < _RECORDED_AFTER:
            return record
        state = hasher.export_state()
        if state is None:
            return record
        record = await self.record(upload, replace(record, offset=offset, state=state))
        if is_late:
            raise HashingUnfinished
        return record

    async def record(self, upload: StagedUpload, record: HashRecord) -> HashRecord:
        """Store a record, unless another request has stored one meanwhile. One call."""
        return await write_hash_record(self.store, upload.record, record) or record

    async def _publish(self, upload: StagedUpload, hashed: HashedContent) -> None:
        """Copy the content to its address.

        :raises NotFound: it is gone.
        :raises ConditionFailed: it has changed.
        """
        record = hashed.record
        if not await self.content.copy(hashed.digest, upload.path, record.size, record.etag):
            raise ConditionFailed(upload.path)

    async def discard(self, upload: StagedUpload, record: HashRecord) -> None:
        """Delete the content, if it is still this version, and its record. One call or two."""
        await self.content.discard(upload.path, record.etag)
        if record.version is not None:
            await self.content.discard(upload.record, record.version)
