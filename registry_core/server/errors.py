"""Errors, rendered: the only place that turns them into answers.

Source: OCI distribution-spec, "Error Codes".
"""

from __future__ import annotations

import logging

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from ..spec.errors import ErrorCode, RegistryError

_log = logging.getLogger(__name__)

_RETRY_AFTER_SECONDS = "5"
_CLIENT_CLOSED_REQUEST = 499  # nginx's; nobody receives it, the log shows it


class _Unknown(RegistryError):
    code = ErrorCode.UNKNOWN


def render(error: Exception, request: Request) -> Response:
    """The answer that says what went wrong, and nothing of how it is built."""
    path = request.scope["path"]  # decoded: only its repr fits on a line of the log
    if isinstance(error, ClientDisconnect):
        _log.info("%s %r: the client hung up", request.method, path)
        return Response(status_code=_CLIENT_CLOSED_REQUEST)
    if not isinstance(error, RegistryError):
        _log.error("%s %r failed", request.method, path, exc_info=error)
        error = _Unknown("an error in the registry; its log tells more")
    headers = dict(error.headers)
    if error.code is ErrorCode.UNAVAILABLE:
        _log.warning("%s %r: %s", request.method, path, error)
        headers.setdefault("Retry-After", _RETRY_AFTER_SECONDS)
    return JSONResponse(error.to_json(), status_code=error.http_status, headers=headers)
