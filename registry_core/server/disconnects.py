"""Clients that hang up: what they requested is not worked on any longer.

Servers tell an application of it only when it listens. Starlette does so while it sends a streamed
answer, and where a body is read its end is missed; this module does so while an answer is made.

Only the work on GET and HEAD requests is ended. A push, whose work is bounded, goes on: to end it
between two writes would save little.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

# In seconds. Most answers are there sooner, and to listen costs as much CPU as to make some.
WATCH_AFTER = 0.25

_WITHOUT_BODY = ("GET", "HEAD")


async def unless_disconnected(
    request: Request, answer: Callable[[Request], Awaitable[Response]]
) -> Response:
    """Return the answer to a request, unless the client of a GET or HEAD hangs up before.

    :raises ClientDisconnect: it did; the work on the answer was cancelled, and has ended.
    """
    if request.method not in _WITHOUT_BODY:
        return await answer(request)
    task = asyncio.current_task()
    assert task is not None
    watch = _Watch(request, task)
    timer = asyncio.get_running_loop().call_later(WATCH_AFTER, watch.begin)
    try:
        return await answer(request)
    except asyncio.CancelledError:
        if not watch.has_cancelled or task.uncancel():  # the server cancels it, too
            raise
        raise ClientDisconnect from None
    finally:
        timer.cancel()
        await watch.end()


@dataclass
class _Watch:
    """Waits for the client of a request to hang up, then cancels the task that works on it.

    Without a task of its own for each request: most are answered before this begins.
    """

    request: Request
    work: asyncio.Task[Any]
    has_cancelled: bool = False
    _task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        self._task = asyncio.ensure_future(self._watch())

    async def _watch(self) -> None:
        while (await self.request.receive())["type"] != "http.disconnect":
            pass
        self.has_cancelled = self.work.cancel()

    async def end(self) -> None:
        """Stop waiting."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task])
