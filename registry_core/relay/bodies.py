"""Bodies of requests, read in portions."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator

from starlette.requests import ClientDisconnect, Request

from ..client.bodies import whole
from ..server.bodies import content_length
from ..spec.errors import SizeInvalid
from ..spec.ranges import parse_content_range

SILENCE = 300.0
"""In seconds: how long a client may send nothing in the middle of a body."""


def has_body(request: Request) -> bool:
    """Return whether a request has a body, which may turn out to be empty."""
    return content_length(request) != 0 and (
        "content-length" in request.headers or "transfer-encoding" in request.headers
    )


class PushedBody:
    """The body of a request that pushes content. ``received`` bytes of it have been read.

    ``start`` is where in the upload it belongs, and ``length`` its size, as far as the request says
    so.
    """

    def __init__(
        self, pieces: AsyncIterator[bytes], *, start: int | None = None, length: int | None = None
    ) -> None:
        self.start = start
        self.length = length
        self.received = 0
        self._pieces = pieces
        self._unread: deque[memoryview] = deque()
        self._ended = False

    @classmethod
    def empty(cls) -> PushedBody:
        """Return a body without content."""
        return cls(whole(b""))

    @classmethod
    def of(cls, request: Request) -> PushedBody:
        """Return the body of a request; it has an end at once if the request has none.

        :raises RangeInvalid: ``Content-Range`` is malformed.
        :raises SizeInvalid: ``Content-Range`` and ``Content-Length`` disagree.
        """
        range_ = parse_content_range(request.headers.get("content-range"))
        length = content_length(request)
        if not has_body(request):
            return cls.empty()
        if range_ is None:
            return cls(request.stream(), length=length)
        if length is not None and length != range_.length:
            raise SizeInvalid(
                f"Content-Range covers {range_.length} bytes, but Content-Length is {length}"
            )
        return cls(request.stream(), start=range_.start, length=range_.length)

    async def has_more(self) -> bool:
        """Return whether there are bytes to read; waits for them.

        :raises ClientDisconnect: the client hung up, or sends nothing any more.
        """
        while not self._unread and not self._ended:
            await self._read()
        return bool(self._unread)

    async def portion(self, limit: int | None = None) -> AsyncGenerator[bytes]:
        """Yield the next bytes, up to ``limit`` of them or to the end.

        :raises ClientDisconnect: as `has_more`.
        """
        left = limit
        while left != 0 and await self.has_more():
            piece = self._unread.popleft()
            if left is not None:
                piece, rest = piece[:left], piece[left:]
                left -= len(piece)
                if rest:
                    self._unread.appendleft(rest)
            yield bytes(piece)

    async def fill(self, buffer: bytearray, size: int) -> bool:
        """Read until a buffer has ``size`` bytes, or to the end; return whether that was reached.

        :raises ClientDisconnect: as `has_more`.
        """
        async for piece in self.portion(size - len(buffer)):
            buffer += piece
        return not await self.has_more()

    def unread(self, content: bytes | bytearray) -> None:
        """Put content before what is read next."""
        if content:
            self._unread.appendleft(memoryview(content))

    def check_length(self) -> None:
        """:raises SizeInvalid: the whole body does not have the length that was announced."""
        if self.length is not None and self.received != self.length:
            raise SizeInvalid(f"{self.length} bytes were announced, {self.received} arrived")

    async def _read(self) -> None:
        try:
            async with asyncio.timeout(SILENCE):
                piece = await anext(self._pieces, b"")
        except TimeoutError:
            raise ClientDisconnect from None
        self.received += len(piece)
        if piece:
            self._unread.append(memoryview(piece))
        else:
            self._ended = True
