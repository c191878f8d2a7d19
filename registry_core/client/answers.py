"""Answers of a registry whose bodies are still to be read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from aiohttp import ClientResponse
from multidict import CIMultiDict

from ..spec.errors import Unavailable
from .failures import CONNECTION_ERRORS, describe_failure
from .origins import Origin

# Bytes between two turns of the event loop.
_SLICE = 256 * 2**10

_DISCARDED = 64 * 2**10
# Seconds after which a new connection is faster.
_DISCARDING = 2.0


@dataclass(frozen=True)
class Answer:
    """An HTTP answer whose body is still to be read, once.

    ``headers`` are found in any case; those sent several times are joined by commas. ``url`` is
    where the answer came from, after redirects; it may have a signature.
    """

    status: int
    headers: Mapping[str, str]
    url: str = field(repr=False)
    _response: ClientResponse = field(repr=False)
    _seconds: float = field(repr=False)

    @classmethod
    def of(cls, response: ClientResponse, seconds: float) -> Answer:
        """Make the answer; ``seconds`` limit the time in which a whole body is read."""
        return cls(response.status, joined_headers(response), str(response.url), response, seconds)

    async def read(self, limit: int) -> bytes:
        """Return the whole body.

        :raises Unavailable: it is longer than ``limit`` bytes, does not arrive in time, or breaks
            off.
        """
        content = bytearray()
        try:
            async with asyncio.timeout(self._seconds):
                async for piece in self._response.content.iter_any():
                    content += piece
                    if len(content) > limit:
                        self._response.close()
                        raise describe_failure(
                            self.origin, ValueError(f"an answer of more than {limit} bytes")
                        )
        except CONNECTION_ERRORS as error:
            raise describe_failure(self.origin, error) from None
        return bytes(content)

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """Yield the body as it arrives.

        :raises Unavailable: it breaks off, or nothing arrives for too long.
        """
        try:
            async for piece in self._response.content.iter_any():
                for start in range(0, len(piece), _SLICE):
                    yield piece[start : start + _SLICE]
                    await asyncio.sleep(0)
        except CONNECTION_ERRORS as error:
            raise describe_failure(self.origin, error) from None

    async def discard(self) -> None:
        """Give up the answer. A short body is read, so that the connection can be used again."""
        try:
            with suppress(Unavailable, TimeoutError):
                async with asyncio.timeout(_DISCARDING):
                    await self.read(_DISCARDED)
        finally:
            self.release()

    def release(self) -> None:
        """Give back the connection; it is closed if there is more to read."""
        self._response.release()

    @property
    def origin(self) -> Origin:
        """The server that the answer came from."""
        return Origin.of(self._response.url)


def joined_headers(response: ClientResponse) -> Mapping[str, str]:
    """Return the headers of an answer, each once: RFC 9110, section 5.3."""
    headers = CIMultiDict[str]()
    for name, value in response.headers.items():
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers
