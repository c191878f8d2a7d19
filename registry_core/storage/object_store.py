"""The seam to storage: what the registry needs of an object store, in the object store's own words.

`azure_blob` and `memory` implement it; tests/contracts/object_store.py holds both to the same behaviour.
Paths are relative to the container and go to storage as they are. ETags are opaque texts.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from ..spec.errors import Unavailable

Buffer = bytes | bytearray | memoryview


class StoreError(Exception):
    """An answer of the object store that is not the one hoped for."""


class NotFound(StoreError):
    """Nothing is committed at the path."""


class ConditionFailed(StoreError):
    """The object is not, or no longer, in the state that the condition asked for."""


class WrongKind(StoreError):
    """The path holds an object of another kind, such as an append blob: delete it first."""


class BlockListInvalid(StoreError):
    """A commit named a block that is not staged (any more)."""


class RangeNotSatisfiable(StoreError):
    """Nothing of the range lies inside the object."""


class StoreUnavailable(StoreError, Unavailable):
    """A fault that bounded retries did not cure."""


@dataclass(frozen=True)
class Condition:
    """What must hold for an operation to take place; the default asks nothing."""

    if_match: str | None = None
    if_absent: bool = False


ANYWAY = Condition()
IF_ABSENT = Condition(if_absent=True)


def if_match(etag: str) -> Condition:
    """On condition that the object is still the one with ``etag``."""
    return Condition(if_match=etag)


@dataclass(frozen=True)
class Properties:
    """What is known of an object without its content. ``size`` is in bytes."""

    etag: str
    size: int
    last_modified: datetime
    metadata: Mapping[str, str] = field(default_factory=dict)
    is_append: bool = False


@dataclass(frozen=True)
class StoredObject:
    """An object, or the part of it that was asked for; ``properties.size`` is always the whole's."""

    properties: Properties
    content: bytes


@dataclass(frozen=True)
class Entry:
    """One row of a listing: an object, or with ``properties`` None a common prefix, its '/' included."""

    path: str
    properties: Properties | None = None


@dataclass(frozen=True)
class Page:
    """One call's worth of a listing, in lexical order. ``continuation`` is None on the last one."""

    entries: Sequence[Entry]
    continuation: str | None = None


class ObjectStore(Protocol):
    """Every method raises `StoreUnavailable` when storage does not answer as it should."""

    async def head(self, path: str) -> Properties:
        """One call. :raises NotFound:"""

    async def get(
        self, path: str, *, offset: int = 0, length: int | None = None, condition: Condition = ANYWAY
    ) -> StoredObject:
        """Content in memory, all of it or ``length`` bytes (fewer at the end) from ``offset``. One call.

        :raises NotFound:
        :raises ConditionFailed: when it changed since ``if_match``.
        :raises RangeNotSatisfiable: when ``offset`` lies beyond the end.
        """

    async def put(
        self,
        path: str,
        content: Buffer,
        *,
        metadata: Mapping[str, str] | None = None,
        condition: Condition = ANYWAY,
    ) -> str:
        """Write a whole object atomically, in one call. Returns its ETag.

        Metadata: names are lowercase identifiers, values printable ASCII, 8 KiB together.

        :raises ConditionFailed:
        :raises WrongKind: when an append blob is there.
        """

    async def stage(self, path: str, block_id: str, content: Buffer, *, md5: bytes) -> None:
        """Upload a block that no reader sees until it is committed. One call.

        ``block_id``: ASCII, the same length for all blocks of an object. ``md5``: of ``content``, verified.

        :raises WrongKind: when an append blob is there.
        """

    async def stage_from(
        self,
        path: str,
        block_id: str,
        source: str,
        *,
        offset: int = 0,
        length: int | None = None,
        source_etag: str | None = None,
    ) -> None:
        """Stage a block (up to 4000 MiB) copied from another object, on the server side. One call.

        :raises NotFound: when the source is not there.
        :raises ConditionFailed: when the source is not the one with ``source_etag``.
        :raises WrongKind:
        """

    async def commit(
        self,
        path: str,
        block_ids: Sequence[str],
        *,
        metadata: Mapping[str, str] | None = None,
        condition: Condition = ANYWAY,
    ) -> str:
        """Make these blocks, in this order, the object; all other blocks are dropped. Returns its ETag.

        :raises ConditionFailed:
        :raises BlockListInvalid: when a block is neither staged nor part of the object.
        :raises WrongKind:
        """

    async def committed_blocks(self, path: str) -> tuple[str, Sequence[str]]:
        """The object's ETag and the ids of its blocks, in order. One call. :raises NotFound:"""

    async def copy(
        self,
        path: str,
        source: str,
        *,
        size: int,
        source_etag: str | None = None,
        metadata: Mapping[str, str] | None = None,
        condition: Condition = ANYWAY,
    ) -> str:
        """Copy an object of ``size`` bytes on the server side; complete when it returns the new ETag.

        One call up to 256 MiB, above that one for each 256 MiB and one more.

        :raises NotFound: when the source is not there.
        :raises ConditionFailed: when a condition on source or target does not hold.
        :raises WrongKind:
        """

    async def delete(self, path: str, *, condition: Condition = ANYWAY) -> None:
        """One call. :raises NotFound: :raises ConditionFailed:"""

    async def list_page(
        self,
        prefix: str,
        *,
        by_folder: bool = False,
        metadata: bool = False,
        continuation: str | None = None,
        limit: int = 5000,
    ) -> Page:
        """One call's worth of the objects whose paths begin with ``prefix``, at most ``limit`` <= 5000.

        ``by_folder`` groups what lies behind the next '/' into one entry.
        """

    async def signed_url(self, path: str, *, seconds: int) -> str:
        """A URL that lets its bearer read the object until it expires. No call, as a rule."""

    async def close(self) -> None:
        """Give back connections."""


async def list_all(
    store: ObjectStore, prefix: str, *, by_folder: bool = False, metadata: bool = False
) -> AsyncIterator[Entry]:
    """Every entry of a listing, however many calls it takes."""
    continuation: str | None = None
    while True:
        page = await store.list_page(
            prefix, by_folder=by_folder, metadata=metadata, continuation=continuation
        )
        for entry in page.entries:
            yield entry
        continuation = page.continuation
        if continuation is None:
            return
