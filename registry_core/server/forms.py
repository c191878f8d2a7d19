"""Bodies of small requests: forms, as HTML and OAuth 2.0 have them (RFC 6749, appendix B)."""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import parse_qsl

from starlette.datastructures import QueryParams
from starlette.requests import Request

from ..spec.errors import Unsupported

FORM = "application/x-www-form-urlencoded"
LIMIT = 64 * 2**10
"""In bytes: others' tokens come in forms, and are longer than passwords."""
_MOST_FIELDS = 200


async def read_form(request: Request) -> QueryParams:
    """The fields of a form.

    :raises Unsupported: the body is none, or longer than `LIMIT`; nothing more is read of it then.
    :raises ClientDisconnect: when the client hangs up before the end.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != FORM:
        raise Unsupported(f"send a form, as {FORM}", status=HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > LIMIT:
            raise Unsupported(
                f"the form is longer than {LIMIT} bytes",
                status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            )
    try:
        text = body.decode("ascii")
        return QueryParams(
            parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS)
        )
    except ValueError:
        raise Unsupported("the form cannot be read", status=HTTPStatus.BAD_REQUEST) from None
