"""Uploads over HTTP. OCI distribution-spec, "Pushing blobs".

Besides, two ways by which the bytes go from a client straight to storage: *staging*, an extension
that clients have to know (`spec.staging`), and *direct uploads*, for those that follow a
``Location`` on another host without knowing (`direct_clients`).
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from http import HTTPStatus

from starlette.responses import Response

from ..registry import DirectUpload, UploadOutOfOrder
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
from ..spec.errors import BlobUnknown, DigestInvalid, SizeInvalid, TooManyRequests
from ..spec.ranges import upload_range
from ..spec.scopes import PULL, repository_scope
from ..spec.staging import STAGING, Staging
from .bodies import content_length
from .context import RequestContext
from .direct_clients import may_upload_directly
from .sessions import UploadSession

# For answers with URLs that permit to write to storage.
_SECRET = {"Cache-Control": "no-store"}


async def start_upload(context: RequestContext, endpoint: StartUpload) -> Response:
    direct = None if content_length(context.request) else await _begin_direct(context, endpoint)
    if direct is not None:
        return _begun_direct(context, direct)
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
    direct = await _begin_direct(context, endpoint)
    if direct is not None:
        return _begun_direct(context, direct)
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
    """Return the answer with a new upload.

    Where the host limits bodies, it tells how long a chunk may be. Chunks have no minimum, so the
    header `OCI-Chunk-Min-Length` is left out.
    """
    headers = _progress_headers(context, session)
    if context.server.body_limit is not None:
        headers["OCI-Chunk-Max-Length"] = str(context.server.body_limit)
    return Response(status_code=HTTPStatus.ACCEPTED, headers=headers)


async def _begin_direct(
    context: RequestContext, endpoint: StartUpload | MountBlob
) -> DirectUpload | None:
    """Return a new direct upload; None if the client, or the registry, has no such uploads."""
    if not may_upload_directly(context.header("user-agent") or "", endpoint):
        return None
    return await context.registry.start_direct_upload(endpoint.repository)


def _begun_direct(context: RequestContext, direct: DirectUpload) -> Response:
    """Return the answer with an upload to storage. It takes no chunks, so it has no length."""
    headers = _SECRET | {
        "Location": context.storage_url(direct.url),
        "Range": upload_range(0),
        "Docker-Upload-UUID": direct.upload.id,
    }
    return Response(status_code=HTTPStatus.ACCEPTED, headers=headers)


async def get_upload(context: RequestContext, endpoint: GetUpload) -> Response:
    session = context.session
    staging = await context.registry.open_staging(session.upload) if endpoint.staging else None
    if staging is not None:
        return _staged(context, session, staging)
    upload = await context.registry.get_upload(session.upload)
    return _progress(context, replace(session, upload=upload), HTTPStatus.NO_CONTENT)


def _staged(context: RequestContext, session: UploadSession, staging: Staging) -> Response:
    staging = replace(staging, url=context.storage_url(staging.url))
    headers = _progress_headers(context, session) | _SECRET
    return Response(staging.to_json(), headers=headers, media_type=STAGING)


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
    if endpoint.blocks is not None:
        return await _finish_staged(context, session, endpoint.digest, endpoint.blocks)
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


async def _finish_staged(
    context: RequestContext, session: UploadSession, digest: Digest, blocks: int
) -> Response:
    """Finish an upload whose content was staged: the request has none.

    :raises TooManyRequests: it is not hashed yet. The headers have what the request takes again.
    """
    if await context.read(0) is None:
        raise SizeInvalid("the request has a body and blocks; send the content as one of the two")
    try:
        blob = await context.registry.finish_staged_upload(session.upload, digest, blocks)
    except TooManyRequests as error:
        error.headers = _progress_headers(context, session) | dict(error.headers)
        raise
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
