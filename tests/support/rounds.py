"""A memory store whose calls each take one unit of virtual time: a request's waits are counted."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from registry_core.object_store.interface import ObjectStore
from tests.crash.loop import QuietLoop

T = TypeVar("T")

_NO_CALLS = {"signed_url", "staging_url", "close"}


@dataclass(frozen=True)
class DistantStore:
    """Passes every call to ``inner`` after one second of the loop's own time.

    The loop's time passes only while nothing else can happen. So the seconds that a request takes
    are the rounds of calls that it waits for, one after the other.
    """

    inner: ObjectStore
    loop: QuietLoop

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        method: Callable[..., Awaitable[Any]] = getattr(self.inner, name)
        return method if name in _NO_CALLS else self._delayed(method)

    def _delayed(self, method: Callable[..., Awaitable[T]]) -> Callable[..., Awaitable[T]]:
        async def delayed(*args: Any, **kwargs: Any) -> T:
            await self._round()
            return await method(*args, **kwargs)

        return delayed

    async def _round(self) -> None:
        arrived = self.loop.create_future()
        self.loop.call_later(1, arrived.set_result, None)
        await arrived


@dataclass(frozen=True)
class Rounds:
    """A store to count on, and the loop that does."""

    loop: QuietLoop
    store: ObjectStore

    def run(self, awaitable: Awaitable[T]) -> T:
        """Return the result of a coroutine."""

        async def run() -> T:
            return await awaitable

        return self.loop.run_until_complete(run())

    def of(self, awaitable: Awaitable[object]) -> int:
        """Return how many rounds of storage calls a request waits for."""
        began = self.loop.time()
        self.run(awaitable)
        return round(self.loop.time() - began)


@contextmanager
def counting_rounds(inner: ObjectStore) -> Iterator[Rounds]:
    """Count the rounds of requests to a registry over ``inner``, on a loop of their own."""
    loop = QuietLoop()
    try:
        yield Rounds(loop, cast("ObjectStore", DistantStore(inner, loop)))
    finally:
        loop.close()
