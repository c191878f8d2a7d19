"""Authorization: the one place that decides whether a request may proceed."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from starlette.requests import Request

from ..auth.caller import Authenticator, Caller, CredentialsInvalid
from ..spec import endpoints as e
from ..spec.errors import BlobUploadUnknown, RegistryError
from .sessions import Session, UploadTokens
from .urls import Urls

_log = logging.getLogger(__name__)

_UPLOAD_ENDPOINTS = (e.GetUpload, e.AppendUpload, e.FinishUpload, e.CancelUpload)

# In seconds. An upload may continue this long with the credentials that were valid when it began.
# No push takes a day, and an expired token should not be accepted for ever.
LONGEST_PUSH = 24 * 3600.0


@dataclass(frozen=True)
class UploadSession:
    """The session of the upload that a request continues, or what is wrong with it.

    It is verified once, before authentication, which needs its time; an error is raised after
    authorization, by the handler that needs the session.
    """

    session: Session | None = None
    error: RegistryError | None = None

    def get(self) -> Session:
        """Return the session. :raises BlobUploadUnknown, BlobUploadInvalid: there is none."""
        if self.error is not None:
            raise self.error
        assert self.session is not None, "the endpoint continues no upload"
        return self.session


async def authorize(
    authenticator: Authenticator,
    uploads: UploadTokens,
    urls: Urls,
    request: Request,
    endpoint: e.Endpoint,
) -> tuple[Caller, UploadSession]:
    """Return the caller, who may make the request, and the session of the upload it continues.

    :raises Unauthorized, Denied: the caller lacks a scope, or their credentials are not valid.
    :raises BlobUploadUnknown: the upload belongs to another caller.
    """
    upload = _verify_upload(uploads, endpoint)
    try:
        caller = await _authenticate(authenticator, uploads, request, upload.session)
    except CredentialsInvalid as error:
        _log.info("%s %r: %s", request.method, request.scope["path"], error)
        raise _challenge(authenticator, urls, request, endpoint, None) from None
    needs_credentials = isinstance(endpoint, e.CheckVersion)
    if caller.lacks(endpoint.scopes) or (needs_credentials and not caller.is_known):
        raise _challenge(authenticator, urls, request, endpoint, caller)
    if upload.session and upload.session.owner != caller.name:
        raise BlobUploadUnknown("the upload was begun by another user")
    return caller, upload


def _challenge(
    authenticator: Authenticator,
    urls: Urls,
    request: Request,
    endpoint: e.Endpoint,
    caller: Caller | None,
) -> RegistryError:
    scopes = (*endpoint.scopes, *endpoint.optional_scopes)
    return authenticator.challenge(caller, scopes, urls.base(request))


async def _authenticate(
    authenticator: Authenticator, uploads: UploadTokens, request: Request, session: Session | None
) -> Caller:
    """:raises CredentialsInvalid:"""
    headers = request.headers.getlist("authorization")
    if len(headers) > 1:
        raise CredentialsInvalid("more than one Authorization header")
    recent = session and uploads.now() - session.began <= LONGEST_PUSH
    began = session.began if session and recent else None
    return await authenticator.authenticate(headers[0] if headers else None, at=began)


def _verify_upload(uploads: UploadTokens, endpoint: e.Endpoint) -> UploadSession:
    if not isinstance(endpoint, _UPLOAD_ENDPOINTS):
        return UploadSession()
    try:
        return UploadSession(
            uploads.verify(endpoint.repository, endpoint.upload_id, endpoint.state)
        )
    except RegistryError as error:
        return UploadSession(error=error)
