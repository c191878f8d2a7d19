"""Blobs that storage fetches by itself from where their registry redirects to.

So an import takes no bytes of the user's line, nor of the registry's host.

Source: REST "Put Block From URL".
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from http import HTTPStatus
from types import TracebackType
from typing import Final, Self

from yarl import URL

from ..aio import for_each
from ..registry import Blob
from ..spec.errors import RegistryError, Unavailable
from ..spec.staging import MAX_BLOCKS, Staging
from .options import ClientOptions
from .origins import Origin
from .session import Session

PIECE: Final = 100 * 2**20
"""Bytes of a block. One may have 4,000 MiB, but it is fetched while a request waits for it."""
PARALLEL: Final = 4
"""The blocks of one blob that are fetched at the same time."""

# "The value is a URL of up to 2 KiB in length that specifies a blob."
_LONGEST_URL = 2048

Renew = Callable[[], Awaitable[Staging]]


class StorageSessions:
    """Sessions with storage, one for each origin, opened with the first request."""

    def __init__(self, options: ClientOptions) -> None:
        """Open nothing yet.

        :param options: what all sessions share; the URL and the credentials are not used.
        """
        self._options = replace(options, credentials=None, insecure=False)
        self._stack = AsyncExitStack()
        self._sessions: dict[Origin, Session] = {}
        self._opening = asyncio.Lock()

    async def to(self, url: str) -> Session:
        """Return the session with the origin of a URL.

        :raises ValueError: the URL is not one with https, or http on loopback.
        """
        origin = Origin.of(URL(url, encoded=True))
        async with self._opening:
            if origin not in self._sessions:
                options = replace(self._options, url=str(origin))
                session = await self._stack.enter_async_context(Session.open(options))
                self._sessions[origin] = session
            return self._sessions[origin]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._stack.aclose()


@dataclass(frozen=True)
class StorageFetcher:
    """Has storage fetch blobs: a `BlobFetcher` of transfers.

    ``session_to`` returns a session with the origin of a URL, as `StorageSessions.to` does.
    ``piece`` is the size of a block in bytes, ``parallel`` how many are fetched at the same time.
    The signed URL of the source goes to the target's storage.
    """

    session_to: Callable[[str], Awaitable[Session]]
    piece: int = PIECE
    parallel: int = PARALLEL

    async def fetch(
        self, blob: Blob, staging: Staging, renew: Renew, on_bytes: Callable[[int], None]
    ) -> int | None:
        """Stage a blob's content in blocks, from the first, and return their number.

        Returns None where storage cannot fetch it: the source does not redirect to a URL that it
        can read, or a firewall is in the way.

        :param renew: returns the staging with more time.
        :param on_bytes: called with the number of bytes of each block that was staged.
        :raises BlobUnknown: the source does not have the content any more.
        :raises Unavailable: storage, or the source, does not answer at present.
        """
        url = await _fetchable(blob)
        if url is None or not blob.descriptor.size:
            return None
        try:
            session = await self.session_to(staging.url)
        except ValueError:
            return None
        size = blob.descriptor.size
        piece = max(self.piece, -(-size // MAX_BLOCKS))
        work = _Fetch(blob, session, staging, url, renew)
        ranges = [(start, min(piece, size - start)) for start in range(0, size, piece)]

        async def fetch(entry: tuple[int, tuple[int, int]]) -> bool:
            index, (start, length) = entry
            is_staged = await work.stage(index, start, length)
            if is_staged:
                on_bytes(length)
            return is_staged

        # What storage refuses, it refuses at once: the others wait for the first one.
        first, *others = enumerate(ranges)
        if not await fetch(first) or not all(await for_each(others, fetch, limit=self.parallel)):
            return None
        return len(ranges)


async def _fetchable(blob: Blob) -> str | None:
    url = await blob.url()
    return url if url is not None and len(url) <= _LONGEST_URL else None


class _Fetch:
    """The fetching of one blob. What has expired is renewed."""

    def __init__(
        self, blob: Blob, session: Session, staging: Staging, url: str, renew: Renew
    ) -> None:
        self._blob = blob
        self._session = session
        self._signed = (staging, url)
        self._renew = renew
        self._has_staged = False

    async def stage(self, index: int, start: int, length: int) -> bool:
        """Have a part of the blob staged as a block; return False if storage refuses that.

        :raises Unavailable: it may not refuse it later.
        """
        if await self._try(index, start, length):
            return True
        if not self._has_staged:
            return False
        # It did not refuse the blocks before: one of the signatures has expired.
        staging, url = await self._renew(), await _fetchable(self._blob)
        if url is None:
            return False
        self._signed = (staging, url)
        return await self._try(index, start, length)

    async def _try(self, index: int, start: int, length: int) -> bool:
        staging, url = self._signed
        headers = {
            "x-ms-copy-source": url,
            "x-ms-source-range": f"bytes={start}-{start + length - 1}",
        }
        request = self._session.request(
            "PUT",
            staging.block_url(index),
            headers=headers,
            body=b"",
            ok=(HTTPStatus.CREATED,),
            redirects=False,
            scopes=(),
            retry=True,
        )
        try:
            async with request:
                self._has_staged = True
                return True
        except Unavailable:
            if self._has_staged:
                raise
            return False
        except RegistryError:
            return False
