"""Uploads to a registry over HTTP: begun, continued from where they stopped, finished, cancelled.

The state of an upload is its ``Location``. A registry that says how large chunks may be gets
chunks, which pass the limits of a Functions host and can be sent again; the others get a body as a
whole.

Source: OCI distribution-spec, "Pushing a blob monolithically" and "Pushing a blob in chunks".
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Final
from urllib.parse import quote, urljoin, urlsplit

from ..registry import Chunk, Upload, UploadOutOfOrder
from ..spec.descriptor import Descriptor
from ..spec.digest import SHA256, Digest
from ..spec.endpoints import StartUpload
from ..spec.errors import (
    BlobUploadInvalid,
    BlobUploadUnknown,
    DigestInvalid,
    NameUnknown,
    RangeInvalid,
    RegistryError,
)
from ..spec.media_types import OCTET_STREAM
from ..spec.names import parse_name
from ..spec.ranges import ByteRange, parse_content_range
from .answers import Answer
from .blobs import Blobs, check_digest
from .bodies import MakeBody, OneShot, whole
from .chunks import ChunkedBody, ChunkLimits, SourceFailed
from .meanings import about, is_passing, malformed
from .origins import Origin, parse_url
from .session import Session

_log = logging.getLogger(__name__)

SENT_WITH_PUT: Final = 2**20
"""Bytes. Content up to this size is sent with the PUT that ends the upload, as many clients do."""

# Seconds by which the attempt to cancel an upload may delay the end of a failed push.
_CANCELLING = 5.0

_NAMED = "the upload"

_KNOWN = (HTTPStatus.NO_CONTENT, HTTPStatus.OK, HTTPStatus.ACCEPTED)


@dataclass
class Uploads:
    """`Writer`'s methods for uploads. ``limits``: what the registry last said about chunks."""

    session: Session
    blobs: Blobs
    limits: ChunkLimits = field(default_factory=ChunkLimits)

    async def start_upload(self, repository: str, algorithm: str = SHA256) -> Upload:
        """See `Writer`. One POST."""
        other = None if algorithm == SHA256 else algorithm
        endpoint = StartUpload(parse_name(repository), algorithm=other)
        accepted = (HTTPStatus.ACCEPTED,)
        with about(self.session, repository, NameUnknown, "the repository"):
            async with self.session.request("POST", endpoint, body=b"", ok=accepted) as answer:
                return self.begun(answer, repository)

    def begun(self, answer: Answer, repository: str) -> Upload:
        """Return the upload that an answer to a POST has begun."""
        self.limits = ChunkLimits(
            _length(answer, "OCI-Chunk-Min-Length"), _length(answer, "OCI-Chunk-Max-Length")
        )
        state = _location(answer)
        if state is None:
            raise malformed("the upload has no Location")
        name = urlsplit(state).path.rstrip("/").rpartition("/")[2]
        return Upload(repository, answer.headers.get("Docker-Upload-UUID") or name, 0, state)

    async def get_upload(self, upload: Upload) -> Upload:
        """See `Writer`. One GET."""
        with about(self.session, upload.repository, BlobUploadUnknown, _NAMED):
            async with self.request("GET", upload, upload.state, ok=_KNOWN) as answer:
                return _progress(answer, upload, upload.offset)

    async def append_upload(self, upload: Upload, chunk: Chunk) -> Upload:
        """See `Writer`. One PATCH, or one for each of the chunks that the registry takes.

        After an exception, a part of the piece may have arrived; `get_upload` says how much.
        """
        upload = await self.at(upload, chunk.start)
        body = ChunkedBody(chunk)
        length = self.limits.length
        if length is None:
            return await self._stream(upload, body)
        while not body.has_ended:
            data = await body.take(length)
            upload = await self._deliver(upload, data) if data else upload
        return upload

    async def finish(self, upload: Upload, digest: Digest, body: ChunkedBody) -> Descriptor:
        """Append a body, and make the whole a blob: one PUT, after PATCHes of what is not small."""
        length = self.limits.length
        last = await body.take(length or SENT_WITH_PUT)
        while length is not None and not body.has_ended:
            upload = await self._deliver(upload, last)
            last = await body.take(length)
        if not body.has_ended:
            body.put_back(last)
            upload, last = await self._stream(upload, body), b""
        done = await self._deliver(upload, last, digest)
        return Descriptor(OCTET_STREAM, digest, done.offset)

    async def cancel_upload(self, upload: Upload) -> None:
        """See `Writer`. One DELETE."""
        with about(self.session, upload.repository, BlobUploadUnknown, _NAMED):
            async with self.request("DELETE", upload, upload.state, ok=_KNOWN):
                return

    async def discard(self, upload: Upload) -> None:
        """Cancel an upload that has failed, if the registry can be reached."""
        try:
            async with asyncio.timeout(_CANCELLING):
                await self.cancel_upload(upload)
        except (RegistryError, TimeoutError) as error:
            _log.debug("upload %s of %s is left behind: %s", upload.id, upload.repository, error)

    async def at(self, upload: Upload, start: int | None) -> Upload:
        """Return the upload at the offset ``start``; None: at its own.

        :raises UploadOutOfOrder: it is at another one.
        """
        _check_state(upload)
        if start is None or start == upload.offset:
            return upload
        current = await self.get_upload(upload)
        if current.offset != start:
            raise UploadOutOfOrder(current)
        return current

    def is_own(self, upload: Upload) -> bool:
        """Return whether an upload's ``Location`` is on the registry's own host.

        :raises BlobUploadInvalid: its state is not one.
        """
        _check_state(upload)
        return Origin.of(parse_url(upload.state)) == self.session.options.origin

    def request(
        self,
        method: str,
        upload: Upload,
        url: str,
        *,
        ok: Collection[int],
        body: MakeBody | bytes | None = None,
        position: ByteRange | None = None,
        retry: bool | None = None,
    ) -> AbstractAsyncContextManager[Answer]:
        """Send a request about an upload; see `Session.request`.

        :raises BlobUploadInvalid: its state is not the Location of an upload.
        """
        _check_state(upload)
        headers = {} if body is None else {"Content-Type": OCTET_STREAM}
        if position is not None:
            headers["Content-Range"] = f"{position.start}-{position.end}"
        return self.session.request(
            method,
            url,
            headers=headers,
            body=body,
            ok=ok,
            redirects=False,
            scopes=StartUpload(upload.repository).scopes,  # one token for the whole push
            retry=retry,
        )

    async def _stream(self, upload: Upload, body: ChunkedBody) -> Upload:
        """Append what is left of a body with one PATCH, which cannot be sent again.

        That all of it has arrived is shown by the digest, whatever the answer says: some registries
        are off by one there.
        """
        body.put_back(await body.take(1))
        if body.has_ended:
            return upload  # there is nothing to send
        start = upload.offset - body.taken
        try:
            done = await self._patch(upload, OneShot(body.sent()), None)
        except SourceFailed as failure:
            raise failure.error from None
        except RangeInvalid as error:
            raise UploadOutOfOrder(await self.get_upload(upload)) from error
        return replace(done, offset=start + body.taken)

    async def _deliver(self, upload: Upload, data: bytes, digest: Digest | None = None) -> Upload:
        """Append a chunk; with a digest, finish the upload with it.

        It is sent again, from where the registry says that it stopped.

        :raises UploadOutOfOrder: another request has continued the upload.
        """
        start, failures = upload.offset, 0
        end = start + len(data)
        while True:
            try:
                return await self._attempt(upload, data[upload.offset - start :], digest)
            except RegistryError as error:
                failures += 1
                current = await self._look(error, upload, digest, failures)
            if current is None:
                return replace(upload, offset=end)
            if not start <= current.offset <= end:
                raise UploadOutOfOrder(current)
            if current.offset > upload.offset:
                failures = 1
            upload = current

    async def _attempt(self, upload: Upload, data: bytes, digest: Digest | None) -> Upload:
        end = upload.offset + len(data)
        if digest is not None:
            await self._put(upload, digest, data)
            return replace(upload, offset=end)
        if not data:
            return upload
        return await self._patch(upload, lambda: whole(data), end)

    async def _look(
        self, error: RegistryError, upload: Upload, digest: Digest | None, failures: int
    ) -> Upload | None:
        """Return where an upload stands after a request that failed; None if it is finished.

        :raises RegistryError: the request is not worth another attempt.
        :raises UploadOutOfOrder: the registry expects another chunk, though none has failed before.
        """
        out_of_order = isinstance(error, RangeInvalid)
        if out_of_order and failures == 1:
            raise UploadOutOfOrder(await self.get_upload(upload)) from error
        retries = self.session.options.retries
        if failures >= retries.attempts or not (out_of_order or is_passing(error)):
            raise error
        await asyncio.sleep(retries.delay(failures))
        try:
            # ``Range: 0-0`` is an empty upload, or one of a byte, which refuses a first byte.
            least = max(upload.offset, int(out_of_order))
            return await self.get_upload(replace(upload, offset=least))
        except (BlobUploadUnknown, BlobUploadInvalid):
            if digest is not None and await self.blobs.has(upload.repository, digest):
                return None
            raise error from None

    async def _patch(self, upload: Upload, body: MakeBody, end: int | None) -> Upload:
        """Send a PATCH and return the upload as the answer says that it is then.

        :param end: the offset that the upload must have then; None if that is not known yet.
        :raises Unavailable: it has another one.
        """
        position = None if end is None else ByteRange(upload.offset, end - 1)
        with about(self.session, upload.repository, BlobUploadUnknown, _NAMED):
            async with self.request(
                *("PATCH", upload, upload.state),
                body=body,
                position=position,
                ok=(HTTPStatus.ACCEPTED,),
                retry=False,
            ) as answer:
                done = _progress(answer, upload, upload.offset if end is None else end)
            if end is not None and done.offset != end:
                raise malformed(f"the upload has {done.offset} bytes; {end} were sent")
            return done

    async def _put(self, upload: Upload, digest: Digest, data: bytes) -> None:
        url = with_query(upload.state, digest=digest)
        body = data if len(data) <= SENT_WITH_PUT else lambda: whole(data)
        created = (HTTPStatus.CREATED, HTTPStatus.NO_CONTENT)
        with about(self.session, upload.repository, BlobUploadUnknown, _NAMED):
            async with self.request(
                "PUT", upload, url, body=body, ok=created, retry=False
            ) as answer:
                check_digest(answer, digest, DigestInvalid)


