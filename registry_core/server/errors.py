"""Errors, rendered: the only place that turns exceptions into answers.

Source: OCI distribution-spec, "Error Codes".
"""

from __future__ import annotations

import logging

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from ..spec.errors import ErrorCode, RegistryError

_log = logging.getLogger(__name__)

_RETRY_AFTER_SECONDS = "5"
_CLIENT_CLOSED_REQUEST = 499  # nginx's code. Nobody receives it; the log shows it.


class _Unknown(RegistryError):
    code = ErrorCode.UNKNOWN


def render(error: Exception, request: Request) -> Response:
    """Return the answer for an error, and log those that are not the client's.

    The answer does not have an error's private text, and says nothing of an unexpected exception,
    which could contain anything.
    """
    path = request.scope["path"]  # decoded: only its repr is safe in a line of the log
    if isinstance(error, ClientDisconnect):
        _log.info("%s %r: the client disconnected", request.method, path)
        return Response(status_code=_CLIENT_CLOSED_REQUEST)
    if not isinstance(error, RegistryError):
        _log.error("%s %r failed", request.method, path, exc_info=error)
        error = _Unknown("internal error; see the registry's log")
    headers = dict(error.headers)
    if error.private or error.code is ErrorCode.UNAVAILABLE:
        _log.warning("%s %r: %s", request.method, path, error)
    if error.code is ErrorCode.UNAVAILABLE:
        headers.setdefault("Retry-After", _RETRY_AFTER_SECONDS)
    return JSONResponse(error.to_json(), status_code=error.http_status, headers=headers)
