"""Authorization: the one place that decides whether a request may proceed."""

from __future__ import annotations

import logging

from starlette.requests import Request

from ..auth.caller import Caller, CredentialsInvalid
from ..spec.endpoints import CheckVersion, Endpoint, UploadEndpoint
from ..spec.errors import BlobUploadUnknown, RegistryError
from .client_address import client_address
from .context import ServerContext
from .sessions import UploadSession

_log = logging.getLogger(__name__)

# In seconds. An upload may continue this long with the credentials that were valid when it began.
# No push takes a day, and an expired token should not be accepted for ever.
LONGEST_PUSH = 24 * 3600.0


async def authorize(
    server: ServerContext, request: Request, endpoint: Endpoint
) -> tuple[Caller, UploadSession | RegistryError | None]:
    """Return the caller, who may make the request, and the session of the upload it continues.

    The session is verified before the caller, whose credentials may have expired since it began.
    What is wrong with it is returned, for `ServerContext.open` to raise once the rest of the
    request has been checked.

    :raises Unauthorized, Denied: the caller lacks a scope, or their credentials are not valid.
    :raises BlobUploadUnknown: the upload is another caller's.
    """
    session = _verify_session(server, endpoint)
    began = session.began if isinstance(session, UploadSession) else None
    try:
        caller = await _authenticate(server, request, began)
    except CredentialsInvalid as error:
        _log.info("%s %r: %s", request.method, request.scope["path"], error)
        raise _challenge(server, request, endpoint, None) from None
    needs_credentials = isinstance(endpoint, CheckVersion)
    if caller.lacks(endpoint.scopes) or (needs_credentials and not caller.is_known):
        raise _challenge(server, request, endpoint, caller)
    if isinstance(session, UploadSession) and session.owner != caller.name:
        raise BlobUploadUnknown("the upload was started by another user")
    return caller, session


def _verify_session(
    server: ServerContext, endpoint: Endpoint
) -> UploadSession | RegistryError | None:
    """Return the session of an upload, or what is wrong with it; None for other endpoints."""
    if not isinstance(endpoint, UploadEndpoint):
        return None
    try:
        return server.sessions.verify(endpoint.repository, endpoint.upload_id, endpoint.state)
    except RegistryError as error:
        return error


async def _authenticate(server: ServerContext, request: Request, began: float | None) -> Caller:
    """:raises CredentialsInvalid:"""
    headers = request.headers.getlist("authorization")
    if len(headers) > 1:
        raise CredentialsInvalid("more than one Authorization header")
    is_recent = began is not None and server.sessions.now() - began <= LONGEST_PUSH
    return await server.authenticator.authenticate(
        headers[0] if headers else None,
        at=began if is_recent else None,
        client=client_address(request),
    )


def _challenge(
    server: ServerContext, request: Request, endpoint: Endpoint, caller: Caller | None
) -> RegistryError:
    scopes = (*endpoint.scopes, *endpoint.optional_scopes)
    return server.authenticator.challenge(caller, scopes, server.urls.base(request))
