"""The interface to storage: what the registry needs of an object store.

`azure` and `memory` implement it; tests/contracts/object_store/ holds both to the same behaviour.
Paths are relative to the container and are passed to storage unchanged. ETags are opaque texts.
Sizes and offsets are in bytes.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from .errors import ConditionFailed, NotFound

Buffer = bytes | bytearray | memoryview

BLOCK_ID_LENGTH = 23
"""The length of every block id: those of one object, copied blocks included, must be equal."""

_METADATA_NAME = re.compile(r"[a-z_][a-z0-9_]*")
_METADATA_VALUE = re.compile(r"[!-~]([ -~]*[!-~])?")


@dataclass(frozen=True)
class Condition:
    """What must hold for an operation to take place; by default nothing."""

    if_match: str | None = None
    if_absent: bool = False


UNCONDITIONAL = Condition()
IF_ABSENT = Condition(if_absent=True)


def if_match(etag: str) -> Condition:
    """Return the condition that the object is still the one with ``etag``."""
    return Condition(if_match=etag)


@dataclass(frozen=True)
class Properties:
    """What storage knows of an object besides its content.

    ``is_append`` says whether it is an append blob. ``last_modified`` is by the clock of storage.
    ``tier`` is its access tier in storage's words, such as "Hot" or "Archive", and
    ``archive_status`` what happens to an archived one, such as "rehydrate-pending-to-hot": both in
    listings and from `ObjectStore.head` only, and "" where storage has none. ``answered`` is when
    storage said so, by its own clock; None in listings, and of a store in this process.
    """

    etag: str
    size: int
    last_modified: datetime
    metadata: Mapping[str, str] = field(default_factory=dict)
    is_append: bool = False
    tier: str = field(default="", compare=False)
    archive_status: str = field(default="", compare=False)
    answered: datetime | None = field(default=None, compare=False)

    @property
    def archived(self) -> bool:
        """Whether the content cannot be read before it is rehydrated, or until that is done."""
        return self.tier == "Archive"


@dataclass(frozen=True)
class StoredObject:
    """An object, whole."""

    properties: Properties
    content: bytes


@dataclass(frozen=True)
class StoredRange:
    """A part of an object; ``properties.size`` is the size of the whole object."""

    properties: Properties
    pieces: Sequence[bytes]
    """The part as it arrived: joining a large one would hold the event loop."""

    @property
    def content(self) -> bytes:
        """The part in one piece, a copy."""
        return b"".join(self.pieces)


@dataclass(frozen=True)
class Entry:
    """A row of a listing: an object, or, without ``properties``, a common prefix with its "/".

    In listings that have them, ``uncommitted`` marks the path of staged blocks without an object,
    which has no properties either.
    """

    path: str
    properties: Properties | None = None
    uncommitted: bool = False


@dataclass(frozen=True)
class Page:
    """One page of a listing, in lexical order. ``continuation`` is None on the last page.

    A page may have fewer entries than its limit, or none, and still not be the last.
    """

    entries: Sequence[Entry]
    continuation: str | None = None


@dataclass(frozen=True)
class StagedBlocks:
    """The blocks that are staged at a path and not committed: their number, and bytes in all."""

    number: int
    size: int


def check_metadata(metadata: Mapping[str, str] | None) -> dict[str, str]:
    """Return metadata that storage accepts and returns unchanged; None means no metadata.

    :raises ValueError: a name is not a lowercase identifier; a value is empty, not printable ASCII
        or begins or ends with a space; names and values together exceed 8 KiB.
    """
    checked = dict(metadata or {})
    for name, value in checked.items():
        if not _METADATA_NAME.fullmatch(name) or not _METADATA_VALUE.fullmatch(value):
            raise ValueError(f"not valid as metadata: {name}={value!r}")
    if sum(len(name) + len(value) for name, value in checked.items()) > 8192:
        raise ValueError("more than 8 KiB of metadata")
    return checked


def check_block_id(block_id: str) -> str:
    """Return the block id.

    :raises ValueError: it does not have `BLOCK_ID_LENGTH` ASCII characters.
    """
    if len(block_id) != BLOCK_ID_LENGTH or not block_id.isascii():
        raise ValueError(f"not a block id: {block_id!r}")
    return block_id


def check_source_range(offset: int, length: int | None) -> None:
    """Check the range of a source that `ObjectStore.stage_from` is called with.

    :raises ValueError: the range is empty, or has an offset but no length.
    """
    if length == 0 or (offset and length is None):
        raise ValueError("a part of the source needs an offset and a length")


class ObjectStore(Protocol):
    """Objects in one container.

    Every method raises `StoreUnavailable` if storage cannot be used, when the operation may or may
    not have taken place, and `StoreRefused` if storage does not permit it in the object's state.

    Failed calls are retried, a limited number of times. If the answer to an earlier attempt was
    lost and a condition fails for that reason, `put`, `set_metadata`, `commit`, `delete` and
    `delete_batch` recognise their own work, with one more call, and succeed. `copy` does not: after
    its `ConditionFailed` the caller has to look.
    """

    async def head(self, path: str) -> Properties:
        """Return the properties of an object. One call.

        :raises NotFound: the object does not exist.
        """

    async def get(
        self, path: str, *, limit: int, condition: Condition = UNCONDITIONAL
    ) -> StoredObject:
        """Return the whole object, of at most ``limit`` bytes. One call.

        :raises NotFound: the object does not exist.
        :raises ConditionFailed: the object is not the one of ``if_match``.
        :raises TooLarge: the object has more than ``limit`` bytes.
        """

    async def get_range(
        self, path: str, offset: int, length: int, *, condition: Condition = UNCONDITIONAL
    ) -> StoredRange:
        """Return at most ``length`` bytes from ``offset``. One call, two for an empty object.

        At offset 0 there is always something to return, even of an empty object.

        :raises NotFound: the object does not exist.
        :raises ConditionFailed: the object is not the one of ``if_match``.
        :raises RangeNotSatisfiable: ``offset`` is not 0 and lies beyond the last byte.
        """

    async def put(
        self,
        path: str,
        content: Buffer,
        *,
        metadata: Mapping[str, str] | None = None,
        condition: Condition = UNCONDITIONAL,
    ) -> str:
        """Write a whole object atomically. Returns its ETag. One call.

        :raises ValueError: `check_metadata` does not accept the metadata.
        :raises ConditionFailed: the condition does not hold. For ``if_absent`` that may also mean
            that blocks are staged there, or that another put is under way.
        :raises WrongKind: an append blob is at the path.
        """

    async def set_metadata(
        self, path: str, metadata: Mapping[str, str], *, condition: Condition = UNCONDITIONAL
    ) -> str:
        """Replace the metadata of a block or append blob. Returns its new ETag. One call.

        Content and staged blocks stay as they are; ``last_modified`` becomes the time of the call.
        Source: learn.microsoft.com/rest/api/storageservices/set-blob-metadata.

        :raises ValueError: `check_metadata` does not accept the metadata.
        :raises NotFound: the object does not exist.
        :raises ConditionFailed: the object is not the one of ``if_match``. Without an object,
            either of the two is raised for ``if_match``.
        """

    async def stage(self, path: str, block_id: str, content: Buffer, *, md5: bytes) -> None:
        """Upload a block, which no reader sees until it is committed. One call.

        ``md5`` is the MD5 of ``content``; a block that arrives damaged is refused
        (`StoreUnavailable`).

        :raises ValueError: `check_block_id` does not accept ``block_id``.
        :raises WrongKind: an append blob is at the path.
        :raises BlocksRefused: another program has staged blocks there, with longer or shorter ids,
            or there are too many.
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
        """Stage a block of at most 4,000 MiB, copied by storage from another object. One call.

        The block is the whole source, or ``length`` bytes from ``offset``, all of which must exist.

        :raises ValueError: `check_block_id` or `check_source_range` does not accept the arguments.
        :raises NotFound: the source does not exist.
        :raises ConditionFailed: the source is not the one with ``source_etag``.
        :raises WrongKind: an append blob is at the path.
        :raises BlocksRefused: as for `stage`.
        """

    async def commit(
        self,
        path: str,
        block_ids: Sequence[str],
        *,
        metadata: Mapping[str, str] | None = None,
        condition: Condition = UNCONDITIONAL,
    ) -> str:
        """Make an object of blocks, in this order, and drop all others. Returns its ETag. One call.

        Blocks may be staged ones or those of the object at the path.

        :raises ValueError: `check_block_id` or `check_metadata` does not accept the arguments.
        :raises ConditionFailed: the condition does not hold.
        :raises BlockListInvalid: a block is neither staged nor part of the object.
        :raises WrongKind: an append blob is at the path.
        """

    async def committed_blocks(self, path: str) -> tuple[str, Sequence[str]]:
        """Return an object's ETag and its block ids in order. One call; two if it has no blocks.

        An object that was put whole has none.

        :raises NotFound: the object does not exist.
        :raises WrongKind: the object is an append blob.
        """

    async def uncommitted_blocks(self, path: str) -> StagedBlocks:
        """Return what is staged at a path, with or without an object there. One call.

        :raises NotFound: there is neither an object nor a staged block.
        :raises WrongKind: an append blob is at the path.
        """

    async def copy(
        self,
        path: str,
        source: str,
        *,
        size: int,
        metadata: Mapping[str, str],
        source_etag: str | None = None,
        condition: Condition = UNCONDITIONAL,
    ) -> str:
        """Have storage copy an object of ``size`` bytes. Returns the ETag of the complete copy.

        One call up to 256 MiB; for larger objects one per 64 MiB, and one more. The copy has
        ``metadata`` and none of the source's; at least one pair is required, as storage would copy
        the source's instead of none.

        :raises ValueError: ``metadata`` is empty, or `check_metadata` does not accept it.
        :raises NotFound: the source does not exist.
        :raises ConditionFailed: the condition does not hold, or the source is not the one with
            ``source_etag``.
        :raises WrongKind: an append blob is at the path, or is the source.
        """

    async def delete(self, path: str, *, condition: Condition = UNCONDITIONAL) -> None:
        """Delete an object, with its snapshots and the blocks staged at its path. One call.

        Staged blocks without an object may be dropped, or not be found.

        :raises NotFound: the object does not exist.
        :raises ConditionFailed: the object is not the one of ``if_match``. Without an object,
            either of the two is raised for ``if_match``.
        """

    async def delete_batch(self, items: Sequence[tuple[str, Condition]]) -> Sequence[bool]:
        """Delete up to 256 objects as `delete` does, each on its own condition. One call, or none.

        Returns for each whether it was deleted: not if it does not exist, or does not meet the
        condition. They are deleted in any order, some perhaps before the call fails. An object that
        is gone after a lost answer counts as deleted by this call.

        :raises ValueError: there are more than 256 items.
        :raises BatchRefused: storage refuses to delete some, and the others are settled.
        """

    async def list_page(
        self,
        prefix: str,
        *,
        by_folder: bool = False,
        metadata: bool = False,
        uncommitted: bool = False,
        start_from: str | None = None,
        continuation: str | None = None,
        limit: int = 5000,
    ) -> Page:
        """Return one page, of at most ``limit`` <= 5000 entries, of a listing. One call.

        A page may be shorter than ``limit``, or empty, and not be the last: only its
        ``continuation`` says whether more follows. `exists_below` and `list_all` follow it.

        The listing has the objects whose paths begin with ``prefix``, without their metadata unless
        ``metadata`` is true. ``by_folder`` groups the objects behind the next "/" into one entry.
        With ``uncommitted`` it also has the paths where blocks are staged and no object is; blocks
        that are staged where an object is do not show (see `uncommitted_blocks`).
        Objects before ``start_from`` are left out; it begins with ``prefix``, and has no further
        "/" where ``by_folder`` is true. It only saves calls: a store may ignore it, as Azure does
        before its version 2026-02-06. ``continuation`` is that of the previous page, and suffices
        to continue: ``start_from`` is not repeated.

        :raises ContinuationInvalid: no page had this ``continuation``. Not every wrong one is
            detected, but none leads out of ``prefix``.
        """

    async def signed_url(self, path: str, *, seconds: int) -> str | None:
        """Return a URL that lets its bearer read the object until it expires.

        None where clients cannot read from the store by themselves.

        No call with an account key; with an identity one a day, for the signing key.
        """

    async def staging_url(self, path: str, *, seconds: int) -> str | None:
        """Return a URL that lets its bearer stage blocks of the object until it expires.

        Its query lacks only ``blockid``: the id of the block, in base64. The URL suffices to write
        the object and its metadata in other ways, too, but not to read it. As for `signed_url`.
        """

    async def close(self) -> None:
        """Close all connections."""


