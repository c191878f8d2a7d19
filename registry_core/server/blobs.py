"""Blobs over HTTP. OCI distribution-spec, "Pulling blobs"."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from http import HTTPStatus

from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.types import Send

from ..registry import Blob, Body
from ..spec.descriptor import Descriptor
from ..spec.endpoints import DeleteBlob, GetBlob, HeadBlob
from ..spec.media_types import OCTET_STREAM
from ..spec.preconditions import applies_to_range
from ..spec.ranges import ByteRange, is_plain, parse_range
from .conditional import UNCHANGING, is_conditional, not_modified, precondition_of
from .context import RequestContext

# In bytes. A longer answer is streamed, piece by piece, which takes more CPU but less memory.
_SENT_AT_ONCE = 2**20

# In bytes. A connection copies what it cannot send at once, which holds the event loop.
_SLICE = 256 * 2**10


async def head_blob(context: RequestContext, endpoint: HeadBlob) -> Response:
    blob = await context.registry.resolve_blob(endpoint.repository, endpoint.digest)
    headers = _headers(blob)
    known = not_modified(context, blob.digest, headers)
    return known or Response(headers=headers | {"Content-Length": str(blob.size)})


async def get_blob(context: RequestContext, endpoint: GetBlob) -> Response:
    blob = await context.registry.open_blob(endpoint.repository, endpoint.digest)
    headers = _headers(blob.descriptor)
    known = not_modified(context, blob.descriptor.digest, headers)
    if known is not None:
        return known
    wanted = _wanted(context, blob.descriptor)
    url = await blob.url() if _storage_answers_alike(context) else None
    if url is not None:
        return RedirectResponse(context.storage_url(url), headers=_digest(blob.descriptor))
    return await _send(blob, wanted, headers)


def _wanted(context: RequestContext, blob: Descriptor) -> ByteRange | None:
    """Return the part of the blob that the request selects; None for all of it.

    :raises RangeInvalid: the range lies outside the blob.
    """
    if not applies_to_range(context.header("if-range"), blob.digest):
        return None
    return parse_range(context.header("range"), blob.size)


def _storage_answers_alike(context: RequestContext) -> bool:
    """Return whether storage, given the request's headers, answers as the registry would.

    A client repeats them when it follows a redirect.
    """
    return is_plain(context.header("range")) and not is_conditional(context)


async def delete_blob(context: RequestContext, endpoint: DeleteBlob) -> Response:
    precondition = precondition_of(context)
    if precondition is not None:
        blob = await context.registry.open_blob(endpoint.repository, endpoint.digest)
        precondition.check(blob.descriptor.digest)
    await context.registry.delete_blob(endpoint.repository, endpoint.digest)
    return Response(status_code=HTTPStatus.ACCEPTED)


async def _send(blob: Blob, wanted: ByteRange | None, headers: dict[str, str]) -> Response:
    size = blob.descriptor.size
    status, offset, length = HTTPStatus.OK, 0, size
    if wanted is not None:
        status, offset, length = HTTPStatus.PARTIAL_CONTENT, wanted.start, wanted.length
        headers["Content-Range"] = wanted.content_range(size)
    headers["Content-Length"] = str(length)
    if length == 0:
        return Response(headers=headers)
    body = await blob.read(offset, length)
    if length <= _SENT_AT_ONCE:
        content = b"".join([piece async for piece in body])
        return Response(content, status_code=status, headers=headers)
    return _Streamed(body, status_code=status, headers=headers)


class _Streamed(StreamingResponse):
    """A body in slices, closed at its end: a client that hangs up ends what is read ahead."""

    def __init__(self, body: Body, *, status_code: int, headers: dict[str, str]) -> None:
        super().__init__(sliced(body), status_code=status_code, headers=headers)
        self._body = body

    async def stream_response(self, send: Send) -> None:
        try:
            await super().stream_response(send)
        finally:
            if isinstance(self._body, AsyncGenerator):
                await self._body.aclose()


async def sliced(body: Body) -> AsyncIterator[memoryview]:
    """Yield a body in slices, without a copy: the next one once the connection takes it.

    Other requests have their turn after each, also where the connection takes all at once.
    """
    async for piece in body:
        view = memoryview(piece)
        for start in range(0, len(view), _SLICE):
            yield view[start : start + _SLICE]
            await asyncio.sleep(0)


def _digest(blob: Descriptor) -> dict[str, str]:
    return {"Docker-Content-Digest": str(blob.digest)}


def _headers(blob: Descriptor) -> dict[str, str]:
    return _digest(blob) | {
        "Accept-Ranges": "bytes",
        "Cache-Control": UNCHANGING,
        "Content-Type": OCTET_STREAM,
        "ETag": f'"{blob.digest}"',
    }
