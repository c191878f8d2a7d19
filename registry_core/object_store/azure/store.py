"""`ObjectStore` on the SDK. A method is one HTTP request unless it says otherwise."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any, cast

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError
from azure.core.pipeline import PipelineResponse
from azure.storage.blob import BlobBlock, BlobProperties, BlobType

from ..interface import (
    UNCONDITIONAL,
    Buffer,
    Condition,
    ConditionFailed,
    ContinuationInvalid,
    NotFound,
    Page,
    Properties,
    RangeNotSatisfiable,
    StoredObject,
    StoreUnavailable,
    TooLarge,
    check_block_id,
    check_metadata,
    check_source_range,
    exists,
)
from .access_check import CheckedConnection
from .copying import copy_in_pieces
from .listing import ListingBody
from .lost_answers import find_own_commit, find_own_put
from .service import Body

_COPY_SECONDS = 3600


class AzureBlobStore(CheckedConnection):
    """An `ObjectStore` in a container of Azure Blob Storage.

    Make one with `from_connection_string`, `from_key` or `from_identity`, where an event loop runs,
    and close it there. Any number of calls may be in progress at a time.
    """

    async def head(self, path: str) -> Properties:
        return await self._head(path, UNCONDITIONAL)

    async def _head(self, path: str, condition: Condition) -> Properties:
        async with self._calling("head", path):
            return _properties(await self._blob(path).get_blob_properties(**_conditions(condition)))

    async def get(
        self, path: str, *, limit: int, condition: Condition = UNCONDITIONAL
    ) -> StoredObject:
        found = await self._get(path, 0, None, condition)
        if found.properties.size > limit:
            raise TooLarge(f"{path} has {found.properties.size} bytes, more than {limit}")
        return found

    async def get_range(
        self, path: str, offset: int, length: int, *, condition: Condition = UNCONDITIONAL
    ) -> StoredObject:
        if length != 0:
            try:
                return await self._get(path, offset, length, condition)
            except RangeNotSatisfiable:
                if offset:
                    raise
        # Storage has no empty ranges, and no ranges of an empty blob.
        properties = await self._head(path, condition)
        if offset and offset >= properties.size:
            raise RangeNotSatisfiable(path)
        return StoredObject(properties, b"")

    async def _get(
        self, path: str, offset: int, length: int | None, condition: Condition
    ) -> StoredObject:
        options = _conditions(condition)
        if length is not None:
            options |= {"offset": offset, "length": length}
        async with self._calling("get", path):
            download = await self._blob(path).download_blob(**options)
            content = b"".join([chunk async for chunk in download.chunks()])
        size = _whole_size(download.properties)
        if offset and offset >= size:
            raise RangeNotSatisfiable(path)  # Azurite returns an empty range at the end
        return StoredObject(_properties(download.properties, size=size), content)

    async def put(
        self,
        path: str,
        content: Buffer,
        *,
        metadata: Mapping[str, str] | None = None,
        condition: Condition = UNCONDITIONAL,
    ) -> str:
        options = _conditions(condition, overwrite=True)
        try:
            async with self._calling("put", path) as call:
                answer = await self._blob(path).upload_blob(
                    bytes(content), metadata=check_metadata(metadata), max_concurrency=1, **options
                )
        except ConditionFailed:
            own = await find_own_put(self, path, content, metadata) if call.answer_lost else None
            if own is None:
                raise
            return own
        return _etag(answer)

    async def set_metadata(
        self, path: str, metadata: Mapping[str, str], *, condition: Condition = UNCONDITIONAL
    ) -> str:
        checked = check_metadata(metadata)
        try:
            async with self._calling("set_metadata", path) as call:
                answer = await self._blob(path).set_blob_metadata(checked, **_conditions(condition))
        except ConditionFailed:
            found = await self.head(path) if call.answer_lost else None
            if found is None or dict(found.metadata) != checked:
                raise
            return found.etag
        return _etag(answer)

    async def stage(self, path: str, block_id: str, content: Buffer, *, md5: bytes) -> None:
        async with self._calling("stage", path):
            await self._blob(path).stage_block(
                check_block_id(block_id),
                cast("Any", Body(content)),
                length=memoryview(content).nbytes,
                headers={"Content-MD5": base64.b64encode(md5).decode()},
            )

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
        # The SDK has no parameter for it.
        condition = {"x-ms-source-if-match": source_etag} if source_etag else {}

        async def stage(url: str) -> None:
            async with self._calling("stage_from", path, seconds=self._limits.copy):
                await self._blob(path).stage_block_from_url(
                    check_block_id(block_id),
                    url,
                    source_offset=None if length is None else offset,
                    source_length=length,
                    headers=condition,
                    read_timeout=self._limits.copy,
                )

        await self._with_source(source, stage, seconds=_COPY_SECONDS)

    async def commit(
        self,
        path: str,
        block_ids: Sequence[str],
        *,
        metadata: Mapping[str, str] | None = None,
        condition: Condition = UNCONDITIONAL,
    ) -> str:
        try:
            async with self._calling("commit", path) as call:
                answer = await self._blob(path).commit_block_list(
                    [BlobBlock(check_block_id(block_id)) for block_id in block_ids],
                    metadata=check_metadata(metadata),
                    **_conditions(condition),
                )
        except ConditionFailed:
            own = await find_own_commit(self, path, block_ids) if call.answer_lost else None
            if own is None:
                raise
            return own
        return _etag(answer)

    async def committed_blocks(self, path: str) -> tuple[str, Sequence[str]]:
        etags: list[str] = []

        def keep_etag(response: PipelineResponse[Any, Any]) -> None:
            etags.append(response.http_response.headers.get("ETag", ""))

        async with self._calling("committed_blocks", path):
            blocks, _ = await self._blob(path).get_block_list(
                "committed", raw_response_hook=keep_etag
            )
        return etags[-1], [block.id for block in blocks]

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
        if size > self._limits.copy_whole:
            return await copy_in_pieces(
                self,
                path,
                source,
                size=size,
                piece=self._limits.copy_piece,
                source_etag=source_etag,
                metadata=metadata,
                condition=condition,
            )
        options = _conditions(condition, read_timeout=self._limits.copy)
        if source_etag:
            options |= {
                "source_etag": source_etag,
                "source_match_condition": MatchConditions.IfNotModified,
            }

        async def copy(url: str) -> Mapping[str, Any]:
            async with self._calling("copy", path, seconds=self._limits.copy):
                return await self._blob(path).start_copy_from_url(
                    url, metadata=check_metadata(metadata), requires_sync=True, **options
                )

        answer = await self._with_source(source, copy, seconds=_COPY_SECONDS)
        # Nothing is readable before; aborting a pending copy would leave an empty object.
        if answer["copy_status"] != "success":
            raise StoreUnavailable(f"copy {path}: {answer['copy_status']}")
        return _etag(answer)

    async def delete(self, path: str, *, condition: Condition = UNCONDITIONAL) -> None:
        try:
            async with self._calling("delete", path) as call:
                await self._blob(path).delete_blob("include", **_conditions(condition))
        except NotFound:
            if not call.answer_lost:
                raise
        except ConditionFailed:  # Azurite's answer for an object that does not exist
            if not call.answer_lost or await exists(self, path):
                raise

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
        if not (continuation or "").isprintable():  # storage would answer with a server error
            raise ContinuationInvalid(prefix)
        walk = self._container.walk_blobs if by_folder else self._container.list_blobs
        body = ListingBody()
        rows = walk(
            prefix,
            include=["metadata"] if metadata else None,
            start_from=start_from,
            results_per_page=limit,
            raw_response_hook=body.keep,
        ).by_page(continuation)
        async with self._calling("list", prefix):
            try:
                await anext(rows)
            except HttpResponseError as error:
                if continuation is not None and error.status_code == 400:
                    raise ContinuationInvalid(prefix) from None
                raise
            return await body.page()


def _conditions(condition: Condition, **options: Any) -> dict[str, Any]:
    """Return a condition as parameters of the SDK, with other ``options``."""
    if condition.if_match is not None:
        options |= {"etag": condition.if_match, "match_condition": MatchConditions.IfNotModified}
    if condition.if_absent:
        options |= {"match_condition": MatchConditions.IfMissing}
    return options


def _etag(answer: Mapping[str, Any]) -> str:
    etag: str = answer["etag"]
    return etag


def _properties(blob: BlobProperties, *, size: int | None = None) -> Properties:
    """Return the SDK's properties as ours. ``size``: of the whole, if ``blob`` is a part."""
    return Properties(
        etag=_quote_etag(blob.etag or ""),
        size=blob.size if size is None else size,
        last_modified=blob.last_modified,
        # Names come back in the case in which they were first written.
        metadata={name.lower(): value for name, value in (blob.metadata or {}).items()},
        is_append=blob.blob_type == BlobType.APPENDBLOB,
    )


def _whole_size(part: BlobProperties) -> int:
    """Return the size in bytes of the whole blob that ``part`` was read from."""
    return int((part.content_range or "/0").rpartition("/")[2])


def _quote_etag(etag: str) -> str:
    """Return an ETag in quotes, as headers have it; listings have it without."""
    return etag if etag.endswith('"') else f'"{etag}"'
