"""What handlers work with: what all requests of a server share, and one authorized request."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass

from starlette.requests import Request

from ..aio import Lazy
from ..auth.caller import Authenticator, Caller
from ..registry import Chunk, Registry
from ..spec.endpoints import Endpoint
from ..spec.errors import SizeInvalid
from ..spec.ranges import parse_content_range
from .authorize import UploadSession, authorize
from .body_limit import content_length
from .sessions import Session, UploadTokens
from .urls import Urls

Wrap = Callable[[Registry, Caller], Registry]
"""Makes the registry that one caller's request uses, such as one that knows who pushes."""


def unwrapped(registry: Registry, _caller: Caller) -> Registry:
    """Use the registry as it is for every caller."""
    return registry


@dataclass(frozen=True)
class ServerContext:
    """What all requests share.

    ``registry`` is opened with its storage. ``wrap`` is applied to it for each request.
    ``repository_classes`` are the classes of manifests that may be pushed; empty: all.
    ``body_limit``: the largest request body that the host takes, in bytes; None: no limit.
    """

    registry: Lazy[Registry]
    uploads: UploadTokens
    urls: Urls
    authenticator: Authenticator
    repository_classes: Collection[str] = ()
    body_limit: int | None = None
    wrap: Wrap = unwrapped

    async def authorize(self, request: Request, endpoint: Endpoint) -> tuple[Caller, UploadSession]:
        """Return the caller, and the upload session that the request continues.

        :raises RegistryError: see `authorize.authorize`.
        """
        return await authorize(self.authenticator, self.uploads, self.urls, request, endpoint)

    async def open(
        self, request: Request, caller: Caller, session: UploadSession
    ) -> RequestContext:
        """Return the context of an authorized request.

        :raises Unavailable: storage cannot be opened.
        """
        registry = self.wrap(await self.registry.get(), caller)
        return RequestContext(self, registry, request, caller, session)


@dataclass(frozen=True)
class RequestContext:
    """One request of a caller who may make it."""

    server: ServerContext
    registry: Registry
    request: Request
    caller: Caller
    upload_session: UploadSession

    @property
    def session(self) -> Session:
        """The verified upload session that the URL names.

        :raises BlobUploadUnknown, BlobUploadInvalid: the URL names none.
        """
        return self.upload_session.get()

    def header(self, name: str) -> str | None:
        """Return a request header's value."""
        return self.request.headers.get(name)

    def url(self, endpoint: Endpoint) -> str:
        """Return the URL of an endpoint, for a header of the answer."""
        return self.server.urls.of(endpoint, self.request)

    def chunk(self) -> Chunk:
        """Return the body as a chunk of an upload, with what the headers say about it.

        :raises RangeInvalid: ``Content-Range`` is malformed.
        :raises SizeInvalid: ``Content-Range`` and ``Content-Length`` disagree.
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
        """:raises ClientDisconnect: the client disconnected before the end of the body."""
        async for piece in self.request.stream():
            yield piece

    async def read(self, limit: int) -> bytes | None:
        """Return the whole body, or None if it is longer than ``limit`` bytes."""
        if (content_length(self.request) or 0) > limit:
            return None
        content = bytearray()
        async for piece in self._body():
            content += piece
            if len(content) > limit:
                return None
        return bytes(content)
