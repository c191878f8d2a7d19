"""Bodies of requests: sent in slices, under a time limit, and as often as they can be made."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field

from ..registry import Body

MakeBody = Callable[[], Body]
"""Returns the body anew for each attempt."""

# Bytes that are written between two turns of the event loop.
_SLICE = 256 * 2**10


@dataclass(eq=False)
class OneShot:
    """A body that can be sent once. A request with it is not repeated once the body has begun."""

    body: Body
    begun: bool = field(default=False, init=False)

    async def __call__(self) -> AsyncGenerator[bytes]:
        self.begun = True
        async for piece in self.body:
            yield piece


def can_be_sent(body: MakeBody | bytes | None) -> bool:
    """Return whether a body can be sent now, possibly again."""
    return not (isinstance(body, OneShot) and body.begun)


@dataclass(eq=False)
class Outgoing:
    """A body on its way, in slices, while ``limit`` ends the request if the peer does not take one.

    ``silence``: the seconds that the peer may take for a slice. ``answer``: those for the answer,
    once it has everything.
    """

    body: Body
    limit: asyncio.Timeout
    silence: float
    answer: float
    failure: Exception | None = field(default=None, init=False)
    """What the source of the body raised; aiohttp reports that as a broken connection."""
    _answered: bool = field(default=False, init=False)

    async def __aiter__(self) -> AsyncGenerator[memoryview]:
        self._allow(None)
        source = aiter(self.body)
        try:
            while (piece := await self._next(source)) is not None:
                for start in range(0, len(piece), _SLICE):
                    self._allow(self.silence)
                    yield memoryview(piece)[start : start + _SLICE]
                    await asyncio.sleep(0)
                self._allow(None)  # the source may take its time
            self._allow(self.answer)
        finally:
            if isinstance(self.body, AsyncGenerator):
                await self.body.aclose()

    def answered(self) -> None:
        """Note that the answer has begun: from now on the peer's silence has no limit."""
        self._answered = True

    async def _next(self, source: Body) -> bytes | None:
        try:
            return await anext(source, None)
        except Exception as error:
            self.failure = error
            raise

    def _allow(self, seconds: float | None) -> None:
        if not self._answered:
            now = asyncio.get_running_loop().time()
            self.limit.reschedule(None if seconds is None else now + seconds)


async def whole(content: bytes) -> AsyncGenerator[bytes]:
    """Yield a body that is there already."""
    yield content
