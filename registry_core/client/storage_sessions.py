"""Sessions with storage, for requests to URLs that a registry hands out."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from types import TracebackType
from typing import Self

from yarl import URL

from .options import ClientOptions
from .origins import Origin
from .session import Session


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
