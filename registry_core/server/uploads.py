"""Uploads over HTTP. OCI distribution-spec, "Pushing blobs"."""

from __future__ import annotations

from http import HTTPStatus

from starlette.responses import Response

from ..registry import Upload, UploadOutOfOrder
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

# In bytes; advice that is not enforced. Smaller chunks make many blocks, and behind Functions a
# longer one with a Content-Length could meet the host's limit of 100 MiB.
CHUNK_LENGTHS = {
    "OCI-Chunk-Min-Length": str(8 * 2**20),
    "OCI-Chunk-Max-Length": str(64 * 2**20),
}


async def start_upload(call: Call, endpoint: StartUpload) -> Response:
    algorithm = endpoint.algorithm or SHA256
    upload = await call.registry.start_upload(endpoint.repository, algorithm)
    if endpoint.digest is not None:
        return await _finish(call, upload, endpoint.digest)
    headers = _progress_headers(call, upload) | CHUNK_LENGTHS
    return Response(status_code=HTTPStatus.ACCEPTED, headers=headers)


async def mount_blob(call: Call, endpoint: MountBlob) -> Response:
    """What cannot be mounted may be uploaded instead."""
    try:
        blob = await call.registry.mount_blob(endpoint.repository, endpoint.digest, endpoint.source)
    except BlobUnknown:
        upload = await call.registry.start_upload(endpoint.repository, endpoint.digest.algorithm)
        return _progress(call, upload, HTTPStatus.ACCEPTED)
    return _created(call, endpoint.repository, blob.digest)


async def get_upload(call: Call, endpoint: GetUpload) -> Response:
    given = call.upload(endpoint.repository, endpoint.upload_id, endpoint.state)
    upload = await call.registry.get_upload(given)
    return _progress(call, upload, HTTPStatus.NO_CONTENT)


async def append_upload(call: Call, endpoint: AppendUpload) -> Response:
    given = call.upload(endpoint.repository, endpoint.upload_id, endpoint.state)
    try:
        upload = await call.registry.append_upload(given, call.chunk())
    except UploadOutOfOrder as error:
        raise _with_progress(call, error) from error
    return _progress(call, upload, HTTPStatus.ACCEPTED)


async def finish_upload(call: Call, endpoint: FinishUpload) -> Response:
    given = call.upload(endpoint.repository, endpoint.upload_id, endpoint.state)
    if endpoint.digest is None:
        raise DigestInvalid("the query lacks the blob's digest; add digest=<algorithm>:<hex>")
    try:
        return await _finish(call, given, endpoint.digest)
    except UploadOutOfOrder as error:
        raise _with_progress(call, error) from error


async def cancel_upload(call: Call, endpoint: CancelUpload) -> Response:
    given = call.upload(endpoint.repository, endpoint.upload_id, endpoint.state)
    await call.registry.cancel_upload(given)
    return Response(status_code=HTTPStatus.NO_CONTENT)


async def _finish(call: Call, upload: Upload, digest: Digest) -> Response:
    blob = await call.registry.finish_upload(upload, digest, call.chunk())
    return _created(call, upload.repository, blob.digest)


def _created(call: Call, repository: str, digest: Digest) -> Response:
    location = call.service.urls.of(GetBlob(repository, digest), call.request)
    headers = {"Location": location, "Docker-Content-Digest": str(digest)}
    return Response(status_code=HTTPStatus.CREATED, headers=headers)


def _progress(call: Call, upload: Upload, status: HTTPStatus) -> Response:
    return Response(status_code=status, headers=_progress_headers(call, upload))


def _with_progress(call: Call, error: UploadOutOfOrder) -> UploadOutOfOrder:
    """The client can resume from what the answer says."""
    error.headers = _progress_headers(call, error.upload)
    return error


def _progress_headers(call: Call, upload: Upload) -> dict[str, str]:
    state = call.service.uploads.sign(upload)
    endpoint = AppendUpload(upload.repository, upload.id, state)
    return {
        "Location": call.service.urls.of(endpoint, call.request),
        "Range": upload_range(upload.offset),
        "Docker-Upload-UUID": upload.id,
    }
