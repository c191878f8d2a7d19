"""Values of the seam as headers of requests, and headers of answers as values.

learn.microsoft.com/rest/api/storageservices/get-blob-properties, put-blob, and
specifying-conditional-headers-for-blob-service-operations
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from ..interface import Condition, Properties, StoreUnavailable
from .listing import parse_date

_METADATA = "x-ms-meta-"


class AnswerMalformed(StoreUnavailable):
    """A header of an answer is missing or malformed: an intermediary may have changed it."""


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
    )


def read_etag(headers: Mapping[str, str]) -> str:
    """Return the ETag in the headers of an answer.

    :raises AnswerMalformed: there is none.
    """
    etag = headers.get("ETag")
    if not etag:
        raise AnswerMalformed("an answer of storage has no ETag")
    return etag


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
