"""Bodies of requests: sent in slices, under a time limit, and as often as they can be made."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
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

    def __call__(self) -> Body:
        self.begun = True
        return self.body


def can_be_sent(body: MakeBody | bytes | None) -> bool:
    """Return whether a body can be sent now, possibly again."""
    return not (isinstance(body, OneShot) and body.begun)


async def watched(
    body: Body, limit: asyncio.Timeout, *, silence: float, answer: float
) -> AsyncIterator[bytes | memoryview]:
    """Yield a body in slices, while ``limit`` is set for as long as the peer does not take one.

    :param silence: how many seconds the peer may take for a slice.
    :param answer: how many it may take for the answer, once it has everything.
    """
    loop = asyncio.get_running_loop()
    try:
        async for piece in body:
            for slice_ in _slices(piece):
                limit.reschedule(loop.time() + silence)
                yield slice_
                limit.reschedule(None)  # the source of the body may take its time
            await asyncio.sleep(0)
        limit.reschedule(loop.time() + answer)
    finally:
        if isinstance(body, AsyncGenerator):
            await body.aclose()


async def whole(content: bytes) -> AsyncIterator[bytes]:
    """Yield a body that is there already."""
    yield content


def _slices(piece: bytes) -> list[memoryview]:
    view = memoryview(piece)
    return [view[start : start + _SLICE] for start in range(0, len(view), _SLICE)]
