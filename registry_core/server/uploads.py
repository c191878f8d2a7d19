"""Uploads over HTTP. OCI distribution-spec, "Pushing blobs"."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from http import HTTPStatus

from starlette.responses import Response

from ..registry import UploadOutOfOrder
from ..spec.digest import SHA256, Digest
from ..spec.endpoints import (
    AppendUpload,
    CancelUpload,
    FinishUpload,
    GetBlob,
    GetUpload,
    MountBlob,
    StartUpload,
)
from ..spec.errors import BlobUnknown, DigestInvalid
from ..spec.ranges import upload_range
from ..spec.scopes import PULL, repository_scope
from .context import RequestContext
from .sessions import UploadSession

# In bytes; advice, not enforced. Larger chunks that have a Content-Length could exceed the limit of
# the Functions host, 100 MiB by default. Chunks have no minimum, so the header
# `OCI-Chunk-Min-Length` is left out.
CHUNK_LENGTH = {"OCI-Chunk-Max-Length": str(64 * 2**20)}


async def start_upload(context: RequestContext, endpoint: StartUpload) -> Response:
    session = await _begin(context, endpoint.repository, endpoint.algorithm or SHA256)
    if endpoint.digest is not None:
        return await _finish(context, session, endpoint.digest)
    return _begun(context, session)


async def mount_blob(context: RequestContext, endpoint: MountBlob) -> Response:
    """Mount a blob, or start an upload if it is missing or the caller may not read the source."""
    if _may_read(context, endpoint.source):
        with suppress(BlobUnknown):
            blob = await context.registry.mount_blob(
                endpoint.repository, endpoint.digest, endpoint.source
            )
            return _created(context, endpoint.repository, blob.digest)
    return _begun(context, await _begin(context, endpoint.repository, endpoint.digest.algorithm))


def _may_read(context: RequestContext, source: str | None) -> bool:
    """Return whether the caller may read the source of a mount. None: any repository."""
    if source is None:
        return context.caller.permissions.reads_everything()
    return not context.caller.lacks([repository_scope(source, PULL)])


async def _begin(context: RequestContext, repository: str, algorithm: str) -> UploadSession:
    upload = await context.registry.start_upload(repository, algorithm)
    return UploadSession(upload, context.caller.name, context.server.sessions.now())


def _begun(context: RequestContext, session: UploadSession) -> Response:
    headers = _progress_headers(context, session) | CHUNK_LENGTH
    return Response(status_code=HTTPStatus.ACCEPTED, headers=headers)


async def get_upload(context: RequestContext, endpoint: GetUpload) -> Response:
    session = context.session
    upload = await context.registry.get_upload(session.upload)
    return _progress(context, replace(session, upload=upload), HTTPStatus.NO_CONTENT)


async def append_upload(context: RequestContext, endpoint: AppendUpload) -> Response:
    session = context.session
    try:
        upload = await context.registry.append_upload(session.upload, context.chunk())
    except UploadOutOfOrder as error:
        raise _with_progress(context, session, error) from error
    return _progress(context, replace(session, upload=upload), HTTPStatus.ACCEPTED)


async def finish_upload(context: RequestContext, endpoint: FinishUpload) -> Response:
    session = context.session
    if endpoint.digest is None:
        raise DigestInvalid("the URL lacks the blob's digest; add digest=<algorithm>:<hex>")
    try:
        return await _finish(context, session, endpoint.digest)
    except UploadOutOfOrder as error:
        raise _with_progress(context, session, error) from error


async def cancel_upload(context: RequestContext, endpoint: CancelUpload) -> Response:
    session = context.session
    await context.registry.cancel_upload(session.upload)
    return Response(status_code=HTTPStatus.NO_CONTENT)


async def _finish(context: RequestContext, session: UploadSession, digest: Digest) -> Response:
    blob = await context.registry.finish_upload(session.upload, digest, context.chunk())
    return _created(context, session.upload.repository, blob.digest)


def _created(context: RequestContext, repository: str, digest: Digest) -> Response:
    location = context.url(GetBlob(repository, digest))
    headers = {"Location": location, "Docker-Content-Digest": str(digest)}
    return Response(status_code=HTTPStatus.CREATED, headers=headers)


def _progress(context: RequestContext, session: UploadSession, status: HTTPStatus) -> Response:
    return Response(status_code=status, headers=_progress_headers(context, session))


def _with_progress(
    context: RequestContext, session: UploadSession, error: UploadOutOfOrder
) -> UploadOutOfOrder:
    """Return the error with headers from which the client can resume."""
    error.headers = _progress_headers(context, replace(session, upload=error.upload))
    return error


def _progress_headers(context: RequestContext, session: UploadSession) -> dict[str, str]:
    upload = session.upload
    state = context.server.sessions.seal(session)
    endpoint = AppendUpload(upload.repository, upload.id, state)
    return {
        "Location": context.url(endpoint),
        "Range": upload_range(upload.offset),
        "Docker-Upload-UUID": upload.id,
    }
