"""Whether a request is let in: the one place where that is decided."""

from __future__ import annotations

import logging

from starlette.requests import Request

from ..auth.caller import Caller, CredentialsInvalid
from ..auth.required import needed, wanted
from ..spec import endpoints as e
from ..spec.errors import BlobUploadUnknown, RegistryError
from .call import Service
from .sessions import Session

_log = logging.getLogger(__name__)

_OF_UPLOADS = (e.GetUpload, e.AppendUpload, e.FinishUpload, e.CancelUpload)

# In seconds. So long after its beginning an upload still goes on with the credentials of then; no
# push takes a day, and what has expired should not be good for ever.
LONGEST_PUSH = 24 * 3600.0


async def admit(service: Service, request: Request, endpoint: e.Endpoint) -> Caller:
    """Who asks, if they may.

    :raises Unauthorized, Denied: they may not, or not without saying who they are.
    :raises BlobUploadUnknown: the upload is somebody else's.
    """
    session = _session(service, endpoint)
    required = needed(endpoint)
    base_url = service.urls.base(request)
    asked = (*required, *wanted(endpoint))
    try:
        caller = await _identify(service, request, session)
    except CredentialsInvalid as error:
        _log.info("%s %r: %s", request.method, request.scope["path"], error)
        raise service.guard.refusal(None, asked, base_url) from None
    if caller.lacks(required) or (isinstance(endpoint, e.CheckVersion) and not caller.is_known):
        raise service.guard.refusal(caller, asked, base_url)
    if session and session.owner != caller.name:
        raise BlobUploadUnknown("the upload was begun by somebody else")
    return caller


async def _identify(service: Service, request: Request, session: Session | None) -> Caller:
    """:raises CredentialsInvalid:"""
    headers = request.headers.getlist("authorization")
    if len(headers) > 1:
        raise CredentialsInvalid("more than one Authorization header")
    recent = session and service.uploads.now() - session.began <= LONGEST_PUSH
    began = session.began if session and recent else None
    return await service.guard.identify(headers[0] if headers else None, at=began)


def _session(service: Service, endpoint: e.Endpoint) -> Session | None:
    """The upload that the request goes on with; the handler tells what is wrong with it."""
    if not isinstance(endpoint, _OF_UPLOADS):
        return None
    try:
        return service.uploads.verify(endpoint.repository, endpoint.upload_id, endpoint.state)
    except RegistryError:
        return None
