"""Content at its address: nothing is written there before its hash is known.

Finding content there already is never an error, since it hashes to the same address. Its size is
checked: another registry, which writes in two steps, may have been cut off between them. Content
that is in memory whole is compared, too, and written anew if what is stored is damaged.

Storage may say that something is there while nothing can be read: another put is under way, or an
upload that was refused or cut off has left blocks. Then the content is written without a condition:
what is known to hash to the address can overwrite nothing but itself.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass, field, replace

from ..aio import Budget, SharedReads, off_loop
from ..caches import Cache, boot_time
from ..object_store.errors import (
    BlockListInvalid,
    ConditionFailed,
    NotFound,
    StoreRefused,
    StoreUnavailable,
    TooLarge,
    WrongKind,
)
from ..object_store.interface import (
    IF_ABSENT,
    UNCONDITIONAL,
    Condition,
    ObjectStore,
    StoredObject,
    delete_if,
    if_match,
)
from ..registry import Chunk
from ..spec.digest import Buffer, Digest, new_hasher
from ..spec.errors import DigestInvalid, Unavailable
from ..spec.manifest import MAX_MANIFEST_BYTES
from .condemnation import observe, pardon
from .ingest import Ingested, Target, block_size, ingest
from .layout import Layout
from .links import REREAD_DELAYS
from .ranged_reads import read_pieces

_log = logging.getLogger(__name__)

MANIFEST_CACHE_BYTES = 32 * 2**20

# In bytes. Every manifest and config is compared with what is stored already, not only its size.
_COMPARED = MAX_MANIFEST_BYTES

# In bytes. Larger copies take a call for each piece (`ObjectStore.copy`).
_COPIED_AT_ONCE = 256 * 2**20

# In seconds. Incomplete content that has not changed for so long was left by a writer cut off.
_ABANDONED = 60.0

_TRIES = 3

# The usual cause: a client that sends the digest to the first Location, not to that of its PATCH.
_EMPTY = "no content arrived; after a PATCH, continue at the Location of its answer"


@dataclass
class Content:
    """The content of all repositories, by digest. ``manifests`` caches that of manifests.

    ``now``: Unix time. ``clock``: that of `Membership`.

    What is found to be there already is observed: see `condemnation`.
    """

    store: ObjectStore
    layout: Layout = field(default_factory=Layout)
    manifests: Cache[Digest, bytes] = field(
        default_factory=lambda: Cache(capacity=MANIFEST_CACHE_BYTES, size_of=len)
    )
    now: Callable[[], float] = time.time
    clock: Callable[[], float] = boot_time

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
        """Write content that hashes to ``digest``. One call, two if it is there already.

        :raises Unavailable: another registry is writing it.
        """
        path, size = self.layout.content(digest), memoryview(content).nbytes
        condition = IF_ABSENT
        for _ in range(_TRIES):
            try:
                await self.store.put(path, content, condition=condition)
            except (ConditionFailed, WrongKind):
                write = await self._settle(await self._compare(digest, content), digest, size)
                if write is None:
                    return
                condition = write
            except StoreRefused:
                if await self._compare(digest, content) is not None:
                    raise
                return
            else:
                return
        raise _contended(digest)

    async def receive(
        self, digest: Digest, chunk: Chunk, budget: Budget, *, instead: str
    ) -> Ingested:
        """Stage all of the content at its address, and commit it once its hash is known.

        One call if it fits in one block. Else one that looks whether it is there; if not, one for
        each block and one more. Blocks that cannot be staged at the address are staged at the path
        ``instead`` and copied, in two calls more.

        :raises DigestInvalid: the content does not hash to ``digest``.
        :raises SizeInvalid: it does not have the length that was announced.
        """
        hasher = new_hasher(digest.algorithm)
        path = self.layout.content(digest)

        async def choose() -> str | None:
            try:
                found = await self.store.head(path)
            except NotFound:
                return path
            is_plausible = (
                found.size > block_size(0) if chunk.length is None else found.size == chunk.length
            )
            return None if is_plausible else instead

        got = await ingest(self.store, Target(choose, instead), chunk, hasher, budget)
        if hasher.digest() != digest:
            raise DigestInvalid(
                f"the content's digest is {hasher.digest()}, not {digest}" if got.size else _EMPTY
            )
        got = replace(got, received=self.clock())
        if got.single is not None:
            await self.put(digest, got.single)
        elif got.path == path:
            await self._commit(digest, got)
        elif got.path is not None:
            await self._commit_and_copy(digest, got, got.path)
        elif not await self.is_whole(digest, got.size):
            raise Unavailable(
                f"{digest} was damaged or deleted meanwhile; push the blob again",
                public="the stored content was damaged or deleted meanwhile; push the blob again",
            )
        return got

    async def _commit(self, digest: Digest, got: Ingested) -> None:
        """Make the blocks at the content's address the content."""
        path, size = self.layout.content(digest), got.size
        for condition in (IF_ABSENT, UNCONDITIONAL):
            try:
                await self.store.commit(path, got.block_ids, condition=condition)
            except (ConditionFailed, WrongKind):
                if await self._settle(await self._look(digest, size), digest, size) is None:
                    return
            except (BlockListInvalid, StoreRefused) as error:
                # Another upload was quicker, and its commit dropped our blocks.
                if await self.is_whole(digest, size):
                    return
                if isinstance(error, StoreRefused):
                    raise
                break
            else:
                return
        raise got.refusal or _lost_blocks(digest)

    async def _commit_and_copy(self, digest: Digest, got: Ingested, path: str) -> None:
        """Make the blocks at ``path`` an object, and copy that to the content's address."""
        if got.refusal:
            raise got.refusal
        _log.warning("others have left something at %s: copying from %s", digest, path)
        etag = await self.store.commit(path, got.block_ids)
        try:
            if not await self.copy(digest, path, got.size, etag):
                raise _contended(digest)
        except NotFound:
            raise _lost_blocks(digest) from None
        finally:
            await self.discard(path, etag)

    async def discard(self, path: str, etag: str) -> None:
        """Delete what an upload has left, if it is still what it was. One call."""
        try:
            await delete_if(self.store, path, if_match(etag))
        except (StoreUnavailable, StoreRefused) as error:
            _log.warning("%s is left behind; a lifecycle rule deletes it: %s", path, error)

    async def copy(self, digest: Digest, source: str, size: int, etag: str | None) -> bool:
        """Copy content that is known to be at ``source``. False if that has another ETag by now.

        :raises NotFound: nothing is at ``source``.
        """
        if size > _COPIED_AT_ONCE and await self.is_whole(digest, size):
            return True  # pieces staged on content that is there would be billed for a week
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
        """Observe whether the content is there. What a writer has left in part is deleted.

        One call, two if it is condemned, more if it is there in part: then another registry may be
        about to complete it.

        :raises Unavailable: another registry is writing it.
        """
        return await self._look(digest, size) is None

    async def _look(self, digest: Digest, size: int) -> Condition | None:
        """Return None if content of this size is there, else the condition to write it on.

        `IF_ABSENT`: there is nothing to be seen. Else it was there in part, and is deleted.
        """
        path = self.layout.content(digest)
        try:
            for delay in (*REREAD_DELAYS, None):
                found = await observe(self.store, path)
                if found.size == size:
                    return None
                if delay is not None:
                    await asyncio.sleep(delay)
        except NotFound:
            return IF_ABSENT
        # By storage's clock, if it says what that shows.
        now = found.answered.timestamp() if found.answered else self.now()
        if now - found.last_modified.timestamp() < _ABANDONED:
            raise _contended(digest)
        await delete_if(self.store, path, if_match(found.etag))
        return UNCONDITIONAL

    async def _compare(self, digest: Digest, content: Buffer) -> Condition | None:
        """Return None if this content is there, else the condition to write it on: see `_look`.

        Damaged content of the right size is to be replaced.
        """
        path, size = self.layout.content(digest), memoryview(content).nbytes
        if size > _COMPARED:
            return await self._look(digest, size)
        found: StoredObject | None = None
        with suppress(TooLarge, StoreRefused):  # refused: archived
            try:
                found = await self.store.get(path, limit=size)
            except NotFound:
                return IF_ABSENT
        if found is None or found.properties.size != size:
            return await self._look(digest, size)
        if found.content == content:
            return await self._pardon(path, found)
        _log.error("%s does not hash to its address; it is replaced", path)
        if found.properties.is_append:
            await delete_if(self.store, path, if_match(found.properties.etag))
            return UNCONDITIONAL
        return if_match(found.properties.etag)

    async def _pardon(self, path: str, found: StoredObject) -> Condition | None:
        """Take the mark off content that was found, if it has one: see `_compare`."""
        try:
            await pardon(self.store, path, found.properties)
        except ConditionFailed:
            return UNCONDITIONAL  # condemned, pardoned or collected meanwhile: it is written anew
        except NotFound:
            return IF_ABSENT
        return None

    async def _settle(self, write: Condition | None, digest: Digest, size: int) -> Condition | None:
        """Return ``write``, unless there was nothing to be seen where storage says there is.

        Then another writer may be about to put the content: wait, and return None once it is there.
        After a while return the condition to write it on: none.
        """
        if write != IF_ABSENT:
            return write
        for delay in REREAD_DELAYS:
            await asyncio.sleep(delay)
            if await self.is_whole(digest, size):
                return None
        return UNCONDITIONAL


def _lost_blocks(digest: Digest) -> Unavailable:
    return Unavailable(
        f"storage has lost staged blocks of {digest}; push the blob again",
        public="storage has lost a part of the blob; push it again",
    )


def _contended(digest: Digest) -> Unavailable:
    return Unavailable(
        f"{digest} is being written by another registry; try again",
        public="another registry is writing this content; try again",
    )
