"""Requests to storage with URLs that a registry hands out: blobs sent in blocks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

from yarl import URL

from ..registry import Body
from ..spec.staging import Staging
from .options import ClientOptions
from .origins import Origin
from .session import Session
from .staged_upload import BlockStager


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
class BlockSender:
    """Sends the bytes of blobs to storage, in blocks: a `transfer.options.StagedSender`."""

    sessions: StorageSessions

    async def send(
        self, body: Body, size: int, staging: Staging, renew: Callable[[], Awaitable[Staging]]
    ) -> int:
        """Stage a body of ``size`` bytes in blocks, from the first, and return their number.

        :raises Unavailable: storage did not take them.
        :raises Denied: storage refuses the client, such as by its firewall.
        """
        session = await self.sessions.to(staging.url)
        async with BlockStager(session, staging, renew, size=size) as stager:
            async for piece in body:
                await stager.add(piece)
            return await stager.finish()
