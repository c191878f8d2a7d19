"""An object store in memory, as strict as the real one: conditions, staged blocks, append blobs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count

from .batches import check_batch, settled
from .errors import (
    BlockListInvalid,
    BlocksRefused,
    ConditionFailed,
    ContinuationInvalid,
    NotFound,
    RangeNotSatisfiable,
    StoreError,
    StoreUnavailable,
    TooLarge,
    WrongKind,
)
from .interface import (
    UNCONDITIONAL,
    Buffer,
    Condition,
    Entry,
    Page,
    Properties,
    StagedBlocks,
    StoredObject,
    StoredRange,
    check_block_id,
    check_metadata,
    check_source_range,
    delete_if,
)


@dataclass(frozen=True)
class _Object:
    properties: Properties
    blocks: Mapping[str, bytes]

    @property
    def content(self) -> bytes:
        return b"".join(self.blocks.values())


@dataclass
class MemoryStore:
    """An `ObjectStore` in memory: for tests, demonstrations and short-lived registries.

    ::

        registry = StoredRegistry(MemoryStore())

    It behaves as Azure Blob Storage does, and passes the same contract tests. Nothing is shared
    between processes or survives them; use it on one event loop. Every listing sorts all paths,
    so it suits thousands of objects rather than millions.

    ``objects`` and ``staged`` are its whole state, by path, and may be inspected and copied. With
    ``sparse_pages`` the first page of each listing is empty and the others are half full, as pages
    of Azure may be where many objects were deleted.
    """

    objects: dict[str, _Object] = field(default_factory=dict)
    staged: dict[str, dict[str, bytes]] = field(default_factory=dict)
    sparse_pages: bool = False
    _versions: count[int] = field(default_factory=count)

    async def head(self, path: str) -> Properties:
        return self._find(path).properties

    async def get(
        self, path: str, *, limit: int, condition: Condition = UNCONDITIONAL
    ) -> StoredObject:
        found = self._find(path)
        self._check(path, condition)
        if found.properties.size > limit:
            raise TooLarge(f"{path} has {found.properties.size} bytes, more than {limit}")
        return StoredObject(found.properties, found.content)

    async def get_range(
        self, path: str, offset: int, length: int, *, condition: Condition = UNCONDITIONAL
    ) -> StoredRange:
        found = self._find(path)
        self._check(path, condition)
        if offset and offset >= found.properties.size:
            raise RangeNotSatisfiable(path)
        return StoredRange(found.properties, [found.content[offset : offset + length]])

    async def put(
        self,
        path: str,
        content: Buffer,
        *,
        metadata: Mapping[str, str] | None = None,
        condition: Condition = UNCONDITIONAL,
    ) -> str:
        self._check(path, condition)
        self._refuse_append(path)
        self.staged.pop(path, None)
        return self._write(path, {"": bytes(content)}, metadata)

    async def set_metadata(
        self, path: str, metadata: Mapping[str, str], *, condition: Condition = UNCONDITIONAL
    ) -> str:
        found = self._find(path)
        self._check(path, condition)
        is_append = found.properties.is_append
        return self._write(path, found.blocks, metadata, is_append=is_append)

    async def stage(self, path: str, block_id: str, content: Buffer, *, md5: bytes) -> None:
        self._refuse_append(path)
        data = bytes(content)
        if hashlib.md5(data, usedforsecurity=False).digest() != md5:
            raise StoreUnavailable(f"{path}: the block does not match its MD5")
        self._stage(path, block_id, data)

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
        check_source_range(offset, length)
        found = self._find(source)
        self._check(source, Condition(if_match=source_etag))
        self._refuse_append(path)
        end = found.properties.size if length is None else offset + length
        if end > found.properties.size:
            raise StoreUnavailable(f"{source} ends before {end}")
        self._stage(path, block_id, found.content[offset:end])

    async def commit(
        self,
        path: str,
        block_ids: Sequence[str],
        *,
        metadata: Mapping[str, str] | None = None,
        condition: Condition = UNCONDITIONAL,
    ) -> str:
        self._check(path, condition)
        self._refuse_append(path)
        known = dict(self.objects[path].blocks) if path in self.objects else {}
        known |= self.staged.get(path, {})
        if not known.keys() >= set(block_ids):
            raise BlockListInvalid(path)
        self.staged.pop(path, None)
        return self._write(path, {block_id: known[block_id] for block_id in block_ids}, metadata)

    async def committed_blocks(self, path: str) -> tuple[str, Sequence[str]]:
        found = self._find(path)
        self._refuse_append(path)
        return found.properties.etag, [block_id for block_id in found.blocks if block_id]

    async def uncommitted_blocks(self, path: str) -> StagedBlocks:
        if path not in self.staged:
            self._find(path)
        self._refuse_append(path)
        staged = self.staged.get(path, {})
        return StagedBlocks(len(staged), sum(map(len, staged.values())))

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
        if not metadata:
            raise ValueError("a copy needs metadata of its own: storage would copy the source's")
        found = self._find(source)
        self._refuse_append(source)
        self._check(source, Condition(if_match=source_etag))
        self._check(path, condition)
        self._refuse_append(path)
        self.staged.pop(path, None)
        return self._write(path, {"": found.content}, metadata)

    async def delete(self, path: str, *, condition: Condition = UNCONDITIONAL) -> None:
        self._find(path)
        self._check(path, condition)
        del self.objects[path]
        self.staged.pop(path, None)

    async def delete_batch(self, items: Sequence[tuple[str, Condition]]) -> Sequence[bool]:
        return settled([await self._try_to_delete(*item) for item in check_batch(items)])

    async def _try_to_delete(self, path: str, condition: Condition) -> bool | StoreError:
        try:
            return await delete_if(self, path, condition)
        except StoreError as error:
            return error

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
        if continuation is not None and not continuation.startswith(prefix):
            raise ContinuationInvalid(continuation)
        if self.sparse_pages:
            if continuation is None:
                return Page([], start_from or prefix)
            limit = (limit + 1) // 2
        entries: dict[str, Entry] = {}
        first = start_from or ""
        listed = self.objects.keys() | (self.staged.keys() if uncommitted else ())
        for path in sorted(p for p in listed if p.startswith(prefix) and p >= first):
            folder, slash, _ = path[len(prefix) :].partition("/")
            name = prefix + folder + slash if by_folder and slash else path
            if name in entries or (continuation is not None and name < continuation):
                continue
            if len(entries) == limit:
                return Page(list(entries.values()), name)
            entries[name] = Entry(name) if name != path else self._row(path, metadata=metadata)
        return Page(list(entries.values()))

    def _row(self, path: str, *, metadata: bool) -> Entry:
        found = self.objects.get(path)
        if found is None:
            return Entry(path, uncommitted=True)
        properties = found.properties
        return Entry(path, properties if metadata else replace(properties, metadata={}))

    async def signed_url(self, path: str, *, seconds: int) -> None:
        return None

    async def staging_url(self, path: str, *, seconds: int) -> str | None:
        return None

    async def close(self) -> None:
        return None

    async def append(self, path: str, content: bytes) -> None:
        """Create or extend an append blob, as other registries do. Not part of `ObjectStore`."""
        before = self.objects[path].content if path in self.objects else b""
        self._write(path, {"": before + content}, None, is_append=True)

    def _find(self, path: str) -> _Object:
        try:
            return self.objects[path]
        except KeyError:
            raise NotFound(path) from None

    def _check(self, path: str, condition: Condition) -> None:
        found = self.objects.get(path)
        if condition.if_absent and found:
            raise ConditionFailed(path)
        if condition.if_match and (found is None or found.properties.etag != condition.if_match):
            raise ConditionFailed(path)

    def _refuse_append(self, path: str) -> None:
        found = self.objects.get(path)
        if found and found.properties.is_append:
            raise WrongKind(path)

    def _stage(self, path: str, block_id: str, content: bytes) -> None:
        checked = check_block_id(block_id)
        if len(next(iter(self.staged.get(path, ())), checked)) != len(checked):
            raise BlocksRefused(f"{path}: blocks with ids of another length are staged")
        self.staged.setdefault(path, {})[checked] = content

    def _write(
        self,
        path: str,
        blocks: Mapping[str, bytes],
        metadata: Mapping[str, str] | None,
        *,
        is_append: bool = False,
    ) -> str:
        etag = f'"{next(self._versions)}"'
        size = sum(len(block) for block in blocks.values())
        properties = Properties(etag, size, datetime.now(UTC), check_metadata(metadata), is_append)
        self.objects[path] = _Object(properties, blocks)
        return etag