async def list_all(
    store: ObjectStore,
    prefix: str,
    *,
    by_folder: bool = False,
    metadata: bool = False,
    uncommitted: bool = False,
) -> AsyncIterator[Entry]:
    """Yield every entry of a listing, however short its pages are.

    One call per 5,000 entries as a rule; arguments as for `list_page`.
    """
    continuation: str | None = None
    while True:
        page = await store.list_page(
            prefix,
            by_folder=by_folder,
            metadata=metadata,
            uncommitted=uncommitted,
            continuation=continuation,
        )
        for entry in page.entries:
            yield entry
        continuation = page.continuation
        if continuation is None:
            return


async def exists(store: ObjectStore, path: str) -> bool:
    """Return whether an object is committed at ``path``. One call."""
    try:
        await store.head(path)
    except NotFound:
        return False
    return True


async def exists_below(store: ObjectStore, prefix: str) -> bool:
    """Return whether any object's path begins with ``prefix``. One call as a rule.

    One more for each empty page that precedes the first entry: storage returns such pages where it
    has passed over many deleted objects.
    """
    continuation: str | None = None
    while True:
        page = await store.list_page(prefix, continuation=continuation, limit=1)
        continuation = page.continuation
        if page.entries or continuation is None:
            return bool(page.entries)


async def delete_if(store: ObjectStore, path: str, condition: Condition = UNCONDITIONAL) -> bool:
    """Delete an object if it exists and meets the condition. Returns whether it did. One call."""
    try:
        await store.delete(path, condition=condition)
    except (NotFound, ConditionFailed):
        return False
    return True
