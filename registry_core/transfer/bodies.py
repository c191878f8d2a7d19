"""The bytes of a blob on their way from the source: counted, and verified before the last one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

from ..aio import off_loop
from ..registry import Blob, Body
from ..spec.descriptor import Descriptor
from ..spec.digest import new_hasher
from .errors import SourceContentInvalid


class VerifiedBody:
    """A blob's content as a `Body` that ends only if it has the right size and digest.

    The last piece is held back until then: a target never gets all of a wrong content. A target may
    replace what its body raises by an error of its own, or not pass it on; `check` raises it again.
    """

    def __init__(
        self, source: str, blob: Blob, expected: Descriptor, on_bytes: Callable[[int], None]
    ) -> None:
        """Begin to read. :param source: names the source in errors."""
        self._source = source
        self._blob = blob
        self._expected = expected
        self._on_bytes = on_bytes
        self._hasher = new_hasher(expected.digest.algorithm)
        self._body: Body | None = None
        self._held: bytes | None = None
        self._read = 0
        self._has_ended = False
        self._failure: Exception | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        self.check()
        if self._has_ended:
            raise StopAsyncIteration
        try:
            return await self._next()
        except StopAsyncIteration:
            self._has_ended = True
            raise
        except Exception as error:
            self._failure = error
            raise

    def check(self) -> None:
        """Raise what reading the source raised, if it did.

        :raises SourceContentInvalid: the content has another digest or size.
        """
        if self._failure is not None:
            raise self._failure

    async def close(self) -> None:
        """Stop reading."""
        close = getattr(self._body, "aclose", None)
        if close is not None:
            await close()

    async def _next(self) -> bytes:
        """Return the piece that was held back, once the next one is there or all is verified."""
        if self._body is None and self._expected.size:
            self._body = await self._blob.read(0, self._expected.size)
        while True:
            piece = await anext(self._body, None) if self._body is not None else None
            if piece is not None:
                await self._take(piece)
            else:
                self._verify()
            held, self._held = self._held, piece
            if held is not None:
                return held
            if piece is None:
                raise StopAsyncIteration

    async def _take(self, piece: bytes) -> None:
        self._read += len(piece)
        if self._read > self._expected.size:
            raise self._wrong(f"more than {self._expected.size} bytes")
        await off_loop(len(piece), self._hasher.update, piece)
        self._on_bytes(len(piece))

    def _verify(self) -> None:
        if self._read != self._expected.size:
            raise self._wrong(f"{self._read} bytes, not {self._expected.size}")
        actual = self._hasher.digest()
        if actual != self._expected.digest:
            raise self._wrong(f"content with the digest {actual}")

    def _wrong(self, what: str) -> SourceContentInvalid:
        return SourceContentInvalid(
            f"{self._source} answers {what} for the blob {self._expected.digest}; the source is "
            "damaged: push the blob there again"
        )
