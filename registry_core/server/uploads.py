"""Uploads over HTTP. OCI distribution-spec, "Pushing blobs"."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from http import HTTPStatus

from starlette.responses import Response

from ..auth.scopes import PULL, repository
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
from .call import Call
from .sessions import Session

# In bytes; advice that is not enforced. Smaller chunks make many blocks, and behind Functions a
# longer one with a Content-Length could meet the host's limit of 100 MiB.
CHUNK_LENGTHS = {
    "OCI-Chunk-Min-Length": str(8 * 2**20),
    "OCI-Chunk-Max-Length": str(64 * 2**20),
}


async def start_upload(call: Call, endpoint: StartUpload) -> Response:
    session = await _begin(call, endpoint.repository, endpoint.algorithm or SHA256)
    if endpoint.digest is not None:
        return await _finish(call, session, endpoint.digest)
    headers = _progress_headers(call, session) | CHUNK_LENGTHS
    return Response(status_code=HTTPStatus.ACCEPTED, headers=headers)


async def mount_blob(call: Call, endpoint: MountBlob) -> Response:
    """What cannot be mounted, or not by this caller, may be uploaded instead."""
    if _may_read(call, endpoint.source):
        with suppress(BlobUnknown):
            blob = await call.registry.mount_blob(
                endpoint.repository, endpoint.digest, endpoint.source
            )
            return _created(call, endpoint.repository, blob.digest)
    session = await _begin(call, endpoint.repository, endpoint.digest.algorithm)
    return _progress(call, session, HTTPStatus.ACCEPTED)


def _may_read(call: Call, source: str | None) -> bool:
    """Without a source, the blob may come from anywhere."""
    if source is None:
        return call.caller.permissions.reads_everything()
    return not call.caller.lacks([repository(source, PULL)])


async def _begin(call: Call, name: str, algorithm: str) -> Session:
    upload = await call.registry.start_upload(name, algorithm)
    return Session(upload, call.caller.name, call.service.uploads.now())


async def get_upload(call: Call, endpoint: GetUpload) -> Response:
    session = call.session(endpoint.repository, endpoint.upload_id, endpoint.state)
    upload = await call.registry.get_upload(session.upload)
    return _progress(call, replace(session, upload=upload), HTTPStatus.NO_CONTENT)


async def append_upload(call: Call, endpoint: AppendUpload) -> Response:
    session = call.session(endpoint.repository, endpoint.upload_id, endpoint.state)
    try:
        upload = await call.registry.append_upload(session.upload, call.chunk())
    except UploadOutOfOrder as error:
        raise _with_progress(call, session, error) from error
    return _progress(call, replace(session, upload=upload), HTTPStatus.ACCEPTED)


async def finish_upload(call: Call, endpoint: FinishUpload) -> Response:
    session = call.session(endpoint.repository, endpoint.upload_id, endpoint.state)
    if endpoint.digest is None:
        raise DigestInvalid("the query lacks the blob's digest; add digest=<algorithm>:<hex>")
    try:
        return await _finish(call, session, endpoint.digest)
    except UploadOutOfOrder as error:
        raise _with_progress(call, session, error) from error


async def cancel_upload(call: Call, endpoint: CancelUpload) -> Response:
    session = call.session(endpoint.repository, endpoint.upload_id, endpoint.state)
    await call.registry.cancel_upload(session.upload)
    return Response(status_code=HTTPStatus.NO_CONTENT)


async def _finish(call: Call, session: Session, digest: Digest) -> Response:
    blob = await call.registry.finish_upload(session.upload, digest, call.chunk())
    return _created(call, session.upload.repository, blob.digest)


def _created(call: Call, repository: str, digest: Digest) -> Response:
    location = call.service.urls.of(GetBlob(repository, digest), call.request)
    headers = {"Location": location, "Docker-Content-Digest": str(digest)}
    return Response(status_code=HTTPStatus.CREATED, headers=headers)


def _progress(call: Call, session: Session, status: HTTPStatus) -> Response:
    return Response(status_code=status, headers=_progress_headers(call, session))


def _with_progress(call: Call, session: Session, error: UploadOutOfOrder) -> UploadOutOfOrder:
    """The client can resume from what the answer says."""
    error.headers = _progress_headers(call, replace(session, upload=error.upload))
    return error


def _progress_headers(call: Call, session: Session) -> dict[str, str]:
    upload = session.upload
    state = call.service.uploads.sign(session)
    endpoint = AppendUpload(upload.repository, upload.id, state)
    return {
        "Location": call.service.urls.of(endpoint, call.request),
        "Range": upload_range(upload.offset),
        "Docker-Upload-UUID": upload.id,
    }
