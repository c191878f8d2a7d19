"""Values of the seam as headers of requests, and headers of answers as values.

learn.microsoft.com/rest/api/storageservices/get-blob-properties, put-blob, and
specifying-conditional-headers-for-blob-service-operations
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache

from aiohttp import ClientResponse

from ..interface import Condition, Properties
from .errors import AnswerMalformed

_METADATA = "x-ms-meta-"
_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec"


def condition_headers(condition: Condition) -> dict[str, str]:
    """Return a condition as headers."""
    headers = {}
    if condition.if_match is not None:
        headers["If-Match"] = condition.if_match
    if condition.if_absent:
        headers["If-None-Match"] = "*"
    return headers


def metadata_headers(metadata: Mapping[str, str]) -> dict[str, str]:
    """Return metadata, as `check_metadata` returns it, as headers."""
    return {f"{_METADATA}{name}": value for name, value in metadata.items()}


def read_properties(headers: Mapping[str, str], size: int) -> Properties:
    """Return the properties in the headers of an answer; ``size`` is that of the whole object.

    :raises AnswerMalformed: a header is missing or malformed.
    """
    return Properties(
        etag=read_etag(headers),
        size=size,
        last_modified=_last_modified(headers),
        # Names come back in the case in which they were first written.
        metadata={
            name[len(_METADATA) :].lower(): value
            for name, value in headers.items()
            if name[: len(_METADATA)].lower() == _METADATA
        },
        is_append=headers.get("x-ms-blob-type") == "AppendBlob",
        tier=headers.get("x-ms-access-tier", ""),
        archive_status=headers.get("x-ms-archive-status", ""),
        answered=_answered(headers),
    )


def _answered(headers: Mapping[str, str]) -> datetime | None:
    with suppress(ValueError):
        return parse_date(headers.get("Date", ""))
    return None


def read_etag(headers: Mapping[str, str]) -> str:
    """Return the ETag in the headers of an answer.

    :raises AnswerMalformed: there is none.
    """
    etag = headers.get("ETag")
    if not etag:
        raise AnswerMalformed("an answer of storage has no ETag")
    return etag


async def read_written(response: ClientResponse) -> str:
    """Return the ETag in the answer to a write, and read its body, which is empty.

    :raises AnswerMalformed: there is none.
    """
    await response.read()
    return read_etag(response.headers)


def whole_size(headers: Mapping[str, str]) -> int:
    """Return the size of the whole object that an answer has a range of, or all, in bytes.

    :raises AnswerMalformed: the headers do not have it.
    """
    of_range = headers.get("Content-Range")
    size = of_range.rpartition("/")[2] if of_range else headers.get("Content-Length", "")
    if not size.isdecimal():
        raise AnswerMalformed("an answer of storage does not have the size of the object")
    return int(size)


def _last_modified(headers: Mapping[str, str]) -> datetime:
    text = headers.get("Last-Modified", "")
    try:
        return parse_date(text)
    except ValueError as error:
        raise AnswerMalformed(f"an answer of storage has a malformed date: {error}") from None


@lru_cache(maxsize=1024)
def parse_date(text: str) -> datetime:
    """Return the time of an HTTP date in the format that storage uses.

    RFC 9110, section 5.6.7: IMF-fixdate, such as ``Sun, 06 Nov 1994 08:49:37 GMT``.

    :raises ValueError: it has another format.
    """
    month, rest = divmod(_MONTHS.find(text[8:11]), 4)
    if len(text) != 29 or not text.endswith(" GMT") or rest:
        raise ValueError(f"{text!r} is not an HTTP date")
    return datetime(
        int(text[12:16]),
        month + 1,
        int(text[5:7]),
        int(text[17:19]),
        int(text[20:22]),
        int(text[23:25]),
        tzinfo=UTC,
    )
