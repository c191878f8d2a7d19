"""What every handler gets: the registry, the request, and how to name things to the client."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass

from starlette.requests import Request

from ..aio import Lazy
from ..auth.caller import Caller, Guard
from ..registry import Chunk, Registry
from ..spec.errors import SizeInvalid
from ..spec.ranges import parse_content_range
from .body_limit import content_length
from .sessions import Session, UploadTokens
from .urls import Urls


@dataclass(frozen=True)
class Service:
    """What is the same for all requests.

    ``registry`` opens with its storage. ``repository_classes`` are those of manifests that may be
    pushed; all, where none is named. ``body_limit``, in bytes: what the host takes of a request's
    body.
    """

    registry: Lazy[Registry]
    uploads: UploadTokens
    urls: Urls
    guard: Guard
    repository_classes: Collection[str] = ()
    body_limit: int | None = None


@dataclass(frozen=True)
class Call:
    """One request, of a caller who may make it."""

    service: Service
    registry: Registry
    request: Request
    caller: Caller

    def header(self, name: str) -> str | None:
        return self.request.headers.get(name)

    def session(self, repository: str, upload_id: str, token: str) -> Session:
        """The upload that the URL names. :raises BlobUploadUnknown, BlobUploadInvalid:"""
        return self.service.uploads.verify(repository, upload_id, token)

    def chunk(self) -> Chunk:
        """The body, with what the headers say of it.

        :raises RangeInvalid: ``Content-Range`` is malformed.
        :raises SizeInvalid: it disagrees with ``Content-Length``.
        """
        placed = parse_content_range(self.header("content-range"))
        length = content_length(self.request)
        if placed is None:
            return Chunk(self._body(), length=length)
        if length is not None and length != placed.length:
            raise SizeInvalid(
                f"Content-Range is {placed.length} bytes long, Content-Length says {length}"
            )
        return Chunk(self._body(), start=placed.start, length=placed.length)

    async def _body(self) -> AsyncIterator[bytes]:
        """:raises ClientDisconnect: when the client hangs up before the end."""
        async for piece in self.request.stream():
            yield piece

    async def read(self, limit: int) -> bytes | None:
        """The whole body, or None if it is longer than ``limit`` bytes."""
        if (content_length(self.request) or 0) > limit:
            return None
        content = bytearray()
        async for piece in self._body():
            content += piece
            if len(content) > limit:
                return None
        return bytes(content)