def with_query(url: str, **values: object) -> str:
    """Return a URL that the registry gave, whose query is opaque, with parameters added to it."""
    added = "&".join(f"{name}={quote(str(value), safe=':')}" for name, value in values.items())
    return f"{url}{'&' if urlsplit(url).query else '?'}{added}"


def _check_state(upload: Upload) -> None:
    try:
        _ = Origin.of(parse_url(upload.state))
    except ValueError as error:
        raise BlobUploadInvalid(
            f"the state of upload {upload.id[:160]!r} is not the Location of an upload"
        ) from error


def _location(answer: Answer) -> str | None:
    """Return ``Location``, absolute; None without it.

    :raises Unavailable: it is not a URL.
    """
    location = answer.headers.get("Location")
    try:
        return urljoin(answer.url, location) if location else None
    except ValueError:
        raise malformed("the upload's Location is not a valid URL") from None


def _progress(answer: Answer, upload: Upload, expected: int) -> Upload:
    """Return an upload as an answer says that it is.

    :param expected: the offset that it should have.
    :raises Unavailable: the answer's ``Range`` is malformed.
    """
    state = _location(answer) or upload.state
    try:
        arrived = parse_content_range(answer.headers.get("Range"))
    except RangeInvalid as error:
        raise malformed(f"the upload's Range: {error}") from error
    if arrived is None:
        offset = expected
    elif arrived.end == 0:
        offset = min(expected, 1)  # an empty upload has 0-0 as well: see `upload_range`
    else:
        offset = arrived.end + 1
    return replace(upload, offset=offset, state=state)


def _length(answer: Answer, name: str) -> int | None:
    """Return a header that is a number of bytes; None if it is absent, or not one."""
    text = answer.headers.get(name, "")
    return int(text) or None if text.isdecimal() and len(text) < 19 else None
