"""asyncio helpers: bounded concurrency, and values initialised on first use."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from contextlib import suppress
from typing import Any, Generic, TypeVar

from .spec.errors import Unavailable

_log = logging.getLogger(__name__)

T = TypeVar("T")


async def together(coroutines: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Run coroutines concurrently and return their results in order.

    All of them have ended when this returns or raises, so that none outlives the request. If some
    fail, the first exception, in the order given, is raised.
    """
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    try:
        results = await asyncio.gather(*tasks, return_exceptions=True)
    except asyncio.CancelledError:
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [task.result() for task in tasks]


async def for_each(
    items: Iterable[T] | AsyncIterable[T], act: Callable[[T], Awaitable[None]], *, limit: int
) -> None:
    """Run ``act`` for every item, at most ``limit`` at a time. Items are drawn as they are needed.

    After a failure no further item is started, and the exception is raised once those under way
    have ended.
    """
    source = aiter(items) if isinstance(items, AsyncIterable) else _iterate(items)
    drawing = asyncio.Lock()  # an asynchronous generator cannot be advanced twice at a time
    failed = False

    async def work() -> None:
        nonlocal failed
        try:
            while not failed:
                async with drawing:
                    try:
                        item = await anext(source)
                    except StopAsyncIteration:
                        return
                await act(item)
        except BaseException:
            failed = True
            raise

    await together(work() for _ in range(limit))


async def run_to_completion(coroutine: Coroutine[Any, Any, T]) -> T:
    """Return the coroutine's result. If this task is cancelled, it ends only after the coroutine.

    For writes that must not be left half done.
    """
    task = asyncio.ensure_future(coroutine)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise


async def _iterate(items: Iterable[T]) -> AsyncIterator[T]:
    for item in items:
        yield item


class Lazy(Generic[T]):
    """Lazy, shared initialisation: runs on first use, once for all waiters, again after a failure.

    ``open_it`` makes the value; whatever it raises reaches those who wait for it.
    """

    def __init__(self, open_it: Callable[[], Awaitable[T]]) -> None:
        self._open = open_it
        self._task: asyncio.Future[T] | None = None
        self._is_awaited = False
        self.has_failed = False
        """Whether the latest attempt failed."""

    @classmethod
    def of(cls, value: T) -> Lazy[T]:
        """A value that needs no initialisation."""

        async def ready() -> T:
            return value

        return cls(ready)

    def start(self) -> None:
        """Start the initialisation in the background, unless it was started. Needs a running loop.

        Without a waiter, a failure is logged.
        """
        if self._task is None:
            self._is_awaited = False
            self._task = asyncio.ensure_future(self._open())
            self._task.add_done_callback(self._settle)

    async def get(self) -> T:
        """Return the value, initialising it first where necessary.

        :raises Unavailable: it was closed meanwhile. Anything that the initialisation raises.
        """
        self.start()
        task = self._task
        assert task is not None
        self._is_awaited = True
        try:
            # A client that disconnects cancels its own request, not what the others wait for.
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if not task.cancelled():
                raise
            raise Unavailable("this instance of the registry is being stopped") from None

    async def close(self) -> None:
        """Drop the value; the next use initialises another."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError, Exception):  # those who waited for it have it
                await task

    def _settle(self, task: asyncio.Future[T]) -> None:
        if task.cancelled():
            return
        self.has_failed = task.exception() is not None
        if not self.has_failed:
            return
        if self._task is task:
            self._task = None
        if not self._is_awaited:
            _log.error("not ready to serve: %s", task.exception())
