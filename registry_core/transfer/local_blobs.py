"""Blobs in files: `registry.Blob` over what `Files` hold, and pages of what they list."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TypeVar

from ..registry import Body, Listing
from ..spec.descriptor import Descriptor
from ..spec.endpoints import PageQuery
from ..spec.errors import BlobUnknown
from .local_files import StoredFile

_PIECE = 2**20

T = TypeVar("T")


@dataclass(frozen=True)
class LocalBlob:
    """A blob; ``open_file`` opens the file with its content, in a thread."""

    descriptor: Descriptor
    open_file: Callable[[], AbstractContextManager[StoredFile]]

    async def url(self) -> str | None:
        """None: nothing serves it."""
        return None

    async def read(self, offset: int, length: int) -> Body:
        """See `registry.Blob.read`."""
        return self._pieces(offset, length)

    async def _pieces(self, offset: int, length: int) -> AsyncGenerator[bytes, None]:
        try:
            opened = await asyncio.to_thread(self.open_file)
        except FileNotFoundError:
            raise BlobUnknown(f"the blob {self.descriptor.digest} is gone") from None
        with opened as file:
            end = offset + length
            for start in range(offset, end, _PIECE):
                yield await asyncio.to_thread(file.read_at, start, min(_PIECE, end - start))


def page_of(entries: Sequence[T], page: PageQuery, key: Callable[[T], str]) -> Listing[T]:
    """Return a page of all entries there are, which are in the lexical order of their keys."""
    after = [entry for entry in entries if page.last is None or key(entry) > page.last]
    if page.n is None or len(after) <= page.n:
        return Listing(tuple(after))
    found = tuple(after[: page.n])
    return Listing(found, PageQuery(page.n, key(found[-1]) if found else page.last))
