"""Errors, rendered: the only place that turns exceptions into answers.

Source: OCI distribution-spec, "Error Codes".
"""

from __future__ import annotations

import logging
import secrets
from http import HTTPStatus

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from ..spec.errors import ErrorCode, RegistryError
from .audit import audit_record

_log = logging.getLogger(__name__)

_RETRY_AFTER_SECONDS = "5"
CLIENT_CLOSED_REQUEST = 499
"""nginx's code. Nobody receives it; logs show it."""

_LONGEST_TEXT = 4096


class _Unknown(RegistryError):
    code = ErrorCode.UNKNOWN


def render(error: Exception, request: Request) -> Response:
    """Return the answer for an error, and log those that are not the client's.

    The answer does not have an error's private text, and says nothing of an unexpected exception,
    which could contain anything. It has a reference to the line of the log that does.
    """
    if isinstance(error, ClientDisconnect):
        _log.info("%s %r: the client disconnected", request.method, request.scope["path"])
        return Response(status_code=CLIENT_CLOSED_REQUEST)
    reference = _log_fault(error, request)
    if not isinstance(error, RegistryError):
        error = _Unknown("internal error; see the registry's log")
    audit_record(request.scope).fail(error.code, reference)
    headers = dict(error.headers)
    if error.code is ErrorCode.UNAVAILABLE:
        headers.setdefault("Retry-After", _RETRY_AFTER_SECONDS)
    body = error.to_json(reference and f"reference {reference}")
    return JSONResponse(body, status_code=error.http_status, headers=headers)


def _log_fault(error: Exception, request: Request) -> str:
    """Log an error that is not the client's, and return the reference to its line; "" for none."""
    reference = secrets.token_hex(6)
    method, path = request.method, request.scope["path"]  # decoded: only its repr is safe
    if not isinstance(error, RegistryError):
        _log.error("reference=%s %s %r failed", reference, method, path, exc_info=error)
    elif error.private or error.http_status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        _log.warning("reference=%s %s %r: %s", reference, method, path, one_line(str(error)))
    else:
        return ""
    return reference


def one_line(text: str) -> str:
    """Return a text with everything escaped that could begin a line or control a terminal."""
    shown = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text[:_LONGEST_TEXT])
    return shown if len(text) <= _LONGEST_TEXT else f"{shown}..."
