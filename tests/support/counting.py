"""An object store that records its calls."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from registry_core.object_store.interface import (
    UNCONDITIONAL,
    Buffer,
    Condition,
    ObjectStore,
    Page,
    Properties,
    StagedBlocks,
    StoredObject,
    StoredRange,
)


@dataclass
class CountingStore:
    """Passes every call to ``inner`` and records method and path in ``calls``, in order."""

    inner: ObjectStore
    calls: list[tuple[str, str]] = field(default_factory=list)

    def take(self) -> list[str]:
        """Return the methods called since the last time."""
        methods = [method for method, _ in self.calls]
        self.calls.clear()
        return methods

    async def head(self, path: str) -> Properties:
        self.calls.append(("head", path))
        return await self.inner.head(path)

    async def get(
        self, path: str, *, limit: int, condition: Condition = UNCONDITIONAL
    ) -> StoredObject:
        self.calls.append(("get", path))
        return await self.inner.get(path, limit=limit, condition=condition)

    async def get_range(
        self, path: str, offset: int, length: int, *, condition: Condition = UNCONDITIONAL
    ) -> StoredRange:
        self.calls.append(("get_range", path))
        return await self.inner.get_range(path, offset, length, condition=condition)

    async def put(
        self,
        path: str,
        content: Buffer,
        *,
        metadata: Mapping[str, str] | None = None,
        condition: Condition = UNCONDITIONAL,
    ) -> str:
        self.calls.append(("put", path))
        return await self.inner.put(path, content, metadata=metadata, condition=condition)

    async def set_metadata(
        self, path: str, metadata: Mapping[str, str], *, condition: Condition = UNCONDITIONAL
    ) -> str:
        self.calls.append(("set_metadata", path))
        return await self.inner.set_metadata(path, metadata, condition=condition)

    async def stage(self, path: str, block_id: str, content: Buffer, *, md5: bytes) -> None:
        self.calls.append(("stage", path))
        await self.inner.stage(path, block_id, content, md5=md5)

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
        self.calls.append(("stage_from", path))
        await self.inner.stage_from(
            path, block_id, source, offset=offset, length=length, source_etag=source_etag
        )

    async def commit(
        self,
        path: str,
        block_ids: Sequence[str],
        *,
        metadata: Mapping[str, str] | None = None,
        condition: Condition = UNCONDITIONAL,
    ) -> str:
        self.calls.append(("commit", path))
        return await self.inner.commit(path, block_ids, metadata=metadata, condition=condition)

    async def committed_blocks(self, path: str) -> tuple[str, Sequence[str]]:
        self.calls.append(("committed_blocks", path))
        return await self.inner.committed_blocks(path)

    async def uncommitted_blocks(self, path: str) -> StagedBlocks:
        self.calls.append(("uncommitted_blocks", path))
        return await self.inner.uncommitted_blocks(path)

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
        self.calls.append(("copy", path))
        return await self.inner.copy(
            path,
            source,
            size=size,
            source_etag=source_etag,
            metadata=metadata,
            condition=condition,
        )

    async def delete(self, path: str, *, condition: Condition = UNCONDITIONAL) -> None:
        self.calls.append(("delete", path))
        await self.inner.delete(path, condition=condition)

    async def delete_batch(self, items: Sequence[tuple[str, Condition]]) -> Sequence[bool]:
        self.calls.append(("delete_batch", items[0][0] if items else ""))
        return await self.inner.delete_batch(items)

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
        self.calls.append(("list_page", prefix))
        return await self.inner.list_page(
            prefix,
            by_folder=by_folder,
            metadata=metadata,
            uncommitted=uncommitted,
            start_from=start_from,
            continuation=continuation,
            limit=limit,
        )

    async def signed_url(self, path: str, *, seconds: int) -> str | None:
        return await self.inner.signed_url(path, seconds=seconds)

    async def staging_url(self, path: str, *, seconds: int) -> str | None:
        return await self.inner.staging_url(path, seconds=seconds)

    async def close(self) -> None:
        await self.inner.close()
