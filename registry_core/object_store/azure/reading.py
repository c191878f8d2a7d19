"""Reads of blobs: properties, whole ones, ranges. What arrives is what was requested, or fails.

An intermediary may leave out a range, return another one, or cut it off. Answers are checked where
they are read, in `Request.consume`, so that the request is sent again.

learn.microsoft.com/rest/api/storageservices/get-blob, get-blob-properties; RFC 9110, section 14.4
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from aiohttp import ClientResponse

from ..errors import RangeNotSatisfiable, TooLarge
from ..interface import Condition, Properties, StoredObject, StoredRange
from .container import Container
from .errors import AnswerMalformed
from .properties import condition_headers, read_properties, whole_size

_CONTENT_RANGE = re.compile(r"bytes (\d{1,19})-(\d{1,19})/\d+")


class BlobReader:
    """Reads blobs of a container. Parameters and errors are those of `ObjectStore`."""

    def __init__(self, container: Container) -> None:
        self._container = container

    async def head(self, path: str, condition: Condition) -> Properties:
        """Return the properties of a blob. One call."""

        async def read(response: ClientResponse) -> Properties:
            return _properties(response.headers, condition)

        headers = condition_headers(condition)
        return (await self._container.read("head", "HEAD", path, read, headers=headers)).value

    async def get(self, path: str, limit: int, condition: Condition) -> StoredObject:
        """Return a whole blob of at most ``limit`` bytes. One call."""

        async def read(response: ClientResponse) -> StoredObject:
            if whole_size(response.headers) > limit:
                raise TooLarge(f"{path} has more than {limit} bytes")
            properties = _properties(response.headers, condition)
            pieces = await _read_pieces(response, range(properties.size), properties.size)
            return StoredObject(properties, b"".join(pieces))

        headers = condition_headers(condition)
        return (await self._container.read("get", "GET", path, read, headers=headers)).value

    async def get_range(
        self, path: str, offset: int, length: int, condition: Condition
    ) -> StoredRange:
        """Return at most ``length`` bytes from ``offset``. One call, two if there are none.

        Storage has no empty ranges.
        """
        if length:
            try:
                return await self._get_range(path, offset, length, condition)
            except RangeNotSatisfiable:
                if offset:
                    raise
        properties = await self.head(path, condition)
        if offset and offset >= properties.size:
            raise RangeNotSatisfiable(path)
        return StoredRange(properties, [])

    async def _get_range(
        self, path: str, offset: int, length: int, condition: Condition
    ) -> StoredRange:
        async def read(response: ClientResponse) -> StoredRange:
            size = whole_size(response.headers)
            if offset and offset >= size:
                raise RangeNotSatisfiable(path)  # Azurite returns an empty range at the end
            properties = _properties(response.headers, condition)
            wanted = range(offset, min(offset + length, size))
            return StoredRange(properties, await _read_pieces(response, wanted, size))

        headers = condition_headers(condition)
        headers["x-ms-range"] = f"bytes={offset}-{offset + length - 1}"
        return (await self._container.read("get", "GET", path, read, headers=headers)).value


def _properties(headers: Mapping[str, str], condition: Condition) -> Properties:
    """Return the properties of a blob in an answer.

    :raises AnswerMalformed: a header is missing or malformed, or this is another version of the
        blob than the condition names.
    """
    properties = read_properties(headers, whole_size(headers))
    if condition.if_match not in (None, properties.etag):
        raise AnswerMalformed(f"the answer is of {properties.etag}, not {condition.if_match}")
    return properties


async def _read_pieces(response: ClientResponse, wanted: range, size: int) -> Sequence[bytes]:
    """Return a range of a blob of ``size`` bytes in the pieces in which it arrives.

    No piece is larger than the read buffer.

    :raises AnswerMalformed: this is another range, or not all of it, or more.
    """
    found = _covered(response.headers, size)
    if found != wanted:
        raise AnswerMalformed(f"the answer has {_text(found)} instead of {_text(wanted)}")
    pieces, missing = [], len(wanted)
    async for piece, _ in response.content.iter_chunks():
        pieces.append(piece)
        missing -= len(piece)
        if missing < 0:
            raise AnswerMalformed(f"more arrived than {_text(wanted)}")
    if missing:
        raise AnswerMalformed(f"{missing} of {len(wanted)} bytes are missing")
    return pieces


def _covered(headers: Mapping[str, str], size: int) -> range:
    """Return which bytes an answer has: all, if it does not say."""
    text = headers.get("Content-Range")
    if text is None:
        return range(size)
    match = _CONTENT_RANGE.fullmatch(text)
    if match is None:
        raise AnswerMalformed(f"malformed Content-Range: {text[:100]!r}")
    return range(int(match[1]), int(match[2]) + 1)


def _text(covered: range) -> str:
    return f"bytes {covered.start} to {covered.stop - 1}"
