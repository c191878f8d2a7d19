"""Values of the seam as headers of requests, and headers of answers as values.

learn.microsoft.com/rest/api/storageservices/get-blob-properties, put-blob, and
specifying-conditional-headers-for-blob-service-operations
"""

from __future__ import annotations

from collections.abc import Mapping

from ..interface import Condition, Properties
from .listing import parse_date

_METADATA = "x-ms-meta-"


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
    """Return the properties in the headers of an answer; ``size`` is that of the whole object."""
    return Properties(
        etag=headers["ETag"],
        size=size,
        last_modified=parse_date(headers["Last-Modified"]),
        # Names come back in the case in which they were first written.
        metadata={
            name[len(_METADATA) :].lower(): value
            for name, value in headers.items()
            if name[: len(_METADATA)].lower() == _METADATA
        },
        is_append=headers.get("x-ms-blob-type") == "AppendBlob",
    )


def whole_size(headers: Mapping[str, str]) -> int:
    """Return the size of the whole object that an answer has a range of, or all, in bytes."""
    of_range = headers.get("Content-Range")
    return int(of_range.rpartition("/")[2] if of_range else headers["Content-Length"])
