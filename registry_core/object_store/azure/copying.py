"""Copies, which storage makes by itself, reading its own blobs with signed URLs.

learn.microsoft.com/rest/api/storageservices/copy-blob-from-url, put-block-from-url
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from aiohttp import ClientResponse

from ...aio import for_each
from ..errors import BlockListInvalid, ConditionFailed, StoreUnavailable
from ..interface import UNCONDITIONAL, Condition, ObjectStore, if_match
from .blocks import encode_block_id
from .client import Consume, no_value
from .container import Container
from .errors import AccessDenied
from .properties import condition_headers, metadata_headers, read_written

_log = logging.getLogger(__name__)

T = TypeVar("T")

_SIGNATURE_SECONDS = 3600
_RANGES_AT_ONCE = 4
_RELAYED_AT_ONCE = 2
_RELAY_SECONDS = 600
"""How long copies pass through the registry until storage is to make one again."""


@dataclass(frozen=True)
class Part:
    """A part of an object, or, without ``length``, all of it: a source of a block."""

    path: str
    offset: int = 0
    length: int | None = None
    etag: str | None = None


Stage = Callable[[str, str, Part], Awaitable[None]]
"""Stages a part of another object as the block with a path and an id."""


@dataclass(frozen=True)
class Copy:
    """The parameters of `ObjectStore.copy`."""

    path: str
    source: str
    size: int
    source_etag: str | None
    metadata: Mapping[str, str]
    condition: Condition


class Copier:
    """Makes the copies of a store.

    Where the network rules of an account do not let storage read its own blobs, the bytes of copies
    pass through the registry instead, for a while: two calls for each range of
    `Limits.relayed_piece` bytes, and one more.
    """

    def __init__(
        self,
        store: ObjectStore,
        container: Container,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the store whose blocks are staged, and its container; ``monotonic`` is a clock."""
        self._store = store
        self._container = container
        self._limits = container.client.limits
        self._monotonic = monotonic
        self._relays_until = monotonic()

    async def copy(self, copy: Copy) -> str:
        """Make a copy and return its ETag: see `ObjectStore.copy`."""
        if self._monotonic() >= self._relays_until:
            try:
                if copy.size > self._limits.copy_whole:
                    piece = self._limits.copy_piece
                    return await self._in_ranges(copy, self._stage_from, piece, _RANGES_AT_ONCE)
                return await self._whole(copy)
            except AccessDenied as denied:
                self._begin_to_relay(denied)
        piece = self._limits.relayed_piece
        return await self._in_ranges(copy, self._relay, piece, _RELAYED_AT_ONCE)

    async def stage_from(self, path: str, block_id: str, source: Part) -> None:
        """Stage a block: see `ObjectStore.stage_from`.

        Where blocks pass through the registry, two calls; one of more than `Limits.copy_piece`
        bytes is not staged.
        """
        if self._monotonic() >= self._relays_until:
            try:
                return await self._stage_from(path, block_id, source)
            except AccessDenied as denied:
                self._begin_to_relay(denied)
        return await self._relay(path, block_id, source)

    def _begin_to_relay(self, denied: AccessDenied) -> None:
        """Have copies pass through the registry, if storage cannot read its own source.

        :raises AccessDenied: that is not what was denied.
        """
        if not denied.concerns_source:
            raise denied
        _log.warning("copies pass through the registry for a while: %s", denied)
        self._relays_until = self._monotonic() + _RELAY_SECONDS

    async def _stage_from(self, path: str, block_id: str, source: Part) -> None:
        headers = {} if source.etag is None else {"x-ms-source-if-match": source.etag}
        if source.length is not None:
            last = source.offset + source.length - 1
            headers["x-ms-source-range"] = f"bytes={source.offset}-{last}"
        query = {"comp": "block", "blockid": encode_block_id(block_id)}

        async def send(url: str) -> None:
            sent = headers | {"x-ms-copy-source": url}
            await self._send("stage_from", path, no_value, sent, query)

        await self._with_source(source.path, send)

    async def _relay(self, path: str, block_id: str, source: Part) -> None:
        most = self._limits.copy_piece
        same = if_match(source.etag) if source.etag else UNCONDITIONAL
        wanted = min(source.length or most, most)
        found = await self._store.get_range(source.path, source.offset, wanted, condition=same)
        content = found.content
        if len(content) != (source.length or found.properties.size):
            raise StoreUnavailable(
                f"stage_from {source.path}: the {source.length or found.properties.size} bytes are "
                f"not all there, or more than {most}, which cannot pass through the registry"
            )
        md5 = await asyncio.to_thread(hashlib.md5, content, usedforsecurity=False)
        await self._store.stage(path, block_id, content, md5=md5.digest())

    async def _whole(self, copy: Copy) -> str:
        headers = {
            "x-ms-requires-sync": "true",
            **metadata_headers(copy.metadata),
            **condition_headers(copy.condition),
        }
        if copy.source_etag is not None:
            headers["x-ms-source-if-match"] = copy.source_etag

        async def read(response: ClientResponse) -> str:
            # Nothing is readable before; aborting a pending copy would leave an empty object.
            status = response.headers.get("x-ms-copy-status", "success")
            if status != "success":
                raise StoreUnavailable(f"copy {copy.path}: {status}")
            return await read_written(response)

        async def send(url: str) -> str:
            sent = headers | {"x-ms-copy-source": url}
            return await self._send("copy", copy.path, read, sent)

        return await self._with_source(copy.source, send)

    async def _send(
        self,
        operation: str,
        path: str,
        consume: Consume[T],
        headers: Mapping[str, str],
        query: Mapping[str, str] | None = None,
    ) -> T:
        seconds = self._limits.copy
        answer = await self._container.read(
            operation,
            "PUT",
            path,
            consume,
            headers=headers,
            query=query or {},
            seconds=seconds,
            silence=seconds,
        )
        return answer.value

    async def _with_source(self, source: str, call: Callable[[str], Awaitable[T]]) -> T:
        """Call with a signed URL of ``source``; once more, with a new key, if access is denied."""
        container = self._container
        signature = await container.sign(source, _SIGNATURE_SECONDS)
        try:
            return await call(container.signed_url(source, signature))
        except AccessDenied as denied:
            if not (denied.may_concern_signature and container.signer.discard(signature)):
                raise
        signature = await container.sign(source, _SIGNATURE_SECONDS)
        return await call(container.signed_url(source, signature))

    async def _in_ranges(self, copy: Copy, stage: Stage, piece: int, at_once: int) -> str:
        """Copy ranges of ``piece`` bytes, ``at_once`` at a time, and commit them."""
        nonce = secrets.token_hex(8)
        offsets = range(0, copy.size, piece)
        block_ids = [f"{nonce}-{index:06d}" for index in range(len(offsets))]

        async def stage_one(block: tuple[str, int]) -> None:
            block_id, offset = block
            length = min(piece, copy.size - offset)
            await stage(copy.path, block_id, Part(copy.source, offset, length, copy.source_etag))

        await for_each(zip(block_ids, offsets, strict=True), stage_one, limit=at_once)
        try:
            return await self._store.commit(
                copy.path, block_ids, metadata=copy.metadata, condition=copy.condition
            )
        except BlockListInvalid as error:
            # Another writer of the target has dropped our blocks.
            raise ConditionFailed(str(error)) from None
