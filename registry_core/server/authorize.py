"""Authorization: the one place that decides whether a request may proceed."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial

from starlette.requests import Request

from ..auth.caller import Caller, CredentialsInvalid
from ..spec.endpoints import CheckVersion, Endpoint, FinishUpload, GetUpload, UploadEndpoint
from ..spec.errors import BlobUploadUnknown, RegistryError
from .audit import audit_record
from .client_address import client_address
from .context import ServerContext
from .errors import one_line
from .sessions import UploadSession

_log = logging.getLogger(__name__)

# In seconds. An upload of which bytes have arrived may continue this long with the credentials that
# were valid when it began.
LONGEST_PUSH = 2 * 3600.0


async def authorize(
    server: ServerContext, request: Request, endpoint: Endpoint
) -> tuple[Caller, UploadSession | RegistryError | None]:
    """Return the caller, who may make the request, and the session of the upload it continues.

    The session is opened before the caller is authenticated, whose credentials may have expired
    since it began. What is wrong with it is returned, for `ServerContext.open` to raise once the
    rest of the request has been checked.

    :raises Unauthorized, Denied: the caller lacks a scope, or their credentials are not valid.
    :raises BlobUploadUnknown: the upload is another caller's.
    """
    record = audit_record(request.scope)
    session = _open_session(server, endpoint)
    try:
        caller, session = await _authenticate(server, request, endpoint, session)
    except CredentialsInvalid as error:
        _log.info("%s %r: %s", request.method, request.scope["path"], one_line(str(error)))
        record.begin_basic_login(request.headers.get("authorization"))
        raise _challenge(server, request, endpoint, None) from None
    except RegistryError:  # they could not be checked
        record.begin_basic_login(request.headers.get("authorization"))
        raise
    needs_credentials = isinstance(endpoint, CheckVersion)
    if needs_credentials and caller.name:  # it is the request that clients log in with
        record.begin_basic_login(request.headers.get("authorization"))
    record.identify(caller)
    if caller.lacks(endpoint.scopes) or (needs_credentials and not caller.is_known):
        raise _challenge(server, request, endpoint, caller)
    if isinstance(session, UploadSession) and session.owner != caller.name:
        raise BlobUploadUnknown("the upload was started by another user")
    return caller, session


def authorization_of(request: Request) -> str | None:
    """Return the header ``Authorization``; None if the request has none.

    :raises CredentialsInvalid: it has several, which programs would read differently.
    """
    headers = request.headers.getlist("authorization")
    if len(headers) > 1:
        raise CredentialsInvalid("more than one Authorization header", is_public=True)
    return headers[0] if headers else None


def _open_session(
    server: ServerContext, endpoint: Endpoint
) -> UploadSession | RegistryError | None:
    """Return the session of an upload, or what is wrong with it; None for other endpoints."""
    if not isinstance(endpoint, UploadEndpoint):
        return None
    try:
        return server.sessions.open(endpoint.repository, endpoint.upload_id, endpoint.state)
    except RegistryError as error:
        return error


async def _authenticate(
    server: ServerContext,
    request: Request,
    endpoint: Endpoint,
    session: UploadSession | RegistryError | None,
) -> tuple[Caller, UploadSession | RegistryError | None]:
    """Return the caller and the session.

    If the credentials were valid only when the upload began, it can be finished as one blob only:
    whoever has lost the right to push completes what was under way, and nothing else.

    :raises CredentialsInvalid:
    """
    authorization = authorization_of(request)
    authenticate = partial(
        server.authenticator.authenticate, authorization, client=client_address(request)
    )
    try:
        return await authenticate(), session
    except CredentialsInvalid:
        if not isinstance(session, UploadSession) or not _is_under_way(server, endpoint, session):
            raise
    caller = await authenticate(at=session.began)
    return caller, replace(session, upload=replace(session.upload, once=True))


def _is_under_way(server: ServerContext, endpoint: Endpoint, session: UploadSession) -> bool:
    """Return whether bytes of the upload have arrived, and it began not too long ago.

    Those of an upload that is staged have gone to storage, where its owner could write them only
    because the credentials were valid.
    """
    age = server.sessions.now() - session.began
    return (session.upload.offset > 0 or _is_staged(endpoint)) and age <= LONGEST_PUSH


def _is_staged(endpoint: Endpoint) -> bool:
    match endpoint:
        case GetUpload(staging=staging):
            return staging
        case FinishUpload(blocks=blocks):
            return blocks is not None
    return False


def _challenge(
    server: ServerContext, request: Request, endpoint: Endpoint, caller: Caller | None
) -> RegistryError:
    scopes = (*endpoint.scopes, *endpoint.optional_scopes)
    return server.authenticator.challenge(caller, scopes, server.urls.base(request))
