"""What takes some asking to open, and may fail to: who needs it first sees to it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Generic, TypeVar

from ..spec.errors import Unavailable

_log = logging.getLogger(__name__)

T = TypeVar("T")


class Opening(Generic[T]):
    """Opened once, for all who wait. When that fails they are told why, and the next one tries."""

    def __init__(self, open_it: Callable[[], Awaitable[T]]) -> None:
        self._open = open_it
        self._task: asyncio.Future[T] | None = None
        self._is_awaited = False
        self.has_failed = False
        """The last time that it was tried, if it was tried."""

    def begin(self) -> None:
        """Start to open, unless that was done. To be called where an event loop runs.

        Nobody waits: a failure is told to the log.
        """
        if self._task is None:
            self._is_awaited = False
            self._task = asyncio.ensure_future(self._open())
            self._task.add_done_callback(self._settle)

    async def opened(self) -> T:
        """What was opened.

        :raises Unavailable: it was shut meanwhile. Raises what opening it did, too.
        """
        self.begin()
        task = self._task
        assert task is not None
        self._is_awaited = True
        try:
            # A client that hangs up takes back its own request, not what the others wait for.
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if not task.cancelled():
                raise
            raise Unavailable("this instance of the registry is being stopped") from None

    async def shut(self) -> None:
        """Let go of it; who needs it next opens another."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError, Exception):  # told to those who waited for it
                await task

    def _settle(self, task: asyncio.Future[T]) -> None:
        """What failed is tried again."""
        if task.cancelled():
            return
        self.has_failed = task.exception() is not None
        if not self.has_failed:
            return
        if self._task is task:
            self._task = None
        if not self._is_awaited:
            _log.error("not ready to serve: %s", task.exception())


def already_open(value: T) -> Opening[T]:
    """What needs no opening, as if it did."""

    async def ready() -> T:
        return value

    return Opening(ready)
