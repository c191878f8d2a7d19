"""asyncio helpers: bounds, work for threads, values that are shared, late or fresh."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Hashable,
    Iterable,
    Sequence,
)
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Generic, ParamSpec, TypeVar, cast

from .spec.errors import Unavailable

_log = logging.getLogger(__name__)

P = ParamSpec("P")
Key = TypeVar("Key", bound=Hashable)
R = TypeVar("R")
T = TypeVar("T")

# Bytes: up to here, a computation costs less than handing it to a thread.
_INLINE = 64 * 2**10

# Items that are handled between two turns of the event loop, in a few milliseconds at most.
_SLICE = 500
# The same of a coroutine function's items, which take longer.
_TURN = 64


async def off_loop(size: int, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function that computes, in a thread if the ``size`` bytes of its input are many.

    So no request keeps the event loop, and all others, waiting.
    """
    if size <= _INLINE:
        return function(*args, **kwargs)
    return await asyncio.to_thread(function, *args, **kwargs)


async def in_slices(items: Sequence[T], size: int = _SLICE) -> AsyncIterator[Sequence[T]]:
    """Yield all items in slices, and let other tasks run between two of them.

    For short computations on many items, each of which takes microseconds.
    """
    for start in range(0, len(items), size):
        if start:
            await asyncio.sleep(0)
        yield items[start : start + size]


