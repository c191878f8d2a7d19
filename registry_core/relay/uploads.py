"""An upload through the relay: what a client pushes, and where the relay sends it.

A small blob is kept until it is complete and then sent to the registry in one request, which costs
the registry least. As soon as an upload does not fit in a block, its bytes go to a `Destination` as
they come: to storage, in blocks, or, where the registry offers no staging, to the registry.

Between two requests an upload exists in the relay's memory only: after a restart clients start
over, which they do by themselves where a push fails.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import quote

from ..client.bodies import whole
from ..spec.digest import Digest
from ..spec.errors import RangeInvalid
from ..storage.ingest import BLOCK
from .bodies import PushedBody
from .headers import Headers
from .memory import Memory
from .upstream import Answered, Upstream

OCTETS = ("content-type", "application/octet-stream")


class Destination(Protocol):
    """Where the bytes of one upload go, once they are many.

    Its methods raise `Refused` with the registry's answer, or `RegistryError`.
    """

    @property
    def can_restart(self) -> bool:
        """Whether the upload can begin again, because the registry has nothing of it yet."""

    @property
    def held(self) -> int:
        """The bytes that were taken and are kept in memory until there are more."""

    async def take(self, body: PushedBody, headers: Headers) -> None:
        """Send the rest of a body there.

        :param headers: for requests to the registry.
        :raises ClientDisconnect: the client hung up.
        """

    async def shed(self) -> None:
        """Send what is held, and wait until all that was taken has arrived."""

    async def finish(self, digest: Digest, headers: Headers) -> Answered:
        """Make a blob of all that was taken; return the registry's answer."""

    async def abort(self) -> None:
        """Stop what is under way."""


@dataclass(frozen=True)
class Begun:
    """An upload that the registry has begun.

    ``location`` is the path and query of its next request. ``chunk_limit``: the registry's advice,
    in bytes.
    """

    repository: str
    location: str
    uuid: str = ""
    chunk_limit: int | None = None

    def target(self, query: str) -> str:
        """Return the location with more in its query."""
        return f"{self.location}{'&' if '?' in self.location else '?'}{query}"

    def finishing(self, digest: Digest) -> str:
        """Return the target of the request that makes a blob of the upload."""
        return self.target(f"digest={quote(str(digest), safe=':')}")


Choose = Callable[[Begun, PushedBody, Headers], Awaitable[Destination]]
"""Returns where an upload goes whose body, which begins with a whole block, is not small."""


@dataclass(eq=False)
class RelayedUpload:
    """An upload in progress; ``size`` bytes have arrived.

    Whoever knows its ``key`` may continue the upload: it travels in the query, which no log has.
    But only the registry can finish it, which checks the credentials of each request that it gets.
    """

    begun: Begun
    upstream: Upstream
    memory: Memory
    choose: Choose
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    key: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    size: int = 0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _small: bytearray = field(default_factory=bytearray)
    _destination: Destination | None = None
    _kept: int = 0

    @property
    def state(self) -> str:
        """What the URL of the next request has in its query: the size so far, and the key."""
        return f"{self.size}.{self.key}"

    def check_start(self, start: int | None) -> None:
        """:raises RangeInvalid: a part that begins at ``start``, if known, does not follow."""
        if start not in (None, self.size):
            raise RangeInvalid(f"the upload has {self.size} bytes; the next piece starts there")

    async def append(self, body: PushedBody, headers: Headers) -> None:
        """Take a body as the next part of the upload.

        :raises Refused: the registry does not accept it.
        :raises RegistryError, ClientDisconnect: it cannot be sent on, or has not arrived.
        """
        if await body.has_more():
            async with self._receiving():
                await self._take(body, headers)
                await self._keep(headers)
        body.check_length()

    async def finish(self, digest: Digest, body: PushedBody, headers: Headers) -> Answered:
        """Take the last part, and return the registry's answer to the whole blob.

        :raises Refused, RegistryError, ClientDisconnect: as `append`.
        """
        async with self._receiving():
            await self._take(body, headers)
            body.check_length()
            if self._destination is None:
                return await self._push_small(digest, headers)
            await self._destination.shed()
        return await self._destination.finish(digest, headers)

    async def undo(self, body: PushedBody) -> bool:
        """Go back to before a body that was taken; return whether that is possible."""
        before = self.size - body.received
        if self._destination is None:
            del self._small[before:]
        elif body.received and before:
            return False
        elif body.received:
            if not self._destination.can_restart:
                return False
            await self._destination.abort()
            self._destination = None
        self.size = before
        return True

    async def abort(self) -> None:
        """Forget what has arrived."""
        self._release()
        self._small.clear()
        if self._destination is not None:
            await self._destination.abort()

    @asynccontextmanager
    async def _receiving(self) -> AsyncIterator[None]:
        """Wait until a block may be filled."""
        async with self.memory.receiving:
            self._release()
            yield

    async def _take(self, body: PushedBody, headers: Headers) -> None:
        if self._destination is not None:
            await self._destination.take(body, headers)
        elif not await body.fill(self._small, BLOCK):
            await self._spill(body, headers)
        self.size += body.received

    async def _spill(self, body: PushedBody, headers: Headers) -> None:
        """Send what is held, and the rest of the body, to a destination from now on."""
        body.unread(bytes(self._small))
        self._small = bytearray()
        self._destination = await self.choose(self.begun, body, headers)
        await self._destination.take(body, headers)

    async def _keep(self, headers: Headers) -> None:
        """Keep what is held until the next request, or send it where memory is short."""
        size = len(self._small) if self._destination is None else self._destination.held
        if self.memory.keep(size):
            self._kept = size
        elif self._destination is None:
            await self._spill(PushedBody.empty(), headers)
        else:
            await self._destination.shed()

    def _release(self) -> None:
        kept, self._kept = self._kept, 0
        self.memory.release(kept)

    async def _push_small(self, digest: Digest, headers: Headers) -> Answered:
        content = bytes(self._small)
        answer, _ = await self.upstream.call_until_done(
            "PUT", self.begun.finishing(digest), [*headers, OCTETS], lambda: whole(content)
        )
        return answer
