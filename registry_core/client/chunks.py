"""The body of an upload cut into chunks, each of which can be sent again."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Final

from ..registry import Chunk
from ..spec.errors import RegistryError, SizeInvalid

CHUNK: Final = 32 * 2**20
"""The bytes of a chunk where the registry takes as many."""

# A registry that wants larger chunks than this, in bytes, gets the whole body as one.
_LARGEST = 128 * 2**20


@dataclass(frozen=True)
class ChunkLimits:
    """What a registry says about chunks when an upload begins, in bytes; None: nothing.

    ``OCI-Chunk-Min-Length`` is in the OCI distribution-spec, "Pushing a blob in chunks"; ours, and
    others, say ``OCI-Chunk-Max-Length`` as well.
    """

    least: int | None = None
    most: int | None = None

    @property
    def length(self) -> int | None:
        """The bytes of each chunk but the last; None: the body is to be one chunk.

        A registry that says nothing might not take chunks at all.
        """
        if self.least is None and self.most is None:
            return None
        length = max(min(self.most or CHUNK, CHUNK), self.least or 1)
        return length if length <= _LARGEST else None


class SourceFailed(Exception):
    """``error`` is that of a body, and not of the request that sends it."""

    def __init__(self, error: RegistryError) -> None:
        super().__init__(str(error))
        self.error = error


class ChunkedBody:
    """A body that is taken in chunks, and checked against the length that was announced.

    Holds one chunk in memory, and a piece of the body.
    """

    def __init__(self, chunk: Chunk) -> None:
        self._pieces = aiter(chunk.body)
        self._announced = chunk.length
        self._buffer = bytearray()
        self.received = 0
        """How many bytes have arrived; if any, the body cannot be sent again."""
        self._has_ended = False

    @property
    def taken(self) -> int:
        """How many bytes have been taken."""
        return self.received - len(self._buffer)

    @property
    def has_ended(self) -> bool:
        """Whether all of the body has been taken."""
        return self._has_ended and not self._buffer

    async def take(self, length: int) -> bytes:
        """Return the next ``length`` bytes; fewer at the end of the body, which `has_ended` then.

        :raises SizeInvalid: the body has another length than was announced.
        """
        while len(self._buffer) <= length and not self._has_ended:
            self._buffer += await self._receive()
        taken = bytes(memoryview(self._buffer)[:length])
        del self._buffer[:length]
        return taken

    def put_back(self, data: bytes) -> None:
        """Return what was taken last."""
        self._buffer[:0] = data

    async def rest(self) -> AsyncGenerator[bytes, None]:
        """Yield what has not been taken, as it arrives.

        :raises SizeInvalid: as `take`.
        """
        while not self.has_ended:
            if self._buffer:
                piece, self._buffer = bytes(self._buffer), bytearray()
            else:
                piece = await self._receive()
            if piece:
                yield piece

    async def sent(self) -> AsyncGenerator[bytes, None]:
        """Yield what `rest` yields, in a request whose own errors are of the same classes.

        :raises SourceFailed: the body has raised an error.
        """
        try:
            async for piece in self.rest():
                yield piece
        except RegistryError as error:
            raise SourceFailed(error) from error

    async def _receive(self) -> bytes:
        """Return the next piece; empty at the end."""
        piece = await anext(self._pieces, None)
        self.received += len(piece or b"")
        self._has_ended = piece is None
        self._check()
        return piece or b""

    def _check(self) -> None:
        announced, received = self._announced, self.received
        if announced is None:
            return
        if received > announced or (self._has_ended and received < announced):
            raise SizeInvalid(
                f"the body has {'more' if received > announced else 'fewer'} bytes than the "
                f"{announced} that were announced"
            )
