"""The commit of staged blocks, by whichever of several requests comes first.

A version of the content may be hashed and copied only if the registry has committed it, and the
client has not changed it since. A record beside it says which one that is, by ETag. A request that
finds a version without a record waits for that: another request may be about to write it, and would
have to begin anew if the blocks were committed once more. And it commits them once at most. So of
several requests the one that commits last is never disturbed.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from ..object_store.errors import BlockListInvalid, ConditionFailed, NotFound, WrongKind
from ..object_store.interface import (
    IF_ABSENT,
    UNCONDITIONAL,
    Condition,
    ObjectStore,
    Properties,
    delete_if,
    if_match,
)
from ..registry import HashingUnfinished
from .hash_record import HashRecord, read_hash_record, write_hash_record
from .ingest import block_size
from .layout import Layout
from .links import REREAD_DELAYS

# How often this request tries to commit what others keep changing.
_TRIES = 3


@dataclass(frozen=True)
class StagedUpload:
    """Where the content of one upload is that a client stages, and the record of its hash."""

    path: str
    record: str
    prefix: str
    """What the ids of its blocks begin with."""

    @classmethod
    def of(cls, layout: Layout, repository: str, upload_id: str) -> Self:
        """Return where that of an upload is."""
        return cls(
            layout.staged_upload(repository, upload_id),
            layout.hash_record(repository, upload_id),
            hashlib.sha256(upload_id.encode()).hexdigest()[:16],
        )


@dataclass
class StagedCommit:
    """The commit of one upload's blocks, by one request."""

    store: ObjectStore
    upload: StagedUpload
    block_ids: Sequence[str]
    _own: str | None = None
    """The ETag of the version that this request has committed."""
    _version: str | None = None
    """The ETag of the record that it has seen."""

    async def record(self) -> HashRecord:
        """Commit the blocks, unless that was done before; return how far they are hashed.

        Two calls, and one to write the record of what is larger than a block; three if that was
        done before; more if it is being done.

        :raises NotFound: a block is missing, or something else is there, or nothing any more.
        :raises HashingUnfinished: another request has committed them, too, and is not done.
        """
        if self._own is None:
            await self._commit(IF_ABSENT)
        for _ in range(_TRIES):
            found = await self._found()
            if isinstance(found, HashRecord):
                return found
            if self._own is not None:
                break
            await self._commit(if_match(found.etag))
        raise HashingUnfinished

    async def _commit(self, condition: Condition) -> None:
        """Commit the blocks, if the condition holds. One call."""
        try:
            self._own = await self.store.commit(
                self.upload.path, self.block_ids, condition=condition
            )
        except ConditionFailed:
            return
        except (BlockListInvalid, WrongKind) as error:
            raise NotFound(f"{self.upload.path} lacks staged blocks") from error

    async def _found(self) -> HashRecord | Properties:
        """Return the record of the version that is there, or that version after a wait for it."""
        for delay in (*REREAD_DELAYS, None):
            found = await self.store.head(self.upload.path)
            record = await self._recorded(found)
            if record is not None:
                return record
            if delay is not None:
                await asyncio.sleep(delay)
        return found

    async def _recorded(self, found: Properties) -> HashRecord | None:
        """Return the record of a version; None if there is none, and another request committed it.

        That of a block is not written: it is hashed before anybody has waited for long.
        """
        if found.etag == self._own:
            own = HashRecord(found.etag, found.size, version=self._version)
            if found.size <= block_size(0):
                return own
            written = await write_hash_record(self.store, self.upload.record, own)
            if written is not None:
                return written
        known = await read_hash_record(self.store, self.upload.record)
        self._version = known.version if known else None
        return known if known and known.etag == found.etag else None


async def drop_blocks(store: ObjectStore, path: str) -> None:
    """Drop the blocks that are staged at a path, and the object there. Two calls.

    Storage would keep the blocks for a week, and bill them. To overwrite and delete an object drops
    them at once, whether there is one or not: REST "Put Block", remarks.
    """
    try:
        condition = if_match(await store.put(path, b""))
    except WrongKind:  # a blob of another kind, which has no blocks
        condition = UNCONDITIONAL
    await delete_if(store, path, condition)
