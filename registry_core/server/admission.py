"""Whether a request is let in: the one place where that is decided."""

from __future__ import annotations

import logging

from starlette.requests import Request

from ..auth.caller import Caller, CredentialsInvalid
from ..auth.required import needed
from ..spec import endpoints as e
from ..spec.errors import BlobUploadUnknown, RegistryError
from .call import Service
from .sessions import Session

_log = logging.getLogger(__name__)

_OF_UPLOADS = (e.GetUpload, e.AppendUpload, e.FinishUpload, e.CancelUpload)


async def admit(service: Service, request: Request, endpoint: e.Endpoint) -> Caller:
    """Who asks, if they may.

    :raises Unauthorized, Denied: they may not, or not without saying who they are.
    :raises BlobUploadUnknown: the upload is somebody else's.
    """
    session = _session(service, endpoint)
    required = needed(endpoint)
    base_url = service.urls.base(request)
    began = session.began if session else None
    try:
        caller = await service.guard.identify(request.headers.get("authorization"), at=began)
    except CredentialsInvalid as error:
        _log.info("%s %r: %s", request.method, request.scope["path"], error)
        raise service.guard.refusal(None, required, base_url) from None
    if caller.lacks(required) or (isinstance(endpoint, e.CheckVersion) and not caller.is_known):
        raise service.guard.refusal(caller, required, base_url)
    if session and session.owner != caller.name:
        raise BlobUploadUnknown("the upload was begun by somebody else")
    return caller


def _session(service: Service, endpoint: e.Endpoint) -> Session | None:
    """The upload that the request goes on with; the handler tells what is wrong with it."""
    if not isinstance(endpoint, _OF_UPLOADS):
        return None
    try:
        return service.uploads.verify(endpoint.repository, endpoint.upload_id, endpoint.state)
    except RegistryError:
        return None
