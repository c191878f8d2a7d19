"""Blobs over HTTP. OCI distribution-spec, "Pulling blobs"."""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.responses import RedirectResponse, Response, StreamingResponse

from ..spec.descriptor import Descriptor
from ..spec.endpoints import DeleteBlob, GetBlob, HeadBlob
from ..spec.media_types import OCTET_STREAM
from ..spec.ranges import ByteRange, is_suffix, parse_range
from .conditional import UNCHANGING, not_modified
from .context import RequestContext
from .urls import host_name

_LOOPBACK = {"localhost": "127.0.0.1", "127.0.0.1": "localhost"}


async def head_blob(context: RequestContext, endpoint: HeadBlob) -> Response:
    blob = await context.registry.resolve_blob(endpoint.repository, endpoint.digest)
    headers = _headers(blob)
    known = not_modified(context.request, blob.digest, headers)
    return known or Response(headers=headers | {"Content-Length": str(blob.size)})


async def get_blob(context: RequestContext, endpoint: GetBlob) -> Response:
    blob = await context.registry.resolve_blob(endpoint.repository, endpoint.digest)
    headers = _headers(blob)
    known = not_modified(context.request, blob.digest, headers)
    if known is not None:
        return known
    wanted = parse_range(context.header("range"), blob.size)
    url = None if is_suffix(context.header("range")) else await context.registry.get_blob_url(blob)
    if url is not None:
        return RedirectResponse(_elsewhere(url, host_name(context.request)), headers=_digest(blob))
    return await _stream(context, blob, wanted, headers)


async def delete_blob(context: RequestContext, endpoint: DeleteBlob) -> Response:
    await context.registry.delete_blob(endpoint.repository, endpoint.digest)
    return Response(status_code=HTTPStatus.ACCEPTED)


async def _stream(
    context: RequestContext, blob: Descriptor, wanted: ByteRange | None, headers: dict[str, str]
) -> Response:
    status, offset, length = HTTPStatus.OK, 0, blob.size
    if wanted is not None:
        status, offset, length = HTTPStatus.PARTIAL_CONTENT, wanted.start, wanted.length
        headers["Content-Range"] = wanted.content_range(blob.size)
    headers["Content-Length"] = str(length)
    if length == 0:
        return Response(headers=headers)
    body = await context.registry.get_blob(blob, offset=offset, length=length)
    return StreamingResponse(body, status_code=status, headers=headers)


def _digest(blob: Descriptor) -> dict[str, str]:
    return {"Docker-Content-Digest": str(blob.digest)}


def _headers(blob: Descriptor) -> dict[str, str]:
    return _digest(blob) | {
        "Accept-Ranges": "bytes",
        "Cache-Control": UNCHANGING,
        "Content-Type": OCTET_STREAM,
        "ETag": f'"{blob.digest}"',
    }


def _elsewhere(url: str, asked: str) -> str:
    """The same URL under a name that the client did not use for the registry.

    Go's clients forward ``Authorization`` to the same host name whatever the port, and storage
    refuses a signed URL with a foreign ``Authorization`` beside it. Only on loopback can the names
    be the same.
    """
    parts = urlsplit(url)
    other = _LOOPBACK.get(asked)
    if other is None or parts.hostname != asked:
        return url
    return parts._replace(netloc=f"{other}:{parts.port}" if parts.port else other).geturl()
