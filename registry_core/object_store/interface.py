"""The seam to storage: what the registry needs of an object store, in the object store's own words.

`azure_blob` and `memory` implement it, held to one behaviour by tests/contracts/object_store/.
Paths are relative to the container and go to storage as they are. ETags are opaque texts.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from ..spec.errors import Unavailable

Buffer = bytes | bytearray | memoryview

BLOCK_ID_LENGTH = 23
"""Of every block id: those of one object must be equally long, and copies stage blocks as well."""

_METADATA_NAME = re.compile(r"[a-z_][a-z0-9_]*")
_METADATA_VALUE = re.compile(r"[!-~]([ -~]*[!-~])?")


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


class ContinuationInvalid(StoreError):
    """A listing cannot go on where it was asked to."""


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
    """An object, or the part of it that was asked for; ``properties.size`` is the whole's."""

    properties: Properties
    content: bytes


@dataclass(frozen=True)
class Entry:
    """One row of a listing: an object, or without ``properties`` a common prefix with its '/'."""

    path: str
    properties: Properties | None = None


@dataclass(frozen=True)
class Page:
    """One call's worth of a listing, in lexical order. ``continuation`` is None on the last one."""

    entries: Sequence[Entry]
    continuation: str | None = None


def check_metadata(metadata: Mapping[str, str] | None) -> dict[str, str]:
    """Metadata that storage takes and gives back as they are.

    :raises ValueError: for names that are no lowercase identifiers, for values that are empty, not
        printable ASCII or with spaces at an end, and for more than 8 KiB.
    """
    checked = dict(metadata or {})
    for name, value in checked.items():
        if not _METADATA_NAME.fullmatch(name) or not _METADATA_VALUE.fullmatch(value):
            raise ValueError(f"not storable as metadata: {name}={value!r}")
    if sum(len(name) + len(value) for name, value in checked.items()) > 8192:
        raise ValueError("more than 8 KiB of metadata")
    return checked


def check_block_id(block_id: str) -> str:
    """:raises ValueError: when it is not `BLOCK_ID_LENGTH` ASCII characters."""
    if len(block_id) != BLOCK_ID_LENGTH or not block_id.isascii():
        raise ValueError(f"not a block id: {block_id!r}")
    return block_id


def check_source_range(offset: int, length: int | None) -> None:
    """:raises ValueError: for an end that storage would have to find itself, or an empty range."""
    if length == 0 or (offset and length is None):
        raise ValueError("a part of the source needs an offset and a length")


class ObjectStore(Protocol):
    """Every method raises `StoreUnavailable` when storage does not answer as it should.

    Lost answers are asked for again, and what the lost try did is known: its own content, blocks or
    deletion mean success, for one call more. But of `copy`, who sees `ConditionFailed` has to look.
    After `StoreUnavailable` a call may have taken place or not.
    """

    async def head(self, path: str) -> Properties:
        """One call. :raises NotFound:"""

    async def get(
        self,
        path: str,
        *,
        offset: int = 0,
        length: int | None = None,
        condition: Condition = ANYWAY,
    ) -> StoredObject:
        """Content in memory: all from ``offset``, or ``length`` bytes (fewer at the end). One call.

        From offset 0 there is always something to get, if only nothing; a length asked of an empty
        object takes a second call.

        :raises NotFound:
        :raises ConditionFailed: when it changed since ``if_match``.
        :raises RangeNotSatisfiable: when ``offset`` lies beyond the last byte.
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

        :raises ValueError: for metadata that `check_metadata` does not let pass.
        :raises ConditionFailed:
        :raises WrongKind: when an append blob is there.
        """

    async def stage(self, path: str, block_id: str, content: Buffer, *, md5: bytes) -> None:
        """Upload a block that no reader sees until it is committed. One call.

        ``block_id``: `BLOCK_ID_LENGTH` ASCII characters. ``md5``: of ``content``, which is refused
        (`StoreUnavailable`) when it arrives damaged.

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

        All of the source, or ``length`` bytes from ``offset``, which must all be there.

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
        """Make these blocks, in this order, the object, and drop all others. Returns its ETag.

        :raises ConditionFailed:
        :raises BlockListInvalid: when a block is neither staged nor part of the object.
        :raises WrongKind:
        """

    async def committed_blocks(self, path: str) -> tuple[str, Sequence[str]]:
        """The object's ETag and the ids of its blocks in order, none if it was put whole. One call.

        :raises NotFound:
        :raises WrongKind:
        """

    async def copy(
        self,
        path: str,
        source: str,
        *,
        size: int,
        metadata: Mapping[str, str],
        source_etag: str | None = None,
        condition: Condition = ANYWAY,
    ) -> str:
        """Copy ``size`` bytes, an object, on the server side; complete when it returns the ETag.

        One call up to 256 MiB, above that one for each 64 MiB and one more. ``metadata`` are all
        that the copy has; at least one pair, as storage would copy the source's instead of none.
        An append blob cannot be the source: storage copies block blobs only.

        :raises NotFound: when the source is not there.
        :raises ConditionFailed: when a condition on source or target does not hold.
        :raises WrongKind:
        """

    async def delete(self, path: str, *, condition: Condition = ANYWAY) -> None:
        """One call. Staged blocks are not there to be deleted.

        :raises NotFound:
        :raises ConditionFailed: one or the other for ``if_match`` of an object that is gone.
        """

    async def list_page(
        self,
        prefix: str,
        *,
        by_folder: bool = False,
        metadata: bool = False,
        start_from: str | None = None,
        continuation: str | None = None,
        limit: int = 5000,
    ) -> Page:
        """One call's worth, at most ``limit`` <= 5000, of the paths that begin with ``prefix``.

        ``by_folder`` groups what lies behind the next '/' into one entry. The objects before
        ``start_from`` are left out; it is ``prefix`` and more text, by folder without a '/'. Where
        that page ends, its ``continuation`` alone is enough to go on.

        :raises ContinuationInvalid: ``continuation`` is none that a page had. Not every one is
            found out; no other prefix is listed for it.
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


async def exists(store: ObjectStore, path: str) -> bool:
    """Return whether there is an object. One call."""
    try:
        await store.head(path)
    except NotFound:
        return False
    return True


async def delete_if(store: ObjectStore, path: str, condition: Condition = ANYWAY) -> bool:
    """Delete an object; return False if it is gone or does not meet the condition. One call."""
    try:
        await store.delete(path, condition=condition)
    except (NotFound, ConditionFailed):
        return False
    return True
