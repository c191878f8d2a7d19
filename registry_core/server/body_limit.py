"""How long a request's body may be, and what the host does with one that is longer.

The Functions host reads a body that has a length before it calls any function; one over its limit
it answers with 500 itself (azure-functions-host issue 10519), and cuts off one that is sent in
chunks. Where such a request gets here all the same, it is told what would be right.
"""

from __future__ import annotations

from http import HTTPStatus

from starlette.requests import Request

from ..spec.errors import SizeInvalid

SETTING = "FUNCTIONS_REQUEST_BODY_SIZE_LIMIT"


def content_length(request: Request) -> int | None:
    """What the header says, in bytes; None where it says nothing, as with chunked bodies."""
    text = request.headers.get("content-length")
    return int(text) if text and text.isdecimal() else None


def check_length(request: Request, limit: int | None) -> None:
    """:raises SizeInvalid: with 413, when the body is announced to be longer than ``limit``."""
    length = content_length(request)
    if limit is not None and length is not None and length > limit:
        raise SizeInvalid(
            f"the body of {length} bytes is longer than the {limit} that this host takes in one "
            f"request; send it in chunks (PATCH), or let the operator raise {SETTING}",
            status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        )