async def together(coroutines: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Run a few coroutines concurrently and return their results in order.

    Where their number depends on data, use `for_each`, which bounds it.

    When one fails, or the caller is cancelled, the others are cancelled. All of them have ended
    when this returns or raises, so that none outlives the request. Of several that have failed, the
    exception of the first in the order given is raised.
    """
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    try:
        if tasks:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    failures = [task.exception() for task in tasks if not task.cancelled()]
    for failure in failures:
        if failure is not None:
            raise failure
    return [task.result() for task in tasks]


async def both(one: Coroutine[Any, Any, T], other: Coroutine[Any, Any, R]) -> tuple[T, R]:
    """Run two coroutines concurrently and return both results: `together`, for different types."""
    results: list[T | R] = await together((one, other))
    return cast("tuple[T, R]", tuple(results))


async def for_each(
    items: Iterable[T], function: Callable[[T], Awaitable[R]], *, limit: int
) -> list[R]:
    """Call a coroutine function for each item, ``limit`` at a time; return the results in order.

    Items are taken from the iterable as their turn comes. When one fails, those that run are
    cancelled, and no further one begins. Other tasks get their turn between items even where the
    function never waits.

    :param limit: at least 1.
    """
    assert limit > 0, limit
    source = enumerate(items)
    first = list(islice(source, limit))
    results: list[R | None] = [None] * len(first)

    async def worker(entry: tuple[int, T] | None) -> None:
        while entry is not None:
            index, item = entry
            results[index] = await function(item)
            entry = next(source, None)
            if entry is not None:
                results.append(None)
                if entry[0] % _TURN < limit:  # each worker comes by one of these
                    await asyncio.sleep(0)

    await together(map(worker, first))
    return cast("list[R]", results)


async def run_to_completion(coroutine: Coroutine[Any, Any, T]) -> T:
    """Return the coroutine's result. If this task is cancelled, it ends only after the coroutine.

    For writes that must not be left half done.
    """
    task = asyncio.ensure_future(coroutine)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is None:
        return task.result()
    if not task.cancelled():
        task.exception()  # retrieved, or asyncio would warn; the cancellation takes precedence
    raise cancelled


@dataclass
class Budget:
    """The bytes that may be under way at a time, over all who share it; ``capacity`` in all."""

    capacity: int
    _used: int = field(default=0, init=False)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)
    _freed: asyncio.Event = field(default_factory=asyncio.Event, init=False)

    async def take(self, size: int) -> None:
        """Wait until ``size`` bytes more may be under way. First come, first served.

        What is larger than the whole budget is under way alone.
        """
        async with self._turn:
            while self._used and self._used + size > self.capacity:
                self._freed.clear()
                await self._freed.wait()
            self._used += size

    def give_back(self, size: int) -> None:
        """Return what `take` took."""
        self._used -= size
        self._freed.set()


class SharedReads(Generic[Key, T]):
    """Reads shared by concurrent callers, each as fresh as a read of the caller's own.

    At most one read per key is under way, as a rule. Whoever calls meanwhile waits for the next
    one, which begins when that ends and serves all who wait by then. So a result is never older
    than the call that gets it. A read that takes longer than ``patience`` seconds does not keep
    others from beginning.
    """

    def __init__(self, read: Callable[[Key], Awaitable[T]], *, patience: float = 0.25) -> None:
        self._read = read
        self._patience = patience
        # No more than there are callers: an entry goes when its read begins, or ends.
        self._next: dict[Key, asyncio.Task[T]] = {}
        self._under_way: dict[Key, asyncio.Task[T]] = {}

    async def get(self, key: Key) -> T:
        """Return the result of a read that begins after this call.

        :raises Exception: whatever the read raises, to all who share it.
        """
        task = self._next.get(key)
        if task is None:
            task = self._next[key] = asyncio.create_task(self._take_turn(key))
            task.add_done_callback(lambda task: self._settle(key, task))
        # A client that disconnects cancels its own request, not what the others wait for.
        return await asyncio.shield(task)

    async def _take_turn(self, key: Key) -> T:
        before = self._under_way.get(key)
        if before is not None:
            await asyncio.wait([before], timeout=self._patience)
        self._under_way[key] = self._next.pop(key)
        return await self._read(key)

    def _settle(self, key: Key, task: asyncio.Task[T]) -> None:
        for tasks in (self._next, self._under_way):
            if tasks.get(key) is task:
                del tasks[key]
        if not task.cancelled():
            task.exception()  # retrieved, or asyncio would warn if all callers have disconnected


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
            raise _closed() from None

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


@dataclass(frozen=True)
class Expiring(Generic[T]):
    """A value with its times, in seconds on the clock of the `Refreshing` that holds it.

    From ``refresh_at`` on the next value is fetched in the background; from ``expires_at`` on this
    one is not used any more.
    """

    value: T
    refresh_at: float = math.inf
    expires_at: float = math.inf


class Refreshing(Generic[T]):
    """A value that is fetched on first use and again as it ages, by one fetch at a time for all.

    While a value is valid nobody waits for the next one: it is fetched in the background, and a
    failure is logged. Without a valid value, callers wait for the fetch and get its failure. A
    fetch that failed is not repeated at once.
    """

    def __init__(
        self,
        name: str,
        fetch: Callable[[], Awaitable[Expiring[T]]],
        *,
        initial: Expiring[T] | None = None,
        retry_seconds: float = 5.0,
        background_retry_seconds: float = 60.0,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] | None = None,
    ) -> None:
        """Hold a value that ``fetch`` returns. Nothing is fetched yet.

        :param name: what the log calls the value.
        :param initial: a value to begin with.
        :param retry_seconds: the shortest time from a failure to the next fetch, and from one
            `refresh` to the next.
        :param background_retry_seconds: likewise from a failure while a value is still valid.
        :param clock: what the values' times are compared with. It may be set back and forth.
        :param monotonic: what the times between fetches are measured with: that of the system, or
            ``clock`` if that is one of the program's own.
        """
        self._name = name
        self._fetch = fetch
        self._current = initial
        self._retry = retry_seconds
        self._background_retry = background_retry_seconds
        self._clock = clock
        self._monotonic = monotonic or (time.monotonic if clock is time.time else clock)
        self._task: asyncio.Task[Expiring[T]] | None = None
        self._failed_at = self._forced_at = -math.inf

    @property
    def current(self) -> T | None:
        """The latest value, valid or not, without fetching one."""
        return self._current.value if self._current is not None else None

    async def get(self) -> T:
        """Return a valid value, fetching one first if there is none.

        :raises Unavailable: it was closed meanwhile.
        :raises Exception: whatever the fetch raises.
        """
        current, now = self._current, self._clock()
        if current is not None and now < current.expires_at:
            if now >= current.refresh_at:
                _ = self._start(self._background_retry)
            return current.value
        task = self._start(self._retry)
        try:
            # A client that disconnects cancels its own request, not what the others wait for.
            return (await asyncio.shield(task)).value
        except asyncio.CancelledError:
            if not task.cancelled():
                raise
            raise _closed() from None

    async def refresh(self) -> T:
        """Fetch a value now, for a caller whom the current one does not serve, and return it.

        Returns the current value if that was refreshed, or failed to be, a short while ago; or if
        it cannot be refreshed and is still valid.

        :raises Unavailable: it was closed meanwhile.
        :raises Exception: whatever the fetch raises.
        """
        now = self._monotonic()
        if not self._is_fetching and now >= max(self._forced_at, self._failed_at) + self._retry:
            self._forced_at = now
            _ = self._start(0)
        task = self._task
        if self._is_fetching and task is not None:
            await asyncio.wait([task])
            if task.cancelled():
                raise _closed()
        return await self.get()

    def drop(self, value: T) -> bool:
        """Drop a value that was refused, unless a newer one has replaced it.

        Returns whether the next `get` returns another value.
        """
        if self._current is not None and self._current.value is value:
            self._current = None
        return self._current is None or self._current.value is not value

    async def close(self) -> None:
        """Cancel a fetch under way."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError, Exception):  # those who waited for it have it
                await self._task

    @property
    def _is_fetching(self) -> bool:
        return self._task is not None and not self._task.done()

    def _start(self, retry_seconds: float) -> asyncio.Task[Expiring[T]]:
        """Return the fetch under way, or the one that failed a short while ago, or a new one."""
        may_retry = self._monotonic() >= self._failed_at + retry_seconds
        if self._task is None or (not self._is_fetching and may_retry):
            self._task = asyncio.create_task(self._fetch_next())
            self._task.add_done_callback(self._note)
        return self._task

    async def _fetch_next(self) -> Expiring[T]:
        self._current = await self._fetch()
        return self._current

    def _note(self, task: asyncio.Task[Expiring[T]]) -> None:
        if task.cancelled() or (error := task.exception()) is None:
            return
        self._failed_at = self._monotonic()
        if self._current is not None and self._clock() < self._current.expires_at:
            _log.warning("could not refresh %s, using the current one: %s", self._name, error)


def _closed() -> Unavailable:
    return Unavailable(public="this instance of the registry is being stopped")
