"""asyncio helpers: bounded concurrency, work for threads, and values initialised on first use."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import suppress
from itertools import islice
from typing import Any, Generic, ParamSpec, TypeVar, cast

from .spec.errors import Unavailable

_log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

# Bytes: up to here, a computation costs less than handing it to a thread.
_INLINE = 64 * 2**10


async def off_loop(size: int, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function that computes, in a thread if the ``size`` bytes of its input are many.

    So no request keeps the event loop, and all others, waiting.
    """
    if size <= _INLINE:
        return function(*args, **kwargs)
    return await asyncio.to_thread(function, *args, **kwargs)


async def together(coroutines: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Run a few coroutines concurrently and return their results in order.

    For as many as there are items in some data, use `for_each`, which bounds them.
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
    items: Iterable[T], function: Callable[[T], Awaitable[R]], *, limit: int
) -> list[R]:
    """Call a coroutine function for each item, ``limit`` at a time; return the results in order.

    Items are taken from the iterable as their turn comes. After a failure no further call begins;
    when all that run have ended, the failure of the first of their items is raised.
    """
    source = enumerate(items)
    first = list(islice(source, limit))
    results: list[R | None] = [None] * len(first)
    failures: dict[int, Exception] = {}

    async def worker(entry: tuple[int, T] | None) -> None:
        while entry is not None and not failures:
            index, item = entry
            try:
                results[index] = await function(item)
            except Exception as error:  # noqa: BLE001 - it is raised below
                failures[index] = error
                return
            entry = next(source, None)
            if entry is not None:
                results.append(None)

    await together(map(worker, first))
    if failures:
        raise failures[min(failures)]
    return cast("list[R]", results)


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
