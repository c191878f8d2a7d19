"""What handlers work with: what all requests of a server share, and one authorized request."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from starlette.requests import Request

from ..aio import Lazy
from ..auth.caller import Authenticator, Caller
from ..registry import Chunk, Registry
from ..spec.endpoints import Endpoint
from ..spec.errors import RegistryError
from .audit import AuditRecord, audit_record
from .bodies import read_body, read_chunk
from .claims import with_claims
from .sealing import Sealer
from .sessions import SessionSealer, UploadSession
from .urls import Urls, under_other_name


@dataclass(frozen=True)
class ServerContext:
    """What all requests share.

    ``registry`` is opened with its storage. ``pages`` seals the positions in links to next pages.
    ``repository_classes``: the classes of manifests that may be pushed; empty: all.
    ``body_limit``: the largest request body that the host accepts, in bytes; None: no limit.
    """

    registry: Lazy[Registry]
    sessions: SessionSealer
    urls: Urls
    authenticator: Authenticator
    repository_classes: Collection[str] = ()
    body_limit: int | None = None
    pages: Sealer = field(kw_only=True)

    async def open(
        self,
        request: Request,
        endpoint: Endpoint,
        caller: Caller,
        session: UploadSession | RegistryError | None,
    ) -> RequestContext:
        """Return the context of an authorized request.

        :raises Unavailable: storage cannot be opened.
        :raises BlobUploadUnknown: the request names no upload.
        :raises BlobUploadInvalid: the upload's state is not valid.
        """
        registry = (await self.registry.get()).for_caller(caller.name)
        if isinstance(session, RegistryError):
            raise session
        agent = request.headers.get("user-agent", "")
        claimed = audit_record(request.scope).claim
        registry = with_claims(registry, endpoint, caller, agent, claimed)
        return RequestContext(self, registry, request, caller, session)


@dataclass(frozen=True)
class RequestContext:
    """One authorized request. ``upload_session``: that of the upload which it continues, if any."""

    server: ServerContext
    registry: Registry
    request: Request
    caller: Caller
    upload_session: UploadSession | None = None

    @property
    def session(self) -> UploadSession:
        """The session of the upload. Only for `UploadEndpoint`."""
        assert self.upload_session is not None, "the endpoint continues no upload"
        return self.upload_session

    @property
    def audit(self) -> AuditRecord:
        """What the audit log will say about the request."""
        return audit_record(self.request.scope)

    def header(self, name: str) -> str | None:
        """Return a request header's value, several lines joined (RFC 9110 section 5.3)."""
        lines = self.request.headers.getlist(name)
        return ", ".join(lines) if lines else None

    def url(self, endpoint: Endpoint) -> str:
        """Return the URL of an endpoint, for a header of the answer."""
        return self.server.urls.of(endpoint, self.request)

    def storage_url(self, url: str) -> str:
        """Return a URL of storage's, for a client that follows it from this registry."""
        return under_other_name(url, self.server.urls.host_name(self.request))

    def chunk(self) -> Chunk:
        """Return the body as a chunk of an upload.

        :raises RangeInvalid, SizeInvalid: see `read_chunk`.
        """
        return read_chunk(self.request)

    async def read(self, limit: int) -> bytes | None:
        """Return the whole body, or None if it is longer than ``limit`` bytes.

        :raises ClientDisconnect: the client disconnected before the end of the body.
        """
        return await read_body(self.request, limit)
