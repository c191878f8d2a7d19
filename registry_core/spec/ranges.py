"""``Range``, ``Content-Range`` and ``Link``: parsed and built.

Sources: RFC 9110 section 14 (ranges of a download); OCI distribution-spec, "Pushing a blob in
chunks" (ranges of an upload: ``<start>-<end>``, inclusive, without a unit); RFC 8288 (``Link``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .errors import RangeInvalid

_FLAGS = re.ASCII | re.IGNORECASE
_BYTES_RANGE = re.compile(r"bytes=(\d{0,19})-(\d{0,19})", _FLAGS)
_PLAIN_RANGE = re.compile(r"bytes=\d{1,18}-\d{0,18}", re.ASCII)
_CHUNK_RANGE = re.compile(r"(?:bytes[ =])?(\d{1,19})-(\d{1,19})(?:/(?:\d{1,19}|\*))?", _FLAGS)


@dataclass(frozen=True)
class ByteRange:
    """The bytes from offset ``start`` up to and including ``end``."""

    start: int
    end: int

    @property
    def length(self) -> int:
        return self.end - self.start + 1

    def content_range(self, size: int) -> str:
        """Return ``Content-Range`` for this part of content of ``size`` bytes."""
        return f"bytes {self.start}-{self.end}/{size}"


def parse_range(header: str | None, size: int) -> ByteRange | None:
    """Return the part of content of ``size`` bytes that ``Range`` selects; None for all of it.

    Anything but a single range of bytes is ignored, as RFC 9110 section 14.2 allows; so is a range
    of empty content, which no ``Content-Range`` could describe.

    :raises RangeInvalid: the range lies outside the content, or ends before it starts, which
        section 14.2 allows to reject.
    """
    match = _BYTES_RANGE.fullmatch(header.strip()) if header and size else None
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if not first:
        start, end = max(size - int(last), 0), size - 1
    else:
        start, end = int(first), min(int(last), size - 1) if last else size - 1
    if start > end:
        raise RangeInvalid(
            f"the range {header!r} is outside the content, which has {size} bytes",
            headers={"Content-Range": f"bytes */{size}"},
        )
    return ByteRange(start, end)


def is_plain(header: str | None) -> bool:
    """Return whether every server understands a ``Range`` alike: absent, or from an offset on.

    Blob Storage does not support the last bytes (a suffix), and answers ranges that the registry
    ignores with errors, or with bytes of its own choice.
    """
    return header is None or _PLAIN_RANGE.fullmatch(header) is not None


def parse_content_range(header: str | None) -> ByteRange | None:
    """Return the range of a chunk within its upload; None if the header is absent.

    :raises RangeInvalid: the header is malformed.
    """
    if header is None:
        return None
    match = _CHUNK_RANGE.fullmatch(header.strip())
    if match is None or int(match[2]) < int(match[1]):
        raise RangeInvalid(f"Content-Range {header[:160]!r} is malformed; expected <start>-<end>")
    return ByteRange(int(match[1]), int(match[2]))


def upload_range(offset: int) -> str:
    """Return the ``Range`` of an upload that has ``offset`` bytes.

    For an empty upload it is ``0-0``, as clients expect.
    """
    return f"0-{max(offset - 1, 0)}"


def next_link(url: str) -> str:
    """Return the ``Link`` to the next page."""
    return f'<{url}>; rel="next"'
