"""The requests of uploads, answered as by a registry: OCI distribution-spec, "Pushing blobs".

Where the registry refuses, the client gets its answer.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response

from ..client.bodies import whole
from ..client.options import default_user_agent
from ..spec import endpoints as e
from ..spec import routes
from ..spec.digest import Digest
from ..spec.errors import DigestInvalid, RangeInvalid, RegistryError
from ..spec.ranges import upload_range
from ..storage.ingest import BLOCK
from .bodies import PushedBody
from .forwarding import Forwarder, target_of
from .headers import Headers, of_upload
from .memory import Memory
from .table import UploadTable
from .uploads import OCTETS, Begun, Choose, RelayedUpload
from .upstream import Answered, Refused

_log = logging.getLogger(__name__)

_LONGEST_SIZE = 19  # characters
_USER_AGENT = f"{default_user_agent()} (relay)"


@dataclass(frozen=True)
class Call:
    """A client's request, and the relay's URL as the client calls it."""

    request: Request
    base: str


class Pusher:
    """Handles uploads."""

    def __init__(
        self,
        forwarder: Forwarder,
        memory: Memory,
        choose: Choose,
    ) -> None:
        self._forwarder = forwarder
        self._upstream = forwarder.upstream
        self._memory = memory
        self._choose = choose
        self.table = UploadTable()

    async def start(self, call: Call, endpoint: e.StartUpload | e.MountBlob) -> Response:
        """Begin an upload or mount a blob; with ``digest``, the body is the blob (end-4b)."""
        headers = self._headers(call)
        if isinstance(endpoint, e.StartUpload) and endpoint.digest is not None:
            return await self._push(call, endpoint, endpoint.digest, headers)
        answer = await self._upstream.call("POST", target_of(call.request), headers, b"")
        return await self._begun(call, endpoint.repository, answer)

    async def status(self, call: Call, endpoint: e.GetUpload) -> Response:
        async with self.table.opened(endpoint) as upload:
            return _progress(call, upload, HTTPStatus.NO_CONTENT)

    async def append(self, call: Call, endpoint: e.AppendUpload) -> Response:
        body, headers = PushedBody.of(call.request), self._headers(call)
        async with self.table.opened(endpoint) as upload:
            _check_start(call, upload, endpoint, body)
            try:
                await upload.append(body, headers)
            except BaseException as error:
                await self._give_up(upload, headers, error)
                raise
            return _progress(call, upload, HTTPStatus.ACCEPTED)

    async def finish(self, call: Call, endpoint: e.FinishUpload) -> Response:
        if endpoint.digest is None:
            raise DigestInvalid("the URL lacks the blob's digest; add digest=<algorithm>:<hex>")
        body, headers = PushedBody.of(call.request), self._headers(call)
        before = self.table.finished(endpoint)
        if before is not None:
            return self._forwarder.answer(before, call.base)
        async with self.table.opened(endpoint) as upload:
            _check_start(call, upload, endpoint, body)
            answer = await self._finish(upload, endpoint.digest, body, headers)
        return self._forwarder.answer(answer, call.base)

    async def cancel(self, call: Call, endpoint: e.CancelUpload) -> Response:
        headers = self._headers(call)
        async with self.table.opened(endpoint) as upload:
            answer = await self._upstream.call("DELETE", upload.begun.location, headers)
            if answer.status in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_FOUND):
                await self.table.end(upload)
        return self._forwarder.answer(answer, call.base)

    async def _push(
        self, call: Call, endpoint: e.StartUpload, digest: Digest, headers: Headers
    ) -> Response:
        """Push a whole blob: as it came if it is small, else as an upload."""
        body = PushedBody.of(call.request)
        start, content = bytearray(), b""
        async with self._memory.receiving:
            if await body.fill(start, BLOCK):
                body.check_length()
                content = bytes(start)
                answer = await self._upstream.call(
                    "POST", target_of(call.request), [*headers, OCTETS], lambda: whole(content)
                )
                return await self._begun(call, endpoint.repository, answer)
        without_digest = e.StartUpload(endpoint.repository, algorithm=digest.algorithm)
        answer = await self._upstream.call("POST", routes.build(without_digest), headers, b"")
        upload = await self._registered(endpoint.repository, answer)
        if upload is not None:
            body.unread(bytes(start))
            async with upload.lock:
                answer = await self._finish(upload, digest, body, headers)
        return self._forwarder.answer(answer, call.base)

    async def _begun(self, call: Call, repository: str, answer: Answered) -> Response:
        """Answer a client that wanted to begin an upload: what the registry says to it."""
        upload = await self._registered(repository, answer)
        if upload is None:
            return self._forwarder.answer(answer, call.base)
        return _progress(call, upload, HTTPStatus.ACCEPTED)

    async def _registered(self, repository: str, answer: Answered) -> RelayedUpload | None:
        """Return the upload that the registry has begun; None if it has not.

        One that continues on another server, which the client can do without the relay, is its own.
        """
        path = self._forwarder.rewriter.path_of(answer.header("location") or "")
        if answer.status != HTTPStatus.ACCEPTED or path is None:
            return None
        limit = answer.header("oci-chunk-max-length") or ""
        is_size = limit.isdecimal() and len(limit) < _LONGEST_SIZE
        uuid = answer.header("docker-upload-uuid") or ""
        begun = Begun(
            repository,
            path,
            uuid if uuid.isascii() else "",
            (int(limit) or None) if is_size else None,
        )
        upload = RelayedUpload(begun, self._upstream, self._memory, self._choose)
        await self.table.add(upload)
        return upload

    async def _finish(
        self, upload: RelayedUpload, digest: Digest, body: PushedBody, headers: Headers
    ) -> Answered:
        """Finish an upload, which is at its end then, unless its last request may be repeated."""
        try:
            answer = await upload.finish(digest, body, headers)
        except Refused as refused:
            answer = refused.answer
        except BaseException as error:
            await self._give_up(upload, headers, error)
            raise
        if answer.status == HTTPStatus.CREATED:
            await self.table.finish(upload, digest, answer)
        elif not (answer.may_change and await upload.undo(body)):
            await self._give_up(upload, headers, None)
        return answer

    async def _give_up(
        self, upload: RelayedUpload, headers: Headers, error: BaseException | None
    ) -> None:
        """End an upload that cannot go on, in the registry as well."""
        await self.table.end(upload)
        if isinstance(error, asyncio.CancelledError):  # the relay is being stopped
            return
        try:
            await self._upstream.call("DELETE", upload.begun.location, headers)
        except RegistryError as fault:
            _log.info("an upload was not cancelled in the registry: %s", fault)

    def _headers(self, call: Call) -> Headers:
        """Return the headers of requests to the registry: those of the client, but for the body."""
        return of_upload(call.request.headers.items(), _USER_AGENT)


def _check_start(
    call: Call, upload: RelayedUpload, endpoint: e.UploadEndpoint, body: PushedBody
) -> None:
    """Check that a request continues the upload as it is, by its ``Content-Range`` and its URL.

    :raises RangeInvalid: it does not; a repeated request would add its content twice.
    """
    size, _, _ = endpoint.state.partition(".")
    known = int(size) if size.isdecimal() and len(size) < _LONGEST_SIZE else None
    try:
        upload.check_start(body.start)
        upload.check_start(known)
    except RangeInvalid as error:
        error.headers = _progress_headers(call, upload)
        raise


def _progress(call: Call, upload: RelayedUpload, status: HTTPStatus) -> Response:
    return Response(status_code=status, headers=_progress_headers(call, upload))


def _progress_headers(call: Call, upload: RelayedUpload) -> dict[str, str]:
    endpoint = e.AppendUpload(upload.begun.repository, upload.id, upload.state)
    return {
        "Location": f"{call.base}{routes.build(endpoint)}",
        "Range": upload_range(upload.size),
        "Docker-Upload-UUID": upload.begun.uuid or upload.id,
        "Docker-Distribution-Api-Version": "registry/2.0",
    }
