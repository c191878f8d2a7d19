"""Request bodies: their lengths and limits, and the forms of HTML and OAuth 2.0.

The Functions host reads a body that has a length before it calls any function. If the body is over
the host's limit, the host answers 500 itself (azure-functions-host issue 10519); a chunked body it
cuts off. Where a request over the limit arrives all the same, the answer says what to do.
"""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import parse_qsl

from starlette.datastructures import QueryParams
from starlette.requests import Request

from ..registry import Chunk
from ..spec.errors import SizeInvalid, Unsupported
from ..spec.ranges import parse_content_range

LIMIT_SETTING = "FUNCTIONS_REQUEST_BODY_SIZE_LIMIT"

FORM = "application/x-www-form-urlencoded"  # RFC 6749, appendix B
# In bytes: forms carry the tokens of other issuers, which are longer than passwords.
FORM_LIMIT = 64 * 2**10
_MAX_FIELDS = 200


def content_length(request: Request) -> int | None:
    """Return ``Content-Length`` in bytes; None if it is absent, as with chunked bodies."""
    text = request.headers.get("content-length")
    return int(text) if text and text.isdecimal() else None


def check_length(request: Request, limit: int | None) -> None:
    """:raises SizeInvalid: (413) the announced body is longer than ``limit`` bytes."""
    length = content_length(request)
    if limit is not None and length is not None and length > limit:
        raise SizeInvalid(
            f"the body of {length} bytes exceeds this host's limit of {limit} bytes per request. "
            "Push through `moorage relay`; or with a client that uploads straight to storage, such "
            "as containerd 2.2 or newer, or Docker 29.1 or newer with the containerd image store; "
            f"or in chunks (PATCH); or have the operator raise {LIMIT_SETTING}",
            status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        )


async def read_body(request: Request, limit: int) -> bytes | None:
    """Return the whole body, or None if it is longer than ``limit`` bytes.

    Nothing is read beyond the limit.

    :raises ClientDisconnect: the client disconnected before the end of the body.
    """
    if (content_length(request) or 0) > limit:
        return None
    content = bytearray()
    async for piece in request.stream():
        content += piece
        if len(content) > limit:
            return None
    return bytes(content)


def read_chunk(request: Request) -> Chunk:
    """Return the body as a chunk of an upload, with what the headers say about it.

    :raises RangeInvalid: ``Content-Range`` is malformed.
    :raises SizeInvalid: ``Content-Range`` and ``Content-Length`` disagree.
    """
    range_ = parse_content_range(request.headers.get("content-range"))
    length = content_length(request)
    if range_ is None:
        return Chunk(request.stream(), length=length)
    if length is not None and length != range_.length:
        raise SizeInvalid(
            f"Content-Range covers {range_.length} bytes, but Content-Length is {length}"
        )
    return Chunk(request.stream(), start=range_.start, length=range_.length)


async def read_form(request: Request) -> QueryParams:
    """Return the fields of a form.

    :raises Unsupported: the body is not a form (415 or 400), or longer than `FORM_LIMIT` (413).
    :raises ClientDisconnect: the client disconnected before the end of the body.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != FORM:
        raise Unsupported(
            f"the body is not a form; send {FORM}", status=HTTPStatus.UNSUPPORTED_MEDIA_TYPE
        )
    body = await read_body(request, FORM_LIMIT)
    if body is None:
        raise Unsupported(
            f"the form is longer than {FORM_LIMIT} bytes",
            status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        )
    try:
        text = body.decode("ascii")
        return QueryParams(
            parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS)
        )
    except ValueError:
        raise Unsupported("the form is malformed", status=HTTPStatus.BAD_REQUEST) from None
